//go:build !race

package npm

const raceDetector = false
