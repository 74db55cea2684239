package pack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// shownParts is the number of largest parts that an error names.
const shownParts = 5

// part is a file or folder at the root of a bundle, with what it takes.
type part struct {
	name string
	size int64
}

// parts returns what the files or folders at the root take, the largest first.
func parts(items []item, size func(item) int64) []part {
	sums := make(map[string]int64)
	for _, i := range items {
		sums[i.part()] += size(i)
	}
	list := make([]part, 0, len(sums))
	for name, size := range sums {
		list = append(list, part{name, size})
	}
	slices.SortFunc(list, func(a, b part) int { return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.name, b.name)) })
	return list
}

// tooLarge returns the error for a bundle that exceeds a bound, with its largest parts.
func tooLarge(message string, list []part, text func(int64) string) error {
	var largest []string
	for _, p := range list[:min(len(list), shownParts)] {
		largest = append(largest, fmt.Sprintf("%s (%s)", p.name, text(p.size)))
	}
	return runtime.Errorf(runtime.CodeTooLarge, "the bundle is too large: %s", message).
		WithHint("the largest parts are " + strings.Join(largest, ", ") + "; name what the function does not need in " + ignoreFile)
}

// tooMany returns the error for a bundle with too many files.
func tooMany(items []item) error {
	return tooLarge(fmt.Sprintf("it has more than %d files", runtime.MaxBundleFiles),
		parts(items, func(item) int64 { return 1 }), func(n int64) string { return fmt.Sprintf("%d files", n) })
}

// megabytes renders a number of bytes.
func megabytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/runtime.MiB) }
