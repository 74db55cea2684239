package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// Authenticator returns the owner of a token, an Identity that must not change afterwards. An unknown
// token is a CodeUnauthenticated error; a known one that permits nothing here is a
// CodePermissionDenied error. The bytes of the token are valid during the call only and must not be
// logged. Authenticate is called once or twice per request, concurrently.
type Authenticator interface {
	Authenticate(token []byte) (*runtime.Identity, error)
	// AuthenticateHash is Authenticate for the SHA-256 of a token.
	AuthenticateHash(hash [sha256.Size]byte) (*runtime.Identity, error)
}

// PasswordAuthenticator is an [Authenticator] that also accepts a user name and a password. Its errors
// are those of an Authenticator, and CodeTooBusy. It bounds its own cost.
type PasswordAuthenticator interface {
	AuthenticatePassword(ctx context.Context, user, password []byte) (*runtime.Identity, error)
	// KnownPassword returns the identity of a user name and its password if that was found right a short time ago, else nil. It costs
	// no more than a token.
	KnownPassword(user, password []byte) *runtime.Identity
}

// TokenHash is the SHA-256 of a token, which the server stores in place of it. As an
// [Authenticator] it accepts this one token, as [runtime.AdminUser] of [runtime.DefaultTenant], who is
// an operator as well.
type TokenHash [sha256.Size]byte

// HashToken returns the hash of a token, which should have 256 bits of randomness: only its
// length slows down guessing.
func HashToken(token string) TokenHash { return sha256.Sum256([]byte(token)) }

// Authenticate implements [Authenticator]. It compares hashes in constant time, so its duration
// reveals nothing about the right token.
func (h TokenHash) Authenticate(token []byte) (*runtime.Identity, error) {
	return h.AuthenticateHash(sha256.Sum256(token))
}

// AuthenticateHash implements [Authenticator].
func (h TokenHash) AuthenticateHash(got [sha256.Size]byte) (*runtime.Identity, error) {
	if subtle.ConstantTimeCompare(got[:], h[:]) != 1 {
		return nil, runtime.InvalidTokenError()
	}
	return &admin, nil
}

var admin = runtime.Identity{Tenant: runtime.DefaultTenant, UserID: runtime.AdminUser, Scope: runtime.ScopeAdmin, Operator: true}

const tokenHint = `send the header "Authorization: Token YOUR-TOKEN" (Bearer works too)`

var (
	errNoToken = runtime.Errorf(runtime.CodeUnauthenticated, "the request has no token").
			WithHint(tokenHint)
	errTwoTokens = runtime.Errorf(runtime.CodeInvalidArgument, "the request has more than one token").
			WithHint("send one Authorization header")
)

// authenticate returns the sender of a request. The token is in one of two headers, or the same
// token in both. A user name and a password are in Authorization alone. A request of the console has the
// cookie of its session in place of a token.
func (s *Server) authenticate(h *fasthttp.RequestHeader) (*runtime.Identity, error) {
	if token, found, err := tokenIn(h); err != nil {
		return nil, err
	} else if found {
		return s.opts.Auth.Authenticate(token)
	}
	fields := h.PeekAll(fasthttp.HeaderAuthorization)
	if len(fields) == 0 {
		x, err := s.session(h)
		if err != nil {
			return nil, err
		}
		return s.opts.Auth.AuthenticateHash(x.token)
	}
	if secret, ok := ticketOf(h); ok {
		if x := s.console.tickets.get(secret, time.Now()); x != nil {
			return s.opts.Auth.AuthenticateHash(x.token)
		}
		return nil, errBadTicket
	}
	if user, password, ok := basic(fields[0]); ok && s.passwords != nil {
		return s.passwords.AuthenticatePassword(s.host.Context(), user, password)
	}
	return nil, errNoToken
}

// known returns the sender of a request if this process knows its credentials without computing the hash of a password, else nil.
func (s *Server) known(h *fasthttp.RequestHeader) *runtime.Identity {
	token, found, err := tokenIn(h)
	if err != nil {
		return nil
	}
	if found {
		who, err := s.opts.Auth.Authenticate(token)
		if err != nil {
			return nil
		}
		return who
	}
	if user, password, ok := basic(h.Peek(fasthttp.HeaderAuthorization)); ok && s.passwords != nil {
		return s.passwords.KnownPassword(user, password)
	}
	return nil
}

// tokenIn returns the token in a header; found is false if it has none. Without an error, there is at most one field
// Authorization, unless all have the token.
func tokenIn(h *fasthttp.RequestHeader) (token []byte, found bool, err error) {
	if token, found, err = blaxelToken(h); found || err != nil {
		return token, found, err
	}
	switch fields := h.PeekAll(fasthttp.HeaderAuthorization); len(fields) {
	case 0:
		return nil, false, nil
	case 1:
		token, found = bearer(fields[0])
		return token, found, nil
	}
	return nil, false, errTwoTokens
}

// basic returns the user name and the password of "Basic BASE64" (RFC 7617).
func basic(field []byte) (user, password []byte, ok bool) {
	scheme, encoded, ok := bytes.Cut(field, []byte(" "))
	if !ok || !bytes.EqualFold(scheme, []byte("Basic")) {
		return nil, nil, false
	}
	pair, err := base64.StdEncoding.AppendDecode(nil, bytes.Trim(encoded, " "))
	if err != nil {
		return nil, nil, false
	}
	return bytes.Cut(pair, []byte(":"))
}

// bearer returns the token of "Token T" or "Bearer T". The case of the scheme does not matter
// (RFC 9110, section 11.1).
func bearer(field []byte) ([]byte, bool) {
	scheme, token, ok := bytes.Cut(field, []byte(" "))
	if !ok || !bytes.EqualFold(scheme, []byte("Token")) && !bytes.EqualFold(scheme, []byte("Bearer")) {
		return nil, false
	}
	token = bytes.Trim(token, " ")
	return token, len(token) > 0
}

// blaxelToken returns the token in the header of Blaxel's clients; found is false if a request does
// not have that header. If the request also has a token in Authorization, both must be the same.
func blaxelToken(h *fasthttp.RequestHeader) (token []byte, found bool, err error) {
	fields := h.PeekAll(web.HeaderBlaxelAuthorization)
	switch {
	case len(fields) == 0:
		return nil, false, nil
	case len(fields) > 1:
		return nil, true, errTwoTokens
	}
	token, ok := bearer(fields[0])
	if !ok {
		return nil, true, errNoToken
	}
	for _, field := range h.PeekAll(fasthttp.HeaderAuthorization) {
		if other, ok := bearer(field); !ok || !bytes.Equal(other, token) {
			return nil, true, errTwoTokens
		}
	}
	return token, true, nil
}
