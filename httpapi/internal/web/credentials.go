package web

import (
	"encoding/base64"
	"strings"

	"github.com/valyala/fasthttp"
)

// HeaderBlaxelAuthorization is the header in which Blaxel's clients send the token. It is accepted in all
// dialects.
const HeaderBlaxelAuthorization = "X-Blaxel-Authorization"

// Credentials returns the tokens and the password that a request has presented, valid or not, so that the
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
	return all
}
