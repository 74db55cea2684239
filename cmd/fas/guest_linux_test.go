package main

import (
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// compiledGuest returns the folder with the compiled guest, which the tests of server processes use
// too. The guest is the same in every binary that is built from this source tree.
func compiledGuest(t *testing.T) string { return process.Guest(t) }
