package strictjson

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	eachByte = 0x0101010101010101
	topBits  = 0x8080808080808080
)

// stops returns a word with the top bit set in the lowest byte of w that ends a run of plain ASCII
// text: a quote, a backslash, a control character or a byte above 0x7f. Higher bytes may be marked
// wrongly.
func stops(w uint64) uint64 {
	quote := w ^ eachByte*'"'
	slash := w ^ eachByte*'\\'
	return (w | (w-eachByte*0x20)&^w | (quote-eachByte)&^quote | (slash-eachByte)&^slash) & topBits
}

// str consumes the string whose opening quote is at i. escaped reports whether it has escapes.
func (c *checker) str(i int) (end int, escaped bool, f *failure) {
	d := c.data
	start := i
	i++
	for {
		for len(d)-i >= 8 {
			if m := stops(binary.LittleEndian.Uint64(d[i:])); m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i == len(d) {
			return i, false, fail(start, "the document ends inside a string")
		}
		switch b := d[i]; {
		case b == '"':
			return i + 1, escaped, nil
		case b == '\\':
			_, size, reason := escape(d[i:])
			if reason != "" {
				return i, false, fail(i, reason)
			}
			escaped = true
			i += size
		case b < 0x20:
			return i, false, fail(i, "a control character inside a string must be escaped")
		case b < utf8.RuneSelf:
			i++
		default:
			for i < len(d) && d[i] >= utf8.RuneSelf {
				r, size := utf8.DecodeRune(d[i:])
				if r == utf8.RuneError && size == 1 {
					return i, false, fail(i, "the string is not valid UTF-8")
				}
				i += size
			}
		}
	}
}

// escape decodes the escape at the start of s. It returns the rune and the size in bytes, or the
// reason why the escape is invalid.
func escape(s []byte) (r rune, size int, reason string) {
	if len(s) < 2 {
		return 0, 0, "the document ends inside a string"
	}
	switch s[1] {
	case '"', '\\', '/':
		return rune(s[1]), 2, ""
	case 'b':
		return '\b', 2, ""
	case 'f':
		return '\f', 2, ""
	case 'n':
		return '\n', 2, ""
	case 'r':
		return '\r', 2, ""
	case 't':
		return '\t', 2, ""
	case 'u':
		r := unit(s)
		switch {
		case r < 0:
			return 0, 0, `\u must be followed by four hexadecimal digits`
		case !utf16.IsSurrogate(r):
			return r, 6, ""
		}
		if pair := utf16.DecodeRune(r, unit(s[6:])); pair != utf8.RuneError {
			return pair, 12, ""
		}
		return 0, 0, "the escape is one half of a surrogate pair without the other"
	}
	return 0, 0, `a backslash must be followed by one of " \ / b f n r t u`
}

// unit returns the UTF-16 code unit of the \uXXXX at the start of s, or -1.
func unit(s []byte) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	var r rune
	for _, b := range s[2:6] {
		switch {
		case '0' <= b && b <= '9':
			b -= '0'
		case 'a' <= b && b <= 'f':
			b -= 'a' - 10
		case 'A' <= b && b <= 'F':
			b -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(b)
	}
	return r
}

// unescape appends the text of a valid string.
func unescape(dst, s []byte) []byte {
	for len(s) > 0 {
		if s[0] != '\\' {
			dst = append(dst, s[0])
			s = s[1:]
			continue
		}
		r, size, _ := escape(s)
		dst = utf8.AppendRune(dst, r)
		s = s[size:]
	}
	return dst
}
