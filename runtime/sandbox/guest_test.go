package sandbox

import (
	"testing"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

// TestStateOfTheGuestIsKnown verifies that the embedded guest has only the state that slots
// restore.
func TestStateOfTheGuestIsKnown(t *testing.T) {
	binary, err := pyguest.Module()
	if err != nil {
		t.Fatal(err)
	}
	if err := wasmbin.ImmutableTables(binary); err != nil {
		t.Errorf("the guest changes its tables, which are not restored: %v", err)
	}
	if err := checkGlobals(binary); err != nil {
		t.Error(err)
	}
}
