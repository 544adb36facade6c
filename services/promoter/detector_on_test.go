//go:build race

package promoter_test

const raceDetector = true
