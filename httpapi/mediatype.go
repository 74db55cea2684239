package httpapi

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// mediaTypeBytes bounds how much of a media type an error repeats.
const mediaTypeBytes = 100

// checkMediaType refuses a body that is no JSON and whose header says so, such as a form. The header
// alone decides nothing: many clients send JSON as a form (curl -d), or without a type.
func checkMediaType(r *fasthttp.Request, route *web.Route) error {
	if route.Body == "" {
		return nil
	}
	body := bytes.TrimSpace(r.Body())
	if len(body) == 0 || body[0] == '{' || body[0] == '[' {
		return nil // the handler reports what is wrong with it
	}
	kind, _, _ := strings.Cut(string(r.Header.ContentType()), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	var is string
	switch {
	case kind == "", kind == "application/json", kind == "text/json", strings.HasSuffix(kind, "+json"):
		return nil
	case kind == "application/x-www-form-urlencoded", strings.HasPrefix(kind, "multipart/"):
		is = "a form"
	case kind == "text/plain":
		is = "plain text"
	default:
		is = "of another type"
	}
	return runtime.Errorf(runtime.CodeInvalidArgument, "the body is %s (Content-Type: %.*s), and it must be %s", is, mediaTypeBytes, kind, route.Body).
		WithHint("send JSON, with the header Content-Type: application/json")
}
