package runtime

import (
	"context"
	"net/netip"
)

// Post is an HTTP POST request to an address outside of the server.
type Post struct {
	Tenant Tenant // the tenant that the request belongs to
	URL    string // http or https
	Header map[string]string
	Body   []byte
	// Admit reports whether the request may connect to an address, to which the host of the URL
	// resolves. It is called before each connection. Nil: it may.
	Admit func(netip.AddrPort) bool
}

// Poster sends requests to addresses that tenants choose, within the bounds that the operator
// sets. It may be called concurrently.
type Poster interface {
	// Post sends a request and returns the status of the response. The message of an error is for
	// the tenant. Its code is CodeInvalidArgument for an address that may not be reached,
	// CodeTooBusy if Admit refused the addresses, so that nothing was sent, else CodeUnavailable.
	Post(ctx context.Context, p Post) (status int, err error)
}
