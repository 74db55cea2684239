//go:build linux

package process

import (
	"fmt"
	"os"
	"testing"
)

// Main runs the tests of a package that only talks to server processes.
//
// Under the race detector it skips them: the server is a separate binary, which is built without
// the detector, so that the tests would repeat what the plain run has checked and find no race.
func Main(m *testing.M) {
	if raceEnabled {
		fmt.Println("skipped: the server is a separate binary, which the race detector does not see")
		os.Exit(0)
	}
	os.Exit(m.Run())
}
