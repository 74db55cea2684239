package search

import (
	"bytes"
	"errors"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
)

const (
	// maxOthers is the largest number of values of a field that are searched one by one where a
	// filter excludes some values.
	maxOthers = 128
	// maxStreams is the number of streams that one query may open. Further conditions are checked
	// on all executions.
	maxStreams = 512
)

var statuses = []string{string(runtime.SummarySucceeded), string(runtime.SummaryFailed)}

// plan returns the stream of the executions that a filter accepts, or, with not, rejects. The
// stream may have some more executions: the caller checks each of them. Negations are pushed down
// to the leaves, so that each stream is one of wanted executions.
func (o *searcher) plan(f *runtime.SearchFilter, not bool) stream {
	switch f.Op {
	case runtime.FilterNot:
		return o.plan(&f.Filters[0], !not)
	case runtime.FilterAnd, runtime.FilterOr:
		parts := make([]stream, len(f.Filters))
		for i := range f.Filters {
			parts[i] = o.plan(&f.Filters[i], not)
		}
		if (f.Op == runtime.FilterAnd) != not {
			return intersection(o, parts)
		}
		return union(o, parts)
	}
	if o.streams > maxStreams {
		return o.all()
	}
	switch f.Field {
	case runtime.FieldDuration:
		return o.durations(f, not)
	case runtime.FieldStatus:
		wanted := slices.DeleteFunc(slices.Clone(statuses), func(s string) bool { return slices.Contains(f.Values, s) == not })
		return o.withValue(f.Field, wanted)
	case runtime.FieldTrace:
		if !not {
			return union(o, append(o.withOwnTrace(f.Values), o.withValue(f.Field, o.postedValues(f))))
		}
	}
	if not {
		return o.withoutValues(f.Field, o.postedValues(f))
	}
	return o.withValue(f.Field, o.postedValues(f))
}

// all returns the stream of all executions.
func (o *searcher) all() stream { return o.withValue(runtime.FieldStatus, statuses) }

// postedValues returns the values under which the postings of the executions that a leaf accepts
// are stored.
func (o *searcher) postedValues(f *runtime.SearchFilter) []string {
	if f.Op == runtime.FilterIsNull {
		return []string{""}
	}
	var values []string
	for _, v := range f.Values {
		if v == "" { // a missing value equals no value
			continue
		}
		if v = postedValue(o.resource, f.Field, v, keys.ID{}); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// withValue returns the stream of the executions that have one of some values in a field.
func (o *searcher) withValue(field runtime.SearchField, values []string) stream {
	var all []stream
	for _, v := range values {
		all = append(all, o.stream(field, v, nil))
	}
	return union(o, all)
}

// withoutValues returns the stream of the executions that have none of some values in a field.
func (o *searcher) withoutValues(field runtime.SearchField, values []string) stream {
	there, complete := o.values(field, "", maxOthers)
	if !complete {
		return &difference{o, o.all(), o.withValue(field, values)}
	}
	others := slices.DeleteFunc(there, func(v string) bool { return slices.Contains(values, v) })
	if field == runtime.FieldTrace && !slices.Contains(others, "") {
		others = append(others, "")
	}
	all := []stream{o.withValue(field, others)}
	if field == runtime.FieldReason {
		all = append(all, o.withValue(runtime.FieldStatus, statuses[:1]))
	}
	return union(o, all)
}

// withOwnTrace returns the streams of the executions that have begun one of some traces.
func (o *searcher) withOwnTrace(traces []string) (all []stream) {
	for _, trace := range traces {
		id, ok := keys.ParseOwnTrace(trace)
		if !ok {
			continue
		}
		x, err := o.load(id)
		switch {
		case err == nil && x != nil:
			all = append(all, &singleStream{cursor{at: keys.Position{Start: keys.StartOf(x.Started), ID: id}}})
		case err != nil:
			o.fail(err)
		}
	}
	return all
}

// durations returns the stream of the executions whose duration passes a condition, or, with not,
// fails it.
func (o *searcher) durations(f *runtime.SearchFilter, not bool) stream {
	low, high := int64(0), int64(math.MaxInt64)
	switch {
	case f.Op == runtime.FilterGte && !not:
		low = f.Millis
	case f.Op == runtime.FilterLte && not:
		if f.Millis == math.MaxInt64 {
			return emptyStream{}
		}
		low = f.Millis + 1
	case f.Op == runtime.FilterLte:
		high = f.Millis
	default:
		high = f.Millis - 1
	}
	if high < low {
		return emptyStream{}
	}
	from, to := keys.ClampMillis(low), keys.ClampMillis(high)
	first, last := keys.DurationClass(from), keys.DurationClass(to)
	there, _ := o.values(runtime.FieldDuration, first, math.MaxInt)
	var all []stream
	for _, class := range there {
		switch {
		case class > last:
		case class == first || class == last:
			all = append(all, o.stream(runtime.FieldDuration, class, func(ms uint32) bool { return from <= ms && ms <= to }))
		default:
			all = append(all, o.stream(runtime.FieldDuration, class, nil))
		}
	}
	return union(o, all)
}

// stream opens the stream of one value. keep selects durations; nil selects all.
func (o *searcher) stream(field runtime.SearchField, value string, keep func(ms uint32) bool) stream {
	prefix := keys.Stream{Tenant: o.tenant, Resource: o.resource, Field: field, Value: value}.Prefix()
	return o.open(prefix, field == runtime.FieldDuration, keep)
}

func (o *searcher) open(prefix []byte, long bool, keep func(ms uint32) bool) stream {
	o.streams++
	it, err := o.r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		o.fail(err)
		return emptyStream{}
	}
	o.iterators = append(o.iterators, it)
	return &postedStream{cursor: cursor{at: beginning}, o: o, it: it, prefix: prefix, long: long, keep: keep}
}

// values returns up to most values of a field that are not less than from. complete reports that
// these are all.
func (o *searcher) values(field runtime.SearchField, from string, most int) (all []string, complete bool) {
	prefix := keys.PostingsOfField(o.tenant, o.resource, field)
	it, err := o.r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		o.fail(err)
		return nil, true
	}
	prefix = prefix[:len(prefix):len(prefix)]
	ok := it.First()
	if from != "" {
		ok = it.SeekGE(keys.AppendText(prefix, from))
	}
	for ok && len(all) < most {
		value, _, err := keys.CutText(bytes.Clone(it.Key()[len(prefix):]))
		if err != nil {
			o.fail(kv.Damaged("key %x: %v", it.Key(), err))
			break
		}
		o.steps += jumpCost
		all = append(all, value)
		ok = it.SeekGE(keys.PrefixEnd(keys.AppendText(prefix, value)))
	}
	o.fail(errors.Join(it.Error(), it.Close()))
	return all, !ok
}
