package keys

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// KindPostings is the byte behind a tenant, for postings.
const KindPostings = 'i'

// Resource is the function or job whose executions are found, by its id; or all
// of a tenant, by their trace.
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

func (r Resource) RID() string {
	if r.Kind == ResourceJob {
		return runtime.JobRID(r.ID)
	}
	return runtime.FunctionRID(r.ID)
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

// Stream names the postings of the executions that have one value in a field.
// The value is empty for those that have none, whose trace is their own, or whose
// trace began with the resource itself.
type Stream struct {
	Tenant   runtime.Tenant
	Resource Resource
	Field    runtime.SearchField
	Value    string
}

// Prefix is the prefix of the postings.
func (s Stream) Prefix() []byte {
	return AppendText(PostingsOfField(s.Tenant, s.Resource, s.Field), s.Value)
}

// PostingsOfField is the prefix of the postings of a field.
func PostingsOfField(tenant runtime.Tenant, r Resource, field runtime.SearchField) []byte {
	return append(PostingsOfResource(tenant, r), FieldCode(field))
}

// PostingsOfResource is the prefix of all postings of a resource.
func PostingsOfResource(tenant runtime.Tenant, r Resource) []byte {
	return AppendText(append(OfKind(tenant, KindPostings), r.Kind), r.ID)
}

// FieldCode is the byte that a field has in keys.
func FieldCode(field runtime.SearchField) byte { return fieldCodes[field] }

// Position is a place among executions: by when they started (nanoseconds since
// 1970), then by their ids.
type Position struct {
	Start int64
	ID    ID
}

func (p Position) Before(q Position) bool {
	if p.Start != q.Start {
		return p.Start < q.Start
	}
	return p.ID.Before(q.ID)
}

// Prev is the last position before p.
func (p Position) Prev() Position {
	for i := len(p.ID) - 1; i >= 0; i-- {
		if p.ID[i]--; p.ID[i] != math.MaxUint8 {
			return p
		}
	}
	p.Start-- // the id has become the last one
	return p
}

// PositionSize is that of a position in a key, in bytes.
const PositionSize = 8 + len(ID{})

func (p Position) AppendTo(key []byte) []byte {
	return append(binary.BigEndian.AppendUint64(key, uint64(p.Start)), p.ID[:]...)
}

// StartOf is the start of a position. What the clock says of before 1970 is the
// beginning of that.
func StartOf(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, 0)):
		return 0
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// ParsePostings reads a key of postings: its stream, and the position of its first posting. A field
// that is not known is empty.
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
	for field, code := range fieldCodes {
		if code == rest[0] {
			s.Field = field
		}
	}
	if s.Value, rest, err = CutText(rest[1:]); err != nil || len(rest) != PositionSize {
		return s, first, ErrKey
	}
	return s, ParsePosition(rest), nil
}

func ParsePosition(b []byte) Position {
	return Position{int64(binary.BigEndian.Uint64(b)), ID(b[8:])}
}

// Durations are found by classes: one for each millisecond up to classSteps, then
// classSteps for each power of two.
const (
	classBits  = 4
	classSteps = 1 << classBits
)

// DurationClass is the class of a number of milliseconds, as the text that it
// stands for in keys. Classes sort as their durations do.
func DurationClass(ms uint32) string {
	class := ms
	if ms >= classSteps {
		exponent := bits.Len32(ms) - 1
		class = uint32(exponent-classBits+1)<<classBits | ms>>(exponent-classBits)&(classSteps-1)
	}
	return string(binary.BigEndian.AppendUint16(nil, uint16(class)))
}

// ClampMillis is a duration as postings have it.
func ClampMillis(ms int64) uint32 { return uint32(min(max(ms, 0), math.MaxUint32)) }
