package shell

import (
	"os/exec"
	"testing"

	"pgregory.net/rapid"
)

// A shell reads a quoted word back unchanged.
func TestShellQuote(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs sh")
	}
	check := func(t rapid.TB, s string) {
		out, err := exec.Command(sh, "-c", "printf %s "+Quote(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q became %q: %v", s, out, err)
		}
	}
	for _, s := range []string{"", "fas", "/a/b c", "it's", `$HOME "x" \ ` + "`ls`", "~", "-x=1", "a\nb", "*"} {
		check(t, s)
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.StringMatching(`[^\x00]{0,12}`).Draw(t, "s"))
	})
}
