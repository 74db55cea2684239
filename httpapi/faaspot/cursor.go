package faaspot

import (
	"bytes"

	"github.com/google/uuid"

	"github.com/faaspot/faaspot/httpapi/filterexpr"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// The layout of a cursor of executions: a byte for the layout, the id of the last execution of
// the page, and the beginning of a hash of tenant, filter and id.
const (
	cursorLayout = 1
	cursorSum    = 8 // bytes
	cursorSize   = 1 + len(uuid.UUID{}) + cursorSum
)

// makeCursor returns the cursor of a page that ended with the execution id.
func makeCursor(tenant runtime.Tenant, filter runtime.ExecutionFilter, id string) (string, error) {
	last, err := uuid.Parse(id)
	if err != nil {
		return "", runtime.Internal("httpapi.cursor", err)
	}
	return web.EncodeCursor(sealCursor(tenant, filter, last)), nil
}

// openCursor returns the id in a cursor of the same query.
func openCursor(tenant runtime.Tenant, filter runtime.ExecutionFilter, cursor string) (id string, err error) {
	raw, ok := web.DecodeCursor(cursor, cursorLayout, cursorSize)
	if !ok || len(raw) != cursorSize {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "this server did not issue the cursor").
			WithHint("take the whole URL of the next page from the Link header")
	}
	last := uuid.UUID(raw[1 : 1+len(uuid.UUID{})])
	if !bytes.Equal(raw, sealCursor(tenant, filter, last)) {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the cursor belongs to another query").
			WithHint("send it with the filters of the request that returned it, or start without a cursor")
	}
	return last.String(), nil
}

func sealCursor(tenant runtime.Tenant, filter runtime.ExecutionFilter, last uuid.UUID) []byte {
	h := web.NewCursorHash()
	h.Text(string(tenant), filter.Function)
	h.Count(len(filter.States))
	for _, state := range filter.States {
		h.Text(string(state))
	}
	h.Text(formatTime(filter.After), formatTime(filter.Before))
	if filter.TraceID != "" {
		h.Text(filter.TraceID)
	}
	if filter.Where != nil {
		h.Text("where", filterexpr.Format(*filter.Where))
	}
	h.Bytes(last[:])

	cursor := append(make([]byte, 0, cursorSize), cursorLayout)
	cursor = append(cursor, last[:]...)
	return append(cursor, h.Sum(cursorSum)...)
}
