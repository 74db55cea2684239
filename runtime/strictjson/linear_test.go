package strictjson_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime/strictjson"
	"github.com/faaspot/faaspot/test/linear"
)

// names repeats a format of one number, up to about n bytes.
func names(n int, format string) string {
	var b strings.Builder
	for i := 100_000; b.Len() < n; i++ {
		fmt.Fprintf(&b, format, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// TestLinearCheck doubles hostile documents up to 6 MiB, the limit of args.
func TestLinearCheck(t *testing.T) {
	for name, doc := range map[string]func(n int) string{
		"names":           func(n int) string { return "{" + names(n, `"%d":0,`) + "}" },
		"escaped names":   func(n int) string { return "{" + names(n, `"\u0061%d":0,`) + "}" },
		"a name twice":    func(n int) string { return "{" + names(n, `"%d":0,`) + `,"100000":0}` },
		"objects":         func(n int) string { return "[" + strings.Repeat(`{"a":0},`, n/8) + "0]" },
		"growing objects": func(n int) string { return "[" + strings.Repeat("{"+names(500, `"%d":0,`)+"},", n/500) + "0]" },
		"names around names": func(n int) string {
			return strings.Repeat("{"+names(n/180, `"%d":0,`)+`,"x":`, 180) + "0" + strings.Repeat("}", 180)
		},
		"a long name":      func(n int) string { return `{"` + strings.Repeat("a", n) + `":0,"` },
		"long equal names": func(n int) string { a := strings.Repeat("a", n/2); return `{"` + a + `":0,"` + a + `":0}` },
		"nesting":          func(n int) string { return strings.Repeat("[", n) },
		"strings":          func(n int) string { return "[" + strings.Repeat(`"",`, n/3) + "0]" },
		"escapes":          func(n int) string { return `["` + strings.Repeat(`\n`, n/2) + `"]` },
		"an open string":   func(n int) string { return `["` + strings.Repeat(`\"`, n/2) },
		"numbers":          func(n int) string { return "[" + strings.Repeat("1e308,", n/6) + "0]" },
		"a long number":    func(n int) string { return strings.Repeat("9", n) },
		"long numbers":     func(n int) string { return "[" + strings.Repeat(strings.Repeat("9", 4000)+"e-4000,", n/4007) + "0]" },
		"spaces":           func(n int) string { return strings.Repeat(" ", n) },
	} {
		t.Run(name, func(t *testing.T) {
			linear.Bytes(t, 6<<20, func(size int) func() {
				text := []byte(doc(size))
				return func() { _ = strictjson.Check(text, strictjson.Options{Object: size%2 == 1}) }
			})
		})
	}
}
