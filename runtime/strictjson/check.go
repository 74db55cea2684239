package strictjson

import (
	"fmt"
	"hash/maphash"
	"math"
)

const (
	// DefaultMaxDepth is the nesting of arrays and objects allowed if [Options.MaxDepth] is zero.
	// CPython's decoder recurses in C, and no document written by hand is nested this deeply.
	DefaultMaxDepth = 200
	// MaxDepth is the largest value of [Options.MaxDepth]: the deepest nesting that encoding/json
	// reads.
	MaxDepth = 10_000
	// MaxDigits is the largest number of digits in one number. It is CPython's default for
	// int(str), sys.int_info.default_max_str_digits.
	MaxDigits = 4300
	// maxLength is the largest length of a document in bytes. It ensures that positions, including
	// those in the buffer of unescaped names, fit 32 bits.
	maxLength = math.MaxInt32
)

// Options are requirements on a document beyond being strict JSON.
type Options struct {
	// Object requires an object at the top level.
	Object bool
	// MaxDepth is the deepest nesting of arrays and objects, from 1 to the constant [MaxDepth]. A
	// scalar has depth 0. Zero: [DefaultMaxDepth].
	MaxDepth int
}

// Check returns nil if data is one strict JSON document, else an [*Error] for the first violation.
// Duplicate names of an object are searched for at the object's end.
func Check(data []byte, o Options) error {
	if len(data) > maxLength {
		return &Error{Path: "$", Reason: "the document is longer than 2 GiB"}
	}
	c := checker{data: data, maxDepth: o.MaxDepth}
	if c.maxDepth <= 0 {
		c.maxDepth = DefaultMaxDepth
	}
	c.maxDepth = min(c.maxDepth, MaxDepth)
	if f := c.document(o.Object); f != nil {
		return f.export()
	}
	return nil
}

// checker walks over data. Its methods take the position where they start and return the position
// after the bytes they consumed.
type checker struct {
	data     []byte
	maxDepth int

	names  nameStack    // of the open objects, outermost first
	plain  []byte       // unescaped text of names with escapes
	seed   maphash.Seed // created when distinct first needs it
	seeded bool

	// The hash tables of distinct. A checker lives on its caller's stack, where the small table
	// suffices for small objects.
	smallTable [2 * roomForNames]uint64
	largeTable []uint64
}

func (c *checker) document(object bool) *failure {
	if len(c.data) >= 3 && c.data[0] == 0xEF && c.data[1] == 0xBB && c.data[2] == 0xBF {
		return fail(0, "the document must not start with a byte order mark")
	}
	i := c.space(0)
	if i == len(c.data) {
		return fail(i, "the document is empty")
	}
	if object && c.data[i] != '{' {
		// Report invalid JSON as such, not as a missing object.
		if _, f := c.value(i, 0); f != nil {
			return f
		}
		return fail(i, "the document must be an object")
	}
	i, f := c.value(i, 0)
	if f != nil {
		return f
	}
	if i = c.space(i); i < len(c.data) {
		return fail(i, "something follows the end of the document")
	}
	return nil
}

// space skips white space.
func (c *checker) space(i int) int {
	for i < len(c.data) && c.data[i] <= ' ' {
		if b := c.data[i]; b != ' ' && b != '\n' && b != '\t' && b != '\r' {
			break
		}
		i++
	}
	return i
}

func (c *checker) value(i, depth int) (int, *failure) {
	if i == len(c.data) {
		return i, fail(i, "the document ends where a value should be")
	}
	switch b := c.data[i]; b {
	case '{':
		return c.object(i, depth)
	case '[':
		return c.array(i, depth)
	case '"':
		i, _, f := c.str(i)
		return i, f
	case 't':
		return c.word(i, "true")
	case 'f':
		return c.word(i, "false")
	case 'n':
		return c.word(i, "null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return c.number(i)
	}
	return i, fail(i, "a value should be here")
}

func (c *checker) word(i int, word string) (int, *failure) {
	if end := i + len(word); end <= len(c.data) && string(c.data[i:end]) == word {
		return end, nil
	}
	return i, fail(i, "a value should be here")
}

func (c *checker) array(i, depth int) (int, *failure) {
	if depth == c.maxDepth {
		return i, c.tooDeep(i)
	}
	if i = c.space(i + 1); i < len(c.data) && c.data[i] == ']' {
		return i + 1, nil
	}
	for n := 0; ; n++ {
		end, f := c.value(i, depth+1)
		if f != nil {
			return i, f.inItem(n)
		}
		i = c.space(end)
		switch {
		case i == len(c.data):
			return i, fail(i, "the document ends inside an array")
		case c.data[i] == ']':
			return i + 1, nil
		case c.data[i] != ',':
			return i, fail(i, "a comma or the end of the array should be here")
		}
		i = c.space(i + 1)
	}
}

func (c *checker) tooDeep(i int) *failure {
	return fail(i, fmt.Sprintf("arrays and objects must not nest deeper than %d", c.maxDepth))
}
