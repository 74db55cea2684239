package foundry

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// pageToken is the query to which the cursor of a page is bound. The layout of the cursor is a
// byte for the layout, the beginning of a hash of the query and the position, and the position.
type pageToken struct {
	tenant     runtime.Tenant
	rid        string
	start, end time.Time
	where      *runtime.SearchFilter
}

const (
	tokenLayout = 1
	tokenSum    = 16 // bytes
)

func (t pageToken) seal(position string) string {
	raw := append([]byte{tokenLayout}, t.sum(position)...)
	return web.EncodeCursor(append(raw, position...))
}

// open returns the position in a token of the same query.
func (t pageToken) open(token string) (position string, err error) {
	raw, ok := web.DecodeCursor(token, tokenLayout, 1+tokenSum+1)
	if !ok {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "this server did not issue the pageToken").
			WithHint("send the nextPageToken of the previous page unchanged")
	}
	sum, position := raw[1:1+tokenSum], string(raw[1+tokenSum:])
	if !bytes.Equal(sum, t.sum(position)) {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the pageToken belongs to another query").
			WithHint("send it with the resource, startTime, endTime and where of the request that returned it")
	}
	return position, nil
}

func (t pageToken) sum(position string) []byte {
	// JSON delimits each value, so no two queries hash alike.
	format := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
	query, _ := json.Marshal([]any{[]byte(t.tenant), t.rid, format(t.start), format(t.end), t.where, position})
	h := web.NewCursorHash()
	h.Bytes(query)
	return h.Sum(tokenSum)
}
