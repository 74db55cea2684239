package storage

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// The byte behind a tenant, for executions.
const (
	kindAccepted    = 'a'
	kindArgs        = 'g'
	kindLease       = 'b'
	kindWaiting     = 'w'
	kindWaitingLogs = 'o'
	kindUndone      = 'u'
	kindDone        = 'x'
	kindResult      = 'r'
	kindLogs        = 'l'
	kindDoneIn      = 'j'
	kindDoneOf      = 'k'
	kindIdempotency = 'y'
)

// spaceSample is the first byte of the keys of the sample.
const spaceSample = 'c'

// sampleRate is how many executions there are for one in the sample: with a
// million executions it has 15,600, which tell their number to 1 % and are read
// in a few milliseconds.
const sampleRate = 64

// executionID is a UUIDv7 (RFC 9562): 48 bits of milliseconds since 1970, 74
// random ones, and 6 that say what it is.
type executionID [16]byte

// lastID is behind all ids: no UUIDv7 is that.
var lastID = executionID(bytes.Repeat([]byte{0xFF}, len(executionID{})))

// dashes are where the text of an id has them.
var dashes = [...]int{8, 13, 18, 23}

// parseID reads an id as it is written, with dashes and in letters of either
// case.
func parseID(text string) (id executionID, ok bool) {
	if len(text) != 36 {
		return id, false
	}
	var digits [32]byte
	n := 0
	for i := range len(text) {
		if i == dashes[0] || i == dashes[1] || i == dashes[2] || i == dashes[3] {
			if text[i] != '-' {
				return id, false
			}
			continue
		}
		digits[n] = text[i]
		n++
	}
	_, err := hex.Decode(id[:], digits[:])
	return id, err == nil && id[6]>>4 == 7
}

func (id executionID) String() string {
	var text [36]byte
	from := 0
	at := 0
	for _, length := range [...]int{4, 2, 2, 2, 6} {
		if at > 0 {
			text[at] = '-'
			at++
		}
		hex.Encode(text[at:], id[from:from+length])
		from += length
		at += 2 * length
	}
	return string(text[:])
}

// before tells whether id is older than other. Ids of one millisecond are in
// the order in which they were made if one process made them.
func (id executionID) before(other executionID) bool {
	return bytes.Compare(id[:], other[:]) < 0
}

// sampled tells whether an execution is in the sample. The last bits of an id
// are random.
func (id executionID) sampled() bool { return id[15]%sampleRate == 0 }

// time is that of an id, to the millisecond.
func (id executionID) time() time.Time {
	var ms [8]byte
	copy(ms[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:])))
}

// idAt is the least id of a time; what no id can hold is the least or the
// greatest of all.
func idAt(t time.Time) (id executionID) {
	const last = 1<<48 - 1
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(min(max(t.UnixMilli(), 0), last)))
	copy(id[:], ms[2:])
	return id
}

// keyOfExecution is the key of one of the records of an execution.
func keyOfExecution(kind byte, tenant runtime.Tenant, id executionID) []byte {
	return append(keyKind(tenant, kind), id[:]...)
}

// keyUndone is where an execution that is not done is found by its function.
func keyUndone(tenant runtime.Tenant, function string, id executionID) []byte {
	return append(keyUndoneOf(tenant, function), id[:]...)
}

func keyUndoneOf(tenant runtime.Tenant, function string) []byte {
	return appendText(keyKind(tenant, kindUndone), function)
}

// keyDoneIn is the prefix of the executions of a tenant that ended in a state.
func keyDoneIn(tenant runtime.Tenant, state byte) []byte {
	return append(keyKind(tenant, kindDoneIn), state)
}

// keyDoneOf is the prefix of the executions of a function that ended in a state.
func keyDoneOf(tenant runtime.Tenant, function string, state byte) []byte {
	return append(appendText(keyKind(tenant, kindDoneOf), function), state)
}

func keySample(id executionID) []byte { return append([]byte{spaceSample}, id[:]...) }

// A key of idempotency is found by the day on which it came, so that those of
// past days are dropped as one range. It is valid into the next day.
const day = 24 * time.Hour

func keyIdempotency(tenant runtime.Tenant, day uint64, key string) []byte {
	return appendText(keyIdempotencyDay(tenant, day), key)
}

func keyIdempotencyDay(tenant runtime.Tenant, day uint64) []byte {
	return binary.BigEndian.AppendUint64(keyKind(tenant, kindIdempotency), day)
}

// dayOf counts days since 1970, in UTC.
func dayOf(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) / uint64(day/time.Second) }

// idOf reads the id that follows a prefix in a key.
func idOf(prefix, key []byte) (id executionID, err error) {
	rest, ok := bytes.CutPrefix(key, prefix)
	if !ok || len(rest) != len(id) {
		return id, errKey
	}
	return executionID(rest), nil
}
