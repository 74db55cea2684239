package search

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

const (
	// Span is the largest distance, in nanoseconds, between the starts of the first and the last
	// posting of a key: a search for a time reads all keys whose first posting is at most Span
	// later.
	Span = int64(250 * time.Millisecond)
	// MaxPostings is the largest number of postings of a key.
	MaxPostings = 512
)

// A key has postings, or refers to another stream with the same postings by its field and value.
// The first posting is in the key. Each further posting is the nanoseconds by which it started
// before the first one, and its id. In streams of durations, each posting is followed by its
// milliseconds.
const (
	postingSize = 4 + len(keys.ID{})
	msSize      = 4
)

// Posting is an execution that a stream finds.
type Posting struct {
	keys.Position
	Ms uint32
}

// Postings are the postings of the executions in a batch. Postings of one stream share keys.
type Postings map[keys.Stream][]Posting

// AddRun adds a run that is done.
func (p Postings) AddRun(x *runtime.Execution, id keys.ID) {
	if x.Kind == runtime.KindRun {
		o := x.Summary()
		p.add(x.Tenant, keys.Resource{Kind: keys.ResourceFunction, ID: x.FunctionID}, &o, id)
	}
}

// AddJob adds a job's execution that is done.
func (p Postings) AddJob(x *runtime.JobExecution, id keys.ID) {
	o := x.Summary()
	p.add(x.Tenant, keys.Resource{Kind: keys.ResourceJob, ID: x.JobID}, &o, id)
}

func (p Postings) add(tenant runtime.Tenant, r keys.Resource, x *runtime.ExecutionSummary, id keys.ID) {
	one := Posting{keys.Position{Start: keys.StartOf(x.Started), ID: id}, keys.ClampMillis(x.Millis())}
	put := func(field runtime.SearchField, value string) {
		s := keys.Stream{Tenant: tenant, Resource: r, Field: field, Value: value}
		p[s] = append(p[s], one)
	}
	for _, field := range []runtime.SearchField{
		runtime.FieldStatus, runtime.FieldUser, runtime.FieldCaller, runtime.FieldVersion, runtime.FieldTrace, runtime.FieldTraceOwner,
	} {
		put(field, postedValue(r, field, x.Value(field), id))
	}
	put(runtime.FieldDuration, keys.DurationClass(one.Ms))
	if x.Reason != "" { // an execution without a reason has succeeded
		put(runtime.FieldReason, string(x.Reason))
	}
}

// postedValue returns the value under which the posting of an execution with a value in a field is
// stored.
func postedValue(r keys.Resource, field runtime.SearchField, value string, id keys.ID) string {
	if field == runtime.FieldTrace && value == keys.OwnTrace(id) || field == runtime.FieldTraceOwner && value == r.RID() {
		return ""
	}
	return value
}

// AddTrace adds a run, done or not, under its trace, unless it has begun that trace.
func (p Postings) AddTrace(x *runtime.Execution, id keys.ID) {
	if t := x.Caller.TraceID; t != "" && t != keys.OwnTrace(id) {
		s := keys.Stream{Tenant: x.Tenant, Resource: keys.Resource{Kind: keys.ResourceTenant}, Field: runtime.FieldTrace, Value: t}
		p[s] = append(p[s], Posting{Position: acceptedAt(id)})
	}
}

// acceptedAt returns the position of an execution in the stream of a trace, which is in the order
// of ids.
func acceptedAt(id keys.ID) keys.Position {
	return keys.Position{Start: keys.StartOf(id.Time()), ID: id}
}

// Put writes all postings into a batch.
func (p Postings) Put(b *pebble.Batch) error {
	for _, all := range p {
		slices.SortFunc(all, func(a, b Posting) int {
			if a.Before(b.Position) {
				return 1
			}
			return -1
		})
	}
	var errs []error
	written := make(map[resourceOfTenant][]keys.Stream)
	for _, field := range postedFields {
		for s, all := range p {
			if s.Field != field {
				continue
			}
			of := resourceOfTenant{s.Tenant, s.Resource}
			same := p.same(all, written[of])
			if len(all) > fewPostings && same == nil && field != runtime.FieldDuration {
				written[of] = append(written[of], s)
			}
			errs = append(errs, putStream(b, s, all, same))
		}
	}
	return errors.Join(errs...)
}

// postedFields are the fields of postings, in the order in which they are written.
var postedFields = []runtime.SearchField{
	runtime.FieldDuration, runtime.FieldStatus, runtime.FieldVersion, runtime.FieldUser, runtime.FieldCaller,
	runtime.FieldTrace, runtime.FieldTraceOwner, runtime.FieldReason,
}

type resourceOfTenant struct {
	tenant runtime.Tenant
	keys.Resource
}

// fewPostings is the largest number of postings that are written again; a reference replaces more
// of them.
const fewPostings = 4

