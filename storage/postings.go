package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// postingsSpan is how far apart, in nanoseconds, the postings of one key may
	// have started: whoever looks for a time reads all keys that begin within it
	// behind that.
	postingsSpan = int64(250 * time.Millisecond)
	// maxPostings is how many a key may have.
	maxPostings = 512
)

// A key has postings, or the field and value of a stream that has the same. A posting is
// written as the nanoseconds by which it started before the first of
// its key, and its id; that of a duration also with the milliseconds.
const (
	postingSize     = 4 + len(executionID{})
	longPostingSize = postingSize + 4
)

// posting is an execution that a stream finds.
type posting struct {
	position
	ms uint32
}

// postings are those of what a batch writes. All that have something in common
// take one key together.
type postings map[streamOf][]posting

// run adds a run that is done.
func (p postings) run(x *runtime.Execution, id executionID) {
	if x.Kind == runtime.KindRun {
		o := x.Observe()
		p.add(x.Tenant, resource{resourceFunction, x.FunctionID}, &o, id)
	}
}

// job adds an execution of a job that is done.
func (p postings) job(x *runtime.JobExecution, id executionID) {
	o := x.Observe()
	p.add(x.Tenant, resource{resourceJob, x.JobID}, &o, id)
}

func (p postings) add(tenant runtime.Tenant, r resource, x *runtime.ObservedExecution, id executionID) {
	one := posting{position{startOf(x.Started), id}, shortened(x.Millis())}
	put := func(field runtime.ObservedField, value string) {
		s := streamOf{tenant, r, field, value}
		p[s] = append(p[s], one)
	}
	for _, field := range []runtime.ObservedField{
		runtime.FieldStatus, runtime.FieldUser, runtime.FieldCaller, runtime.FieldVersion, runtime.FieldTrace, runtime.FieldTraceOwner,
	} {
		put(field, r.posted(field, x.Value(field), id))
	}
	put(runtime.FieldDuration, durationClass(one.ms))
	if x.Reason != "" { // what has none has succeeded
		put(runtime.FieldReason, string(x.Reason))
	}
}

// posted is the value under which an execution is found that has one in a field.
func (r resource) posted(field runtime.ObservedField, value string, id executionID) string {
	if field == runtime.FieldTrace && value == traceOf(id) || field == runtime.FieldTraceOwner && value == r.rid() {
		return ""
	}
	return value
}

// trace has a run found by its trace, whatever becomes of it, if that is not its
// own.
func (p postings) trace(x *runtime.Execution, id executionID) {
	if t := x.Caller.TraceID; t != "" && t != traceOf(id) {
		s := streamOf{x.Tenant, resource{kind: resourceTenant}, runtime.FieldTrace, t}
		p[s] = append(p[s], posting{position: acceptedAt(id)})
	}
}

// acceptedAt is the position of an execution among those of a trace, which are in
// the order of their ids.
func acceptedAt(id executionID) position {
	return position{startOf(id.time()), id}
}

// put writes all of them.
func (p postings) put(b *pebble.Batch) error {
	for _, all := range p {
		slices.SortFunc(all, func(a, b posting) int {
			if a.before(b.position) {
				return 1
			}
			return -1
		})
	}
	var errs []error
	written := make(map[resourceOfTenant][]streamOf)
	for _, field := range postedFields {
		for s, all := range p {
			if s.field != field {
				continue
			}
			of := resourceOfTenant{s.tenant, s.resource}
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
var postedFields = []runtime.ObservedField{
	runtime.FieldDuration, runtime.FieldStatus, runtime.FieldVersion, runtime.FieldUser, runtime.FieldCaller,
	runtime.FieldTrace, runtime.FieldTraceOwner, runtime.FieldReason,
}

type resourceOfTenant struct {
	tenant runtime.Tenant
	resource
}

// fewPostings are written again rather than referred to.
const fewPostings = 4

// same finds the stream, among some, that has the same postings, nil if there is
// none: in most batches nearly all streams of a resource have. Their keys then begin
// and end alike, and that of one is enough to have them all.
func (p postings) same(all []posting, among []streamOf) *streamOf {
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

func putStream(b *pebble.Batch, s streamOf, all []posting, same *streamOf) error {
	var errs []error
	prefix := s.key()
	for len(all) > 0 {
		n := 1
		for n < min(len(all), maxPostings) && all[0].start-all[n].start <= postingsSpan {
			n++
		}
		var value []byte
		if same != nil && s.field != runtime.FieldDuration {
			value = append([]byte{encodingSame, fieldCodes[same.field]}, same.value...)
		} else {
			value = encodePostings(all[:n], s.field == runtime.FieldDuration)
		}
		errs = append(errs, b.Set(all[0].appendTo(prefix[:len(prefix):len(prefix)]), value, nil))
		all = all[n:]
	}
	return errors.Join(errs...)
}

func encodePostings(all []posting, long bool) []byte {
	value := append(make([]byte, 0, 1+len(all)*longPostingSize), encodingPostings)
	for _, one := range all {
		value = binary.BigEndian.AppendUint32(value, uint32(all[0].start-one.start))
		value = append(value, one.id[:]...)
		if long {
			value = binary.BigEndian.AppendUint32(value, one.ms)
		}
	}
	return value
}

// readPostings reads what a key has, or refers to.
func readPostings(rd reader, tenant runtime.Tenant, r resource, first position, value []byte, long bool) (postingsBlock, error) {
	if len(value) < 2 || value[0] != encodingSame {
		return decodePostings(first, value, long)
	}
	key := append(keyKind(tenant, kindObserved), r.kind)
	key = append(appendText(key, r.id), value[1])
	key = first.appendTo(appendText(key, string(value[2:])))
	return read(rd, key, func(value []byte) (postingsBlock, error) {
		return decodePostings(first, bytes.Clone(value), false)
	})
}

// postingsBlock is what one key has.
type postingsBlock struct {
	start int64 // of the first
	data  []byte
	size  int // of a posting
}

func decodePostings(first position, value []byte, long bool) (postingsBlock, error) {
	data, err := body(value, encodingPostings)
	b := postingsBlock{first.start, data, postingSize}
	if long {
		b.size = longPostingSize
	}
	if err == nil && (len(data) == 0 || len(data)%b.size != 0 || b.at(0) != first) {
		err = errFields
	}
	return b, err
}

func (b postingsBlock) len() int { return len(b.data) / b.size }

func (b postingsBlock) at(i int) position {
	one := b.data[i*b.size:]
	return position{b.start - int64(binary.BigEndian.Uint32(one)), executionID(one[4:postingSize])}
}

// ms is the duration of a long posting.
func (b postingsBlock) ms(i int) uint32 {
	return binary.BigEndian.Uint32(b.data[i*b.size+postingSize:])
}

// find gives the first from i on that is not behind a position, or len.
func (b postingsBlock) find(i int, limit position) int {
	low, high := i, b.len()
	for low < high {
		middle := int(uint(low+high) >> 1)
		if limit.before(b.at(middle)) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}
