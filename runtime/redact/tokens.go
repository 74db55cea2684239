package redact

import "strings"

const (
	// tokenPrefix begins the tokens that a server generates, see package access.
	tokenPrefix = "fas_"
	// leastToken is the number of characters behind the prefix from which on a word is taken for a token.
	leastToken = 16
)

// hideTokens returns a text with [Mask] in place of everything that looks like a token of this server. The
// server has hashes of its tokens only, and knows them by their prefix.
func hideTokens(text string) string {
	var out strings.Builder
	rest := text
	for {
		i := strings.Index(rest, tokenPrefix)
		if i < 0 {
			break
		}
		n := i + len(tokenPrefix)
		for n < len(rest) && isTokenByte(rest[n]) {
			n++
		}
		if n-i-len(tokenPrefix) < leastToken {
			out.WriteString(rest[:n])
		} else {
			out.WriteString(rest[:i] + Mask)
		}
		rest = rest[n:]
	}
	if out.Len() == 0 {
		return text
	}
	return out.String() + rest
}

// isTokenByte reports whether a byte is one of URL-safe base64.
func isTokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
