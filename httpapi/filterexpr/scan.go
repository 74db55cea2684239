package filterexpr

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/faaspot/faaspot/runtime"
)

// kind is the kind of a token.
type kind int

const (
	end    kind = iota
	word        // letters, digits and -_.:/@*~+%
	text        // in double quotes
	symbol      // = != >= <= ( ) , and any other character
)

// token is a part of an expression.
type token struct {
	kind kind
	text string // without quotes
	at   int    // offset in the expression
}

// String renders the token in an error.
func (t token) String() string {
	if t.kind == end {
		return "the end of the expression"
	}
	return fmt.Sprintf("%q", t.text)
}

// is reports whether the token is a given keyword or symbol.
func (t token) is(what string) bool {
	return t.kind == word && strings.EqualFold(t.text, what) || t.kind == symbol && t.text == what
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// isWord reports whether a byte is part of a word. All bytes of UTF-8 beyond ASCII are.
func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= utf8.RuneSelf || strings.IndexByte("-_.:/@*~+%", c) >= 0
}

// next scans the token at an offset, and returns it with the offset behind it.
func (p *parser) next(i int) (token, int) {
	s := p.source
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	from := i
	switch {
	case i == len(s):
		return token{at: i}, i
	case s[i] == '"':
		return p.quoted(i)
	case isWord(s[i]):
		for i < len(s) && isWord(s[i]) {
			i++
		}
		return token{word, s[from:i], from}, i
	}
	i++
	if i < len(s) && s[i] == '=' && strings.IndexByte("!<>=~", s[from]) >= 0 {
		i++
	}
	return token{symbol, s[from:i], from}, i
}

func (p *parser) quoted(from int) (token, int) {
	var b strings.Builder
	for i := from + 1; i < len(p.source); i++ {
		switch c := p.source[i]; {
		case c == '"':
			return token{text, b.String(), from}, i + 1
		case c == '\\' && i+1 < len(p.source) && strings.IndexByte(`"\`, p.source[i+1]) >= 0:
			i++
			b.WriteByte(p.source[i])
		default:
			b.WriteByte(c)
		}
	}
	p.fail(from, `put a " at the end of the value`, `the quoted value is not closed`)
	return token{at: len(p.source)}, len(p.source)
}

// shownAround is the number of characters of an expression that an error shows on either side of
// the mistake.
const shownAround = 38

// fail records an error at an offset, if it is the first.
func (p *parser) fail(at int, hint, format string, args ...any) {
	if p.err != nil {
		return
	}
	column := utf8.RuneCountInString(p.source[:at])
	shown := []rune(p.source)
	for i, r := range shown {
		if r < ' ' || r == 0x7f { // a terminal would act on it
			shown[i] = ' '
		}
	}
	from := max(column-shownAround, 0)
	shown = shown[from:min(column+shownAround, len(shown))]
	p.err = runtime.Errorf(runtime.CodeInvalidArgument, "%s, at column %d of\n  %s\n  %s^",
		fmt.Sprintf(format, args...), column+1, string(shown), strings.Repeat(" ", column-from)).WithHint(hint)
}
