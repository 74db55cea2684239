package httpapi

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// Authenticator tells to whom a token belongs. A token of nobody is a
// CodeUnauthenticated error, one that is not good for anything here a
// CodePermissionDenied error. The token is valid during the call only and must
// not be logged. It is called once or twice per request, concurrently.
type Authenticator interface {
	Authenticate(token []byte) (runtime.Identity, error)
}

// TokenHash is the SHA-256 of a token: all that is kept of it. As an
// [Authenticator] it lets this one token in, as [runtime.AdminUser] of
// [runtime.DefaultTenant].
type TokenHash [sha256.Size]byte

// HashToken hashes a token, which should have 256 bits of randomness: nothing
// slows down guessing but its length.
func HashToken(token string) TokenHash { return sha256.Sum256([]byte(token)) }

// Authenticate implements [Authenticator]. The time it takes says nothing
// about the right token: hashes are compared, and in constant time.
func (h TokenHash) Authenticate(token []byte) (runtime.Identity, error) {
	got := sha256.Sum256(token)
	if subtle.ConstantTimeCompare(got[:], h[:]) != 1 {
		return runtime.Identity{}, errWrongToken
	}
	return runtime.Identity{Tenant: runtime.DefaultTenant, UserID: runtime.AdminUser}, nil
}

const tokenHint = `send the header "Authorization: Token YOUR-TOKEN" (Bearer works too)`

var (
	errNoToken = runtime.Errorf(runtime.CodeUnauthenticated, "the request carries no token").
			WithHint(tokenHint)
	errWrongToken = runtime.Errorf(runtime.CodeUnauthenticated, "the token is not valid").
			WithHint("check the token; the server keeps only a hash of it, so it cannot be read back there")
	errTwoTokens = runtime.Errorf(runtime.CodeInvalidArgument, "the request has more than one token").
			WithHint("send one Authorization header")
)

// authenticate finds out who sends a request.
func (s *Server) authenticate(h *fasthttp.RequestHeader) (runtime.Identity, error) {
	if token, there, err := blaxelToken(h); err != nil {
		return runtime.Identity{}, err
	} else if there {
		return s.opts.Auth.Authenticate(token)
	}
	fields := h.PeekAll(fasthttp.HeaderAuthorization)
	switch {
	case len(fields) > 1:
		return runtime.Identity{}, errTwoTokens
	case len(fields) == 0:
		return runtime.Identity{}, errNoToken
	}
	token, ok := bearer(fields[0])
	if !ok {
		return runtime.Identity{}, errNoToken
	}
	return s.opts.Auth.Authenticate(token)
}

// bearer takes the token out of "Token T" or "Bearer T". The scheme's case
// does not matter (RFC 9110, section 11.1).
func bearer(field []byte) ([]byte, bool) {
	scheme, token, ok := bytes.Cut(field, []byte(" "))
	if !ok || !bytes.EqualFold(scheme, []byte("Token")) && !bytes.EqualFold(scheme, []byte("Bearer")) {
		return nil, false
	}
	token = bytes.Trim(token, " ")
	return token, len(token) > 0
}
