package storage

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// kindObserved is the byte behind a tenant, for postings.
const kindObserved = 'i'

// resource is the function or job whose executions are found, by its id; or all
// of a tenant, by their trace.
type resource struct {
	kind byte
	id   string
}

// The kinds of resources.
const (
	resourceTenant   = 1
	resourceFunction = 2
	resourceJob      = 3
)

func resourceOf(o *runtime.SearchScan) resource {
	if o.Job {
		return resource{resourceJob, o.ID}
	}
	return resource{resourceFunction, o.ID}
}

func (r resource) rid() string {
	if r.kind == resourceJob {
		return runtime.JobRID(r.id)
	}
	return runtime.FunctionRID(r.id)
}

// fieldCodes are how fields are written in keys; they are part of the format.
var fieldCodes = map[runtime.SearchField]byte{
	runtime.FieldStatus:     1,
	runtime.FieldDuration:   2,
	runtime.FieldUser:       3,
	runtime.FieldCaller:     4,
	runtime.FieldVersion:    5,
	runtime.FieldReason:     6,
	runtime.FieldTrace:      7,
	runtime.FieldTraceOwner: 8,
}

// streamOf names the postings of the executions that have one value in a field.
// The value is empty for those that have none, whose trace is their own, or whose
// trace began with the resource itself.
type streamOf struct {
	tenant   runtime.Tenant
	resource resource
	field    runtime.SearchField
	value    string
}

// key is the prefix of the postings.
func (s streamOf) key() []byte {
	return appendText(keyPostings(s.tenant, s.resource, s.field), s.value)
}

// keyPostings is the prefix of the postings of a field.
func keyPostings(tenant runtime.Tenant, r resource, field runtime.SearchField) []byte {
	key := append(keyKind(tenant, kindObserved), r.kind)
	return append(appendText(key, r.id), fieldCodes[field])
}

// position is a place among executions: by when they started (nanoseconds since
// 1970), then by their ids.
type position struct {
	start int64
	id    executionID
}

func (p position) before(q position) bool {
	if p.start != q.start {
		return p.start < q.start
	}
	return p.id.before(q.id)
}

// below is the last position before p.
func (p position) below() position {
	for i := len(p.id) - 1; i >= 0; i-- {
		if p.id[i]--; p.id[i] != math.MaxUint8 {
			return p
		}
	}
	p.start-- // the id has become the last one
	return p
}

// positionSize is that of a position in a key, in bytes.
const positionSize = 8 + len(executionID{})

func (p position) appendTo(key []byte) []byte {
	return append(binary.BigEndian.AppendUint64(key, uint64(p.start)), p.id[:]...)
}

// startOf is the start of a position. What the clock says of before 1970 is the
// beginning of that.
func startOf(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, 0)):
		return 0
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// postingsOf takes a key of postings apart: its stream's prefix, its field and
// value, and the position of its first posting.
func postingsOf(tenant runtime.Tenant, key []byte) (prefix []byte, field byte, value string, first position, err error) {
	base := len(keyKind(tenant, kindObserved)) + 1
	if len(key) < base {
		return nil, 0, "", first, errKey
	}
	_, rest, err := cutText(key[base:])
	if err != nil || len(rest) == 0 {
		return nil, 0, "", first, errKey
	}
	field = rest[0]
	value, rest, err = cutText(rest[1:])
	if err != nil || len(rest) != positionSize {
		return nil, 0, "", first, errKey
	}
	return key[:len(key)-positionSize], field, value, parsePosition(rest), nil
}

func parsePosition(b []byte) position {
	return position{int64(binary.BigEndian.Uint64(b)), executionID(b[8:])}
}

// Durations are found by classes: one for each millisecond up to classSteps, then
// classSteps for each power of two.
const (
	classBits  = 4
	classSteps = 1 << classBits
)

// durationClass is the class of a number of milliseconds, as the text that it
// stands for in keys. Classes sort as their durations do.
func durationClass(ms uint32) string {
	class := ms
	if ms >= classSteps {
		exponent := bits.Len32(ms) - 1
		class = uint32(exponent-classBits+1)<<classBits | ms>>(exponent-classBits)&(classSteps-1)
	}
	return string(binary.BigEndian.AppendUint16(nil, uint16(class)))
}

// shortened is a duration as postings have it.
func shortened(ms int64) uint32 { return uint32(min(max(ms, 0), math.MaxUint32)) }