// same returns the stream, of some, that has the same postings, nil if there is none. In most
// batches nearly all streams of a resource have the same postings. The first and last postings of
// their keys are then the same, too, so that the keys of one stream hold the postings of all.
func (p Postings) same(all []Posting, among []keys.Stream) *keys.Stream {
	if len(all) <= fewPostings {
		return nil
	}
	for i := range among {
		if slices.Equal(all, p[among[i]]) {
			return &among[i]
		}
	}
	return nil
}

func putStream(b *pebble.Batch, s keys.Stream, all []Posting, same *keys.Stream) error {
	var errs []error
	prefix := s.Prefix()
	for len(all) > 0 {
		n := 1
		for n < min(len(all), MaxPostings) && all[0].Start-all[n].Start <= Span {
			n++
		}
		var value []byte
		if same != nil && s.Field != runtime.FieldDuration {
			value = append([]byte{record.EncodingSamePostings, keys.FieldCode(same.Field)}, same.Value...)
		} else {
			value = encodePostings(all[:n], s.Field == runtime.FieldDuration)
		}
		errs = append(errs, b.Set(all[0].AppendTo(prefix[:len(prefix):len(prefix)]), value, nil))
		all = all[n:]
	}
	return errors.Join(errs...)
}

func encodePostings(all []Posting, long bool) []byte {
	value := append(make([]byte, 0, 1+len(all)*(postingSize+msSize)), record.EncodingPostings)
	for i, one := range all {
		if i > 0 {
			value = binary.BigEndian.AppendUint32(value, uint32(all[0].Start-one.Start))
			value = append(value, one.ID[:]...)
		}
		if long {
			value = binary.BigEndian.AppendUint32(value, one.Ms)
		}
	}
	return value
}

// readPostings returns the postings of a key, or of the key that it refers to.
func readPostings(rd kv.Reader, tenant runtime.Tenant, r keys.Resource, first keys.Position, value []byte, long bool) (postingsBlock, error) {
	if len(value) == 0 || value[0] != record.EncodingSamePostings {
		return decodePostings(first, value, long)
	}
	if len(value) < 2 {
		return postingsBlock{}, record.ErrDamaged
	}
	key := first.AppendTo(keys.AppendText(append(keys.PostingsOfResource(tenant, r), value[1]), string(value[2:])))
	return kv.Get(rd, key, func(value []byte) (postingsBlock, error) {
		return decodePostings(first, value, false)
	})
}

// postingsBlock is the postings of one key: the first one, and the encoded others.
type postingsBlock struct {
	first Posting
	data  []byte
	size  int // size of one of the others, in bytes
}

// decodePostings copies what it needs of a value, which is valid only until the next step of its
// iterator.
func decodePostings(first keys.Position, value []byte, long bool) (postingsBlock, error) {
	data, err := record.Body(value, record.EncodingPostings)
	b := postingsBlock{Posting{Position: first}, data, postingSize}
	if err == nil && long && len(data) >= postingSize+msSize && len(data)%(postingSize+msSize) == 0 {
		// A release before the first one has written the first posting into the value, too.
		data = data[postingSize:]
	}
	if id := first.ID[:]; err == nil && !long && len(data) >= postingSize && bytes.Equal(data[:4], make([]byte, 4)) && bytes.Equal(data[4:postingSize], id) {
		b.data = data[postingSize:] // likewise
	}
	if err == nil && long {
		if len(data) < msSize {
			return b, record.ErrDamaged
		}
		b.first.Ms, b.data, b.size = binary.BigEndian.Uint32(data), data[msSize:], postingSize+msSize
	}
	if err == nil && len(b.data)%b.size != 0 {
		err = record.ErrDamaged
	}
	b.data = bytes.Clone(b.data)
	return b, err
}

func (b *postingsBlock) len() int { return 1 + len(b.data)/b.size }

func (b *postingsBlock) at(i int) Posting {
	if i == 0 {
		return b.first
	}
	one := b.data[(i-1)*b.size : i*b.size]
	p := Posting{Position: keys.Position{Start: b.first.Start - int64(binary.BigEndian.Uint32(one)), ID: keys.ID(one[4:postingSize])}}
	if b.size > postingSize {
		p.Ms = binary.BigEndian.Uint32(one[postingSize:])
	}
	return p
}

// find returns the index of the first posting from i on that is at or below limit, or len.
func (b *postingsBlock) find(i int, limit keys.Position) int {
	low, high := i, b.len()
	for low < high {
		middle := int(uint(low+high) >> 1)
		if limit.Before(b.at(middle).Position) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// DecodePostings returns the postings that a key has or refers to. It is for checks; a search reads
// only the blocks that it needs.
func DecodePostings(r kv.Reader, tenant runtime.Tenant, key, value []byte) (of keys.Stream, all []Posting, err error) {
	of, first, err := keys.ParsePostings(tenant, key)
	if err != nil {
		return of, nil, err
	}
	b, err := readPostings(r, tenant, of.Resource, first, value, of.Field == runtime.FieldDuration)
	for i := 0; err == nil && i < b.len(); i++ {
		all = append(all, b.at(i))
	}
	return of, all, err
}
