package web

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"io"
	"strings"
)

// A cursor names the position at which a page of a list ended. It is, in URL-safe base64, a
// byte for its layout, the position, and the beginning of a hash of the list, the query and
// the position; each list chooses the layout. The hash keeps a client from using a cursor with
// another query, where it would silently skip elements. It is not a secret: a made-up cursor
// shows no more than a genuine one, as all of the list belongs to the caller. A list of which the
// caller sees a part encrypts its positions.

// EncodeCursor returns the text of a cursor.
func EncodeCursor(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// DecodeCursor returns the bytes of a cursor whose first byte is layout and that has at least
// size bytes; ok is false for any other text.
func DecodeCursor(text string, layout byte, size int) (raw []byte, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") || len(raw) < size || raw[0] != layout { // package base64 skips line ends
		return nil, false
	}
	return raw, true
}

// CursorHash hashes what a cursor is bound to.
type CursorHash struct{ h hash.Hash }

// NewCursorHash returns an empty hash.
func NewCursorHash() CursorHash { return CursorHash{sha256.New()} }

// Text adds texts, each with its length in front, so that no two lists of texts hash alike.
func (c CursorHash) Text(texts ...string) {
	for _, text := range texts {
		c.Count(len(text))
		_, _ = io.WriteString(c.h, text)
	}
}

// Count adds a number.
func (c CursorHash) Count(n int) { _ = binary.Write(c.h, binary.BigEndian, uint64(n)) }

// Bytes adds bytes of a fixed length.
func (c CursorHash) Bytes(b []byte) { _, _ = c.h.Write(b) }

// Sum returns the first size bytes of the hash.
func (c CursorHash) Sum(size int) []byte { return c.h.Sum(nil)[:size] }
