package web

import (
	"bytes"
	"encoding/base64"
	"iter"
	"strings"

	"github.com/valyala/fasthttp"
)

// HeaderBlaxelAuthorization is the header in which Blaxel's clients send the token. It is accepted in all
// dialects.
const HeaderBlaxelAuthorization = "X-Blaxel-Authorization"

// HeaderConsoleKey is the header in which the console sends the key of its session, beside the cookie.
const HeaderConsoleKey = "X-Faaspot-Console"

// CookiePrefix begins the names of the cookies of the console.
const CookiePrefix = "faaspot"

// Credentials returns the tokens, the password and the secrets of a session that a request has presented, valid or not, so that the
// log does not show them.
func Credentials(h *fasthttp.RequestHeader) (all []string) {
	for _, name := range []string{fasthttp.HeaderAuthorization, HeaderBlaxelAuthorization} {
		for _, field := range h.PeekAll(name) {
			scheme, value, found := strings.Cut(string(field), " ")
			if !found {
				value = scheme
			}
			value = strings.TrimSpace(value)
			all = append(all, value)
			if pair, err := base64.StdEncoding.DecodeString(value); err == nil && strings.EqualFold(scheme, "Basic") {
				_, password, _ := strings.Cut(string(pair), ":")
				all = append(all, password)
			}
		}
	}
	for name, value := range cookies(h) {
		if bytes.HasPrefix(name, []byte(CookiePrefix)) {
			all = append(all, string(value))
		}
	}
	if key := h.Peek(HeaderConsoleKey); len(key) > 0 {
		all = append(all, string(key))
	}
	return all
}

// Cookie returns the value of the first cookie with a name, nil if there is none.
func Cookie(h *fasthttp.RequestHeader, name string) []byte {
	for n, value := range cookies(h) {
		if string(n) == name {
			return value
		}
	}
	return nil
}

// cookies returns the names and values of the cookies of a request. The library would keep memory for
// each of them as long as the connection is open.
func cookies(h *fasthttp.RequestHeader) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for pair := range bytes.SplitSeq(h.Peek(fasthttp.HeaderCookie), []byte(";")) {
			name, value, found := bytes.Cut(bytes.Trim(pair, " "), []byte("="))
			if found && !yield(name, value) {
				return
			}
		}
	}
}
