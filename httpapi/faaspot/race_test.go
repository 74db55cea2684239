//go:build race

package faaspot

// raceEnabled says that the race detector watches the tests.
const raceEnabled = true
