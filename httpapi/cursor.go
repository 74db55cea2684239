package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"

	"github.com/google/uuid"

	"github.com/faaspot/faaspot/runtime"
)

// A cursor is where a page of executions ended: a byte for its form, the id of
// the page's last execution, and the beginning of a hash of tenant, filter and
// id, in URL-safe base64. The hash keeps a cursor from being used with another
// query, where it would skip some executions without a word. It is no secret:
// whoever makes one up sees no more than with an honest one, for what is listed
// are the caller's own executions.
const (
	cursorForm = 1
	cursorSum  = 8
	cursorSize = 1 + len(uuid.UUID{}) + cursorSum
)

// makeCursor makes the cursor of a page that ended with the execution id.
func makeCursor(tenant runtime.Tenant, filter runtime.Filter, id string) (string, error) {
	last, err := uuid.Parse(id)
	if err != nil {
		return "", runtime.Internal("httpapi.cursor", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealCursor(tenant, filter, last)), nil
}

// openCursor gives the id in a cursor that was made for the same query.
func openCursor(tenant runtime.Tenant, filter runtime.Filter, cursor string) (id string, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) != cursorSize || raw[0] != cursorForm {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the cursor is not one that this server gives").
			WithHint("take the whole URL of the next page from the Link header")
	}
	last := uuid.UUID(raw[1 : 1+len(uuid.UUID{})])
	if !bytes.Equal(raw, sealCursor(tenant, filter, last)) {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the cursor belongs to another query").
			WithHint("send it with the same filters that it came with, or begin without a cursor")
	}
	return last.String(), nil
}

func sealCursor(tenant runtime.Tenant, filter runtime.Filter, last uuid.UUID) []byte {
	h := sha256.New()
	// Lengths come first, so that no two queries look alike.
	text := func(s string) {
		_ = binary.Write(h, binary.BigEndian, uint64(len(s)))
		_, _ = io.WriteString(h, s)
	}
	text(string(tenant))
	text(filter.Function)
	_ = binary.Write(h, binary.BigEndian, uint64(len(filter.States)))
	for _, state := range filter.States {
		text(string(state))
	}
	text(filter.After.UTC().Format(timeFormat))
	text(filter.Before.UTC().Format(timeFormat))
	if filter.TraceID != "" {
		text(filter.TraceID)
	}
	_, _ = h.Write(last[:])
	sum := h.Sum(nil)

	cursor := append(make([]byte, 0, cursorSize), cursorForm)
	cursor = append(cursor, last[:]...)
	return append(cursor, sum[:cursorSum]...)
}
