package keys

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/google/uuid"
)

// ID is a UUIDv7 (RFC 9562): 48 bits of milliseconds since 1970, 6 bits of version and variant, and
// 74 bits that make it unique, of which the last 48 are random.
type ID [16]byte

// LastID sorts behind all ids. It is not a UUIDv7.
var LastID = ID(bytes.Repeat([]byte{0xFF}, len(ID{})))

// ParseID reads an id in its usual form: 36 characters with dashes, in letters of either case. It
// returns false for anything but a UUIDv7.
func ParseID(text string) (id ID, ok bool) {
	if len(text) != 36 { // uuid.Parse accepts other forms, too
		return id, false
	}
	u, err := uuid.Parse(text)
	if err != nil || u.Version() != 7 {
		return id, false
	}
	return ID(u), true
}

// String returns the id in lower case, with dashes.
func (id ID) String() string { return uuid.UUID(id).String() }

// Before reports whether id is older than other. Ids of one millisecond sort in the order in which
// one [runtime.Clock] made them.
func (id ID) Before(other ID) bool {
	return bytes.Compare(id[:], other[:]) < 0
}

// Time returns the time of an id, to the millisecond.
func (id ID) Time() time.Time {
	var ms [8]byte
	copy(ms[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:])))
}

// FirstIDAt returns the least id of a time. A time that no id can hold has the least or the
// greatest id of all.
func FirstIDAt(t time.Time) (id ID) {
	const last = 1<<48 - 1
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(min(max(t.UnixMilli(), 0), last)))
	copy(id[:], ms[2:])
	return id
}

// Next returns the least id that sorts behind id.
func (id ID) Next() ID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			return id
		}
	}
	return LastID
}

// OwnTrace returns the trace that an execution begins: its id without dashes.
func OwnTrace(id ID) string { return hex.EncodeToString(id[:]) }

// ParseOwnTrace returns the id of the execution that has begun a trace.
func ParseOwnTrace(trace string) (ID, bool) {
	if len(trace) != 2*len(ID{}) {
		return ID{}, false
	}
	id, ok := ParseID(trace[:8] + "-" + trace[8:12] + "-" + trace[12:16] + "-" + trace[16:20] + "-" + trace[20:])
	return id, ok && OwnTrace(id) == trace
}
