package faaspot

import (
	"bytes"
	"crypto/sha256"

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
	h := hashQuery(tenant, filter)
	h.Bytes(last[:])

	cursor := append(make([]byte, 0, cursorSize), cursorLayout)
	cursor = append(cursor, last[:]...)
	return append(cursor, h.Sum(cursorSum)...)
}

// hashQuery hashes a query of executions.
func hashQuery(tenant runtime.Tenant, filter runtime.ExecutionFilter) web.CursorHash {
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
	return h
}

// The layout of a cursor for a sender who does not see all executions: a byte for the layout, and the id of the
// last execution that the scan has looked at, which may be that of another sender, encrypted.
const encryptedLayout = 4

// Sealer encrypts cursors, so that a server which is started again, or another one that has the same data, reads them.
type Sealer interface {
	// Seal encrypts a value, and Open decrypts it at the same place. Open fails for all else.
	Seal(place, value []byte) ([]byte, error)
	Open(place, sealed []byte) ([]byte, error)
}

// cursors makes and opens cursors of lists of executions.
type cursors struct{ sealer Sealer } // nil: all senders see all executions

// make returns the cursor of a page that ended with the execution id.
func (c cursors) make(who *runtime.Identity, filter runtime.ExecutionFilter, id string) (string, error) {
	if !who.Limited() {
		return makeCursor(who.Tenant, filter, id)
	}
	last, err := uuid.Parse(id)
	if err != nil {
		return "", runtime.Internal("httpapi.cursor", err)
	}
	sealed, err := c.sealer.Seal(ofSender(who, filter), last[:])
	if err != nil {
		return "", runtime.Internal("httpapi.cursor", err)
	}
	return web.EncodeCursor(append([]byte{encryptedLayout}, sealed...)), nil
}

// open returns the id in a cursor of the same query, by the same sender if that does not see all executions.
func (c cursors) open(who *runtime.Identity, filter runtime.ExecutionFilter, cursor string) (id string, err error) {
	if !who.Limited() {
		return openCursor(who.Tenant, filter, cursor)
	}
	var last []byte
	raw, ok := web.DecodeCursor(cursor, encryptedLayout, 1)
	if ok {
		last, err = c.sealer.Open(ofSender(who, filter), raw[1:])
	}
	if !ok || err != nil || len(last) != len(uuid.UUID{}) {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the cursor is not one of this token and this query, or its key was removed since").
			WithHint("send it with the filters of the request that returned it, or start without a cursor")
	}
	return uuid.UUID(last).String(), nil
}

// ofSender returns a hash of a query and its sender.
func ofSender(who *runtime.Identity, filter runtime.ExecutionFilter) []byte {
	h := hashQuery(who.Tenant, filter)
	h.Text(who.KeyOwner())
	return h.Sum(sha256.Size)
}
