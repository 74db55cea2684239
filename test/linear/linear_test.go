package linear

import (
	"fmt"
	"testing"
)

// recorder notes whether a check failed.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper()                           {}
func (r *recorder) Errorf(format string, args ...any) { r.failure = fmt.Sprintf(format, args...) }

// TestExponents checks that the check passes what is linear, and fails what is quadratic, also if a
// constant cost or a cheap linear part hides it at small sizes.
func TestExponents(t *testing.T) {
	var kept []byte
	for name, tc := range map[string]struct {
		check func(tb testing.TB)
		fails bool
	}{
		"constant steps": {func(tb testing.TB) { Steps(tb, 1<<12, func(int) int { return 7 }) }, false},
		"linear steps":   {func(tb testing.TB) { Steps(tb, 1<<12, func(n int) int { return 100 + 3*n }) }, false},
		"square steps":   {func(tb testing.TB) { Steps(tb, 1<<12, func(n int) int { return 100*n + n*n }) }, true},
		"linear bytes": {func(tb testing.TB) {
			Bytes(tb, 1<<18, func(n int) func() { return func() { kept = make([]byte, n) } })
		}, false},
		"square bytes": {func(tb testing.TB) {
			Bytes(tb, 1<<10, func(n int) func() {
				return func() {
					kept = nil
					for range n {
						kept = append(make([]byte, 0, len(kept)+16), make([]byte, len(kept)+16)...)
					}
				}
			})
		}, true},
	} {
		r := &recorder{TB: t}
		tc.check(r)
		if (r.failure != "") != tc.fails {
			t.Errorf("%s: %q", name, r.failure)
		}
	}
	_ = kept
}
