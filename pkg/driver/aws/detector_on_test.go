//go:build race

package aws

const raceDetector = true
