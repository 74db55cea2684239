package httpapi

import (
	"strings"

	"github.com/valyala/fasthttp"
)

// A dialect is how errors are written to who asks below a path: each of the APIs
// spoken here has a form of its own for them. What they say is the same.
type dialect struct {
	name   string
	prefix string // of the paths, as a whole number of segments
	write  func(ctx *fasthttp.RequestCtx, status int, body errorBody)
}

// faaspotDialect is spoken wherever no other one is.
var faaspotDialect = dialect{name: "faaspot", write: writeFaaspotError}

// dialects are all others.
var dialects = []dialect{
	{name: "foundry", prefix: "/api/v2", write: writeFoundryError},
	{name: "blaxel", prefix: "/v0", write: writeBlaxelError},
}

// dialectOf finds the dialect of a request by its path. Of one that could not be
// read there is no path.
func dialectOf(ctx *fasthttp.RequestCtx) dialect { return dialectAt(string(ctx.URI().PathOriginal())) }

func dialectAt(path string) dialect {
	for _, d := range dialects {
		rest, ok := strings.CutPrefix(path, d.prefix)
		if ok && (len(rest) == 0 || rest[0] == '/') {
			return d
		}
	}
	return faaspotDialect
}

// namedError is an error to which a dialect has a name of its own, and what it
// tells with it.
type namedError struct {
	error
	name       string
	parameters map[string]any
}

func (e namedError) Unwrap() error { return e.error }

func writeFaaspotError(ctx *fasthttp.RequestCtx, status int, body errorBody) {
	text, err := encodeJSON(body)
	if err != nil { // strings and a number: cannot happen
		text = []byte(`{"message":"something went wrong inside the server","error_code":"internal"}`)
	}
	writeJSON(ctx, status, text)
}
