package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// observeToken is what the token of a page is bound to. The token is a byte for
// its form, the beginning of a hash of this and of the position behind it, and
// that position, in URL-safe base64. As with cursors the hash is no secret: it
// keeps a token from being used with another query.
type observeToken struct {
	tenant     runtime.Tenant
	rid        string
	start, end time.Time
	where      *runtime.SearchFilter
}

const (
	tokenForm = 1
	tokenSum  = 16
)

func (t observeToken) seal(position string) string {
	raw := append([]byte{tokenForm}, t.sum(position)...)
	return base64.RawURLEncoding.EncodeToString(append(raw, position...))
}

// open gives the position in a token that was made for the same query.
func (t observeToken) open(token string) (position string, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) <= 1+tokenSum || raw[0] != tokenForm {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the pageToken is not one that this server gives").
			WithHint("take the nextPageToken of the page before as it is")
	}
	sum, position := raw[1:1+tokenSum], string(raw[1+tokenSum:])
	if !bytes.Equal(sum, t.sum(position)) {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the pageToken belongs to another query").
			WithHint("send it with the same resource, startTime, endTime and where that it came with")
	}
	return position, nil
}

func (t observeToken) sum(position string) []byte {
	// In JSON all of this has an end of its own: no two queries look alike.
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
	query, _ := json.Marshal([]any{[]byte(t.tenant), t.rid, at(t.start), at(t.end), t.where, position})
	sum := sha256.Sum256(query)
	return sum[:tokenSum]
}
