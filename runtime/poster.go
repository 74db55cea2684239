package runtime

import "context"

// Post is a request to an address elsewhere.
type Post struct {
	Tenant Tenant // whose request it is
	URL    string // http or https
	Header map[string]string
	Body   []byte
}

// Poster sends requests to addresses that tenants choose, as far as the operator
// allows it. Safe for concurrent use.
type Poster interface {
	// Post sends a request and gives the status of the answer. What goes wrong is an
	// error of a code whose message is for the tenant: CodeInvalidArgument if the
	// address is one that may not be reached, CodeUnavailable else.
	Post(ctx context.Context, p Post) (status int, err error)
}
