package keys

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// KindPostings is the byte behind a tenant for postings.
const KindPostings = 'i'

// Resource is the function or job whose executions are found, by its id; or, for traces, the whole
// tenant.
type Resource struct {
	Kind byte
	ID   string
}

// The kinds of resources.
const (
	ResourceTenant   = 1
	ResourceFunction = 2
	ResourceJob      = 3
)

// RID returns the rid of a function or job.
func (r Resource) RID() string {
	if r.Kind == ResourceJob {
		return runtime.JobRID(r.ID)
	}
	return runtime.FunctionRID(r.ID)
}

// fieldCodes are the bytes of fields in keys. They are part of the format.
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

// fieldOfCode is the inverse of fieldCodes.
var fieldOfCode = func() (fields [256]runtime.SearchField) {
	for field, code := range fieldCodes {
		fields[code] = field
	}
	return fields
}()

// Stream names the postings of the executions that have one value in a field. The value is empty
// for executions without a value, for executions whose trace is their own, and for executions whose
// trace began with the resource itself.
type Stream struct {
	Tenant   runtime.Tenant
	Resource Resource
	Field    runtime.SearchField
	Value    string
}

// Prefix returns the prefix of the stream's postings.
func (s Stream) Prefix() []byte {
	return AppendText(PostingsOfField(s.Tenant, s.Resource, s.Field), s.Value)
}

// PostingsOfField returns the prefix of the postings of a field.
func PostingsOfField(tenant runtime.Tenant, r Resource, field runtime.SearchField) []byte {
	return append(PostingsOfResource(tenant, r), FieldCode(field))
}

// PostingsOfResource returns the prefix of all postings of a resource.
func PostingsOfResource(tenant runtime.Tenant, r Resource) []byte {
	return AppendText(append(OfKind(tenant, KindPostings), r.Kind), r.ID)
}

// FieldCode returns the byte of a field in keys.
func FieldCode(field runtime.SearchField) byte { return fieldCodes[field] }

// Position is a place in the order of executions: by their start (nanoseconds since 1970), then by
// their ids.
type Position struct {
	Start int64
	ID    ID
}

// Before reports whether p sorts before q.
func (p Position) Before(q Position) bool {
	if p.Start != q.Start {
		return p.Start < q.Start
	}
	return p.ID.Before(q.ID)
}

// Prev returns the last position before p.
func (p Position) Prev() Position {
	for i := len(p.ID) - 1; i >= 0; i-- {
		if p.ID[i]--; p.ID[i] != math.MaxUint8 {
			return p
		}
	}
	p.Start-- // the id has wrapped around to the last one
	return p
}

// PositionSize is the size of a position in a key, in bytes.
const PositionSize = 8 + len(ID{})

// AppendTo appends p to a key.
func (p Position) AppendTo(key []byte) []byte {
	return append(binary.BigEndian.AppendUint64(key, uint64(p.Start)), p.ID[:]...)
}

// StartOf returns the start of a position. Times before 1970 count as 1970.
func StartOf(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, 0)):
		return 0
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// ParsePostings returns the stream of a key of postings, and the position of its first posting. An
// unknown field is returned as an empty one.
func ParsePostings(tenant runtime.Tenant, key []byte) (s Stream, first Position, err error) {
	base := len(OfKind(tenant, KindPostings)) + 1
	if len(key) < base {
		return s, first, ErrKey
	}
	s.Tenant, s.Resource.Kind = tenant, key[base-1]
	var rest []byte
	if s.Resource.ID, rest, err = CutText(key[base:]); err != nil || len(rest) == 0 {
		return s, first, ErrKey
	}
	s.Field = fieldOfCode[rest[0]]
	if s.Value, rest, err = CutText(rest[1:]); err != nil || len(rest) != PositionSize {
		return s, first, ErrKey
	}
	return s, ParsePosition(rest), nil
}

// ParsePosition returns the position in the last PositionSize bytes of a key.
func ParsePosition(b []byte) Position {
	return Position{int64(binary.BigEndian.Uint64(b)), ID(b[8:])}
}

// Durations are found by classes: one class for each millisecond up to classSteps, then classSteps
// classes for each power of two.
const (
	classBits  = 4
	classSteps = 1 << classBits
)

// DurationClass returns the class of a number of milliseconds, as a text for keys. Classes sort as
// their durations do.
func DurationClass(ms uint32) string {
	class := ms
	if ms >= classSteps {
		exponent := bits.Len32(ms) - 1
		class = uint32(exponent-classBits+1)<<classBits | ms>>(exponent-classBits)&(classSteps-1)
	}
	return string(binary.BigEndian.AppendUint16(nil, uint16(class)))
}

// ClampMillis returns a duration in milliseconds as postings store it.
func ClampMillis(ms int64) uint32 { return uint32(min(max(ms, 0), math.MaxUint32)) }
