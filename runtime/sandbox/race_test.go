//go:build race

package sandbox

// raceEnabled says that the race detector watches the tests.
const raceEnabled = true
