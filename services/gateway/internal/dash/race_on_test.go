//go:build race

package dash_test

const raceDetector = true
