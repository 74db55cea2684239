package faaspot

import (
	"strings"
	"unicode/utf8"

	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// encoding is the encoding of the texts "code" and "context" in a body.
type encoding string

const (
	encodingAuto    encoding = "" // decided by decodeText
	encodingPlain   encoding = wire.EncodingPlain
	encodingPercent encoding = wire.EncodingPercent
)

func parseEncoding(s string) (encoding, error) {
	switch e := encoding(s); e {
	case encodingAuto, encodingPlain, encodingPercent:
		return e, nil
	}
	return "", runtime.Errorf(runtime.CodeInvalidArgument, `encoding must be "plain" or "percent"`).
		WithHint(`leave it out to have percent-encoding recognised`)
}

// decodeText reads a text field of a body.
//
// Clients send code and context either plain, or percent-encoded by Python's
// urllib.parse.quote. If the request does not say which, a text is percent-encoded if, and
// only if, quote can have produced it:
//
//  1. it consists of A-Z a-z 0-9 _ . - ~ / and of % followed by two hex digits,
//  2. it has at least one such % group,
//  3. no group encodes a byte that every version of quote leaves alone (letters, digits,
//     _ . -), so that quoting the decoded text gives this text again (except for the case
//     of hex digits and for ~ and /, which depend on the version and arguments of quote),
//  4. the decoded text is UTF-8.
//
// Everything else is plain. Plain Python that defines a function has a space, a parenthesis
// or an equals sign, and a plain context that is not empty has an equals sign, a bracket or a
// brace. Rule 1 excludes them, so neither is ever decoded by mistake, whatever follows its
// percent signs.
func decodeText(text string, e encoding) (string, error) {
	switch e {
	case encodingPlain:
		return text, nil
	case encodingPercent:
		return decodePercent(text)
	}
	if plain, ok := unquote(text); ok {
		return plain, nil
	}
	return text, nil
}

// quoteLeaves reports whether quote leaves c alone: always (kept), or depending on its version
// and arguments (maybe).
func quoteLeaves(c byte) (kept, maybe bool) {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
		return true, true
	case c == '~', c == '/':
		return false, true
	}
	return false, false
}

// unquote reverses quote; ok is false if quote cannot have produced text.
func unquote(text string) (plain string, ok bool) {
	if strings.IndexByte(text, '%') < 0 {
		return "", false
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' {
			d, hex := unhexPair(text[i+1:])
			if kept, _ := quoteLeaves(d); !hex || kept {
				return "", false
			}
			b.WriteByte(d)
			i += 2
			continue
		}
		if _, maybe := quoteLeaves(c); !maybe {
			return "", false
		}
		b.WriteByte(c)
	}
	plain = b.String()
	return plain, utf8.ValidString(plain)
}

// decodePercent decodes every % group of a text that the request declares percent-encoded. A
// + stays a +.
func decodePercent(text string) (string, error) {
	var b strings.Builder
	b.Grow(len(text))
	line := 1
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' {
			d, ok := unhexPair(text[i+1:])
			if !ok {
				return "", percentError(line, "a % is not followed by two hex digits")
			}
			c = d
			i += 2
		}
		if c == '\n' {
			line++
		}
		b.WriteByte(c)
	}
	if !utf8.ValidString(b.String()) {
		return "", percentError(0, "the decoded text is not UTF-8")
	}
	return b.String(), nil
}

func percentError(line int, reason string) error {
	e := runtime.Errorf(runtime.CodeInvalidArgument, "not valid percent-encoding: %s", reason).
		WithHint(`send the text as it is with "encoding": "plain"`)
	e.Line = line
	return e
}

func unhexPair(s string) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	hi, ok1 := unhex(s[0])
	lo, ok2 := unhex(s[1])
	return hi<<4 | lo, ok1 && ok2
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// quote returns what Python's urllib.parse.quote(text) returns.
func quote(text []byte) string {
	const upperHex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(text) + len(text)/2)
	for _, c := range text {
		if _, maybe := quoteLeaves(c); maybe {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}
