package key

import (
	"io/fs"
	"testing"
)

// A file of root's may be read by the group of the process, as in a volume of a container, and by nobody else.
func TestKeysOfRoot(t *testing.T) {
	for _, test := range []struct {
		mode        fs.FileMode
		owner, self int
		want        bool
	}{
		{0o600, 1000, 1000, false},
		{0o640, 1000, 1000, true},
		{0o440, 0, 1000, false},
		{0o640, 0, 1000, false},
		{0o440, 0, 0, true},
		{0o444, 0, 1000, true},
		{0o460, 0, 1000, true},
		{0o450, 0, 1000, true},
		{0o440, -1, 1000, true},
	} {
		if got := exposed(test.mode, test.owner, test.self); got != test.want {
			t.Errorf("a file of %d with the mode %04o, for %d: %t", test.owner, test.mode, test.self, got)
		}
	}
}
