package faaspot

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// queryArgs returns a query as a JSON object with string values. A repeated name is an error:
// some callers would expect the last value, and others a list.
func queryArgs(query []byte) ([]byte, error) {
	// Quotes, colons and commas take more room than = and &. Escapes are rare.
	out := make([]byte, 0, 2*len(query)+2)
	out = append(out, '{')
	var seen map[string]struct{}
	var text []byte
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte("&"))
		if len(pair) == 0 {
			continue
		}
		key, value, _ := bytes.Cut(pair, []byte("="))
		var err error
		if text, err = unquotePlus(text[:0], key); err != nil {
			return nil, err
		}
		if _, twice := seen[string(text)]; twice {
			return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the query has %q more than once", text).
				WithHint("send lists as a JSON body, by POST")
		}
		if seen == nil {
			seen = make(map[string]struct{})
		}
		seen[string(text)] = struct{}{}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(web.AppendString(out, text), ':')
		if text, err = unquotePlus(text[:0], value); err != nil {
			return nil, err
		}
		out = web.AppendString(out, text)
	}
	return append(out, '}'), nil
}

// unquotePlus appends src to dst with %XX decoded and + as a space, as HTML forms encode
// queries. A % that two hex digits do not follow stays as it is.
func unquotePlus(dst, src []byte) ([]byte, error) {
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 < len(src) {
				hi, ok1 := unhex(src[i+1])
				lo, ok2 := unhex(src[i+2])
				if ok1 && ok2 {
					c = hi<<4 | lo
					i += 2
				}
			}
		}
		dst = append(dst, c)
	}
	if !utf8.Valid(dst) {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the query is not UTF-8").
			WithHint("percent-encode the UTF-8 bytes of names and values")
	}
	return dst, nil
}

// splitQuery returns the values of a parameter that may be repeated, nil if there are none, and the rest
// of the query.
func splitQuery(query []byte, name string) (values []string, rest []byte, err error) {
	var text []byte
	for pair := range bytes.SplitSeq(query, []byte("&")) {
		key, value, _ := bytes.Cut(pair, []byte("="))
		if text, err = unquotePlus(text[:0], key); err != nil {
			return nil, nil, err
		}
		if string(text) != name {
			rest = append(append(rest, pair...), '&')
			continue
		}
		if text, err = unquotePlus(text[:0], value); err != nil {
			return nil, nil, err
		}
		values = append(values, string(text))
	}
	return values, rest, nil
}

// queryFields returns the parameters of a query as members of an object: numbers as numbers, and all
// other texts as strings.
func queryFields(query []byte) (*web.Fields, error) {
	object, err := queryArgs(query)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, runtime.Internal("httpapi.query", err)
	}
	for key, raw := range members {
		if text := raw[1 : len(raw)-1]; isNumber(text) {
			members[key] = text
		}
	}
	return web.FieldsOf(members).Quoted(), nil
}

// isNumber reports whether a text is a number of JSON.
func isNumber(text []byte) bool {
	return len(text) > 0 && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid(text)
}
