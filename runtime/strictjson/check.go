package strictjson

import (
	"fmt"
	"hash/maphash"
	"math"
)

const (
	// DefaultMaxDepth is how deep arrays and objects may nest unless
	// [Options.MaxDepth] says otherwise. CPython's decoder recurses in C, and
	// nobody writes such a document by hand.
	DefaultMaxDepth = 200
	// MaxDepth is the largest depth that can be asked for: the deepest that
	// encoding/json reads.
	MaxDepth = 10_000
	// MaxDigits is the largest number of digits in one number. It is
	// CPython's default for int(str), sys.int_info.default_max_str_digits.
	MaxDigits = 4300
	// maxLength keeps positions, those in the buffer of unescaped names
	// included, within 32 bits.
	maxLength = math.MaxInt32
)

// Options say what is asked of a document beyond being strict JSON.
type Options struct {
	// Object demands an object at the top level.
	Object bool
	// MaxDepth bounds the nesting of arrays and objects, from 1 to [MaxDepth].
	// A scalar has depth 0. Zero: [DefaultMaxDepth].
	MaxDepth int
}

// Check reports whether data is one strict JSON document. If not, the error is
// an [*Error] for the first place that is wrong. An object is searched for
// names that appear twice when its end is reached.
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

// checker walks over data. Its methods take the position where they begin and
// return the one behind what they consumed.
type checker struct {
	data     []byte
	maxDepth int

	names nameStack    // of the objects that are open, outermost first
	plain []byte       // unescaped text of those names that have escapes
	seed  maphash.Seed // drawn when distinct first needs it
	drawn bool

	// The tables of distinct: a checker lives on its caller's stack, and small
	// objects get by with that.
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
		// What is no JSON at all is told as such.
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
	for i < len(c.data) {
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
