package wasi

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/test/linear"
)

// TestDirectory adds and removes names at random: the directory has what a list has, and a listing
// continues behind a name that was removed.
func TestDirectory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var d directory
		var want []entry
		for i := range rapid.IntRange(0, 200).Draw(t, "steps") {
			if len(want) > 0 && rapid.Bool().Draw(t, "remove") {
				n := rapid.IntRange(0, len(want)-1).Draw(t, "which")
				at, ok := d.find([]byte(want[n].name))
				if !ok {
					t.Fatalf("%s is not found", want[n].name)
				}
				d.remove(at)
				want = slices.Delete(want, n, n+1)
			} else {
				d.add(fmt.Sprint("n", i), uint32(i))
				want = append(want, entry{fmt.Sprint("n", i), d.last, uint32(i)})
			}
			cookie := uint64(rapid.IntRange(0, 210).Draw(t, "cookie"))
			from := slices.IndexFunc(want, func(e entry) bool { return e.cookie > cookie })
			if from < 0 {
				from = len(want)
			}
			clone := d.clone()
			for _, d := range []*directory{&d, &clone} {
				if got := slices.Collect(d.after(cookie)); !slices.Equal(got, want[from:]) || d.len() != len(want) || len(d.list) > len(want)*4/3+1 {
					t.Fatalf("after %d there are %v, want %v; %d entries, %d in the list", cookie, got, want[from:], d.len(), len(d.list))
				}
			}
		}
	})
}

// TestLinearDirectory fills a directory and removes everything, the oldest first: each entry moves
// a few times.
func TestLinearDirectory(t *testing.T) {
	linear.Steps(t, 10_000, func(size int) (moved int) {
		var d directory
		for i := range size {
			d.add(fmt.Sprint(i), 0)
		}
		for i := range size {
			at, _ := d.find([]byte(fmt.Sprint(i)))
			if d.remove(at); d.removed == 0 {
				moved += len(d.list)
			}
			moved++
		}
		return moved
	})
}
