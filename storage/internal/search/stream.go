package search

import (
	"errors"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
)

// A stream iterates over executions by descending position: those that started last come first. Its
// head is its position, or an upper bound of it after its searcher has run out of steps.
type stream interface {
	// seek moves to the first position at or below limit. It never moves back.
	seek(limit keys.Position)
	// head returns the position of the stream; ok is false at its end.
	head() (at keys.Position, ok bool)
}

// beginning is the position at which every stream begins, before all executions.
var beginning = keys.Position{Start: math.MaxInt64, ID: keys.LastID}

// cursor is the position of a stream.
type cursor struct {
	at    keys.Position
	atEnd bool
}

func (s *cursor) head() (keys.Position, bool) { return s.at, !s.atEnd }

// emptyStream is a stream without executions.
type emptyStream struct{}

func (emptyStream) seek(keys.Position)          {}
func (emptyStream) head() (keys.Position, bool) { return keys.Position{}, false }

// jumpCost is the number of keys that are passed one by one before a seek, which costs as much.
const jumpCost = 8

// postedStream is the stream of the postings under a prefix.
type postedStream struct {
	cursor
	o      *searcher
	it     *pebble.Iterator
	prefix []byte
	long   bool
	keep   func(ms uint32) bool // reports whether to stop at a posting; nil: stop at all

	began     bool
	estimated bool          // at is an upper bound, because the steps ran out
	open      []openBlock   // blocks that begin above the unread key
	first     keys.Position // first position of the unread key at the iterator
	more      bool          // there is an unread key
}

// openBlock is a block with the index of its current posting.
type openBlock struct {
	postingsBlock
	i   int
	now Posting
}

// descend moves to the first posting at or below limit, and reports whether there is one.
func (b *openBlock) descend(limit keys.Position) bool {
	if !limit.Before(b.now.Position) {
		return true
	}
	if b.i = b.find(b.i+1, limit); b.i == b.len() {
		return false
	}
	b.now = b.at(b.i)
	return true
}

func (s *postedStream) seek(limit keys.Position) {
	for !s.atEnd && (!s.began || s.estimated || limit.Before(s.at)) {
		if s.estimated = s.o.exhausted(); s.estimated {
			if limit.Before(s.at) {
				s.at = limit
			}
			return
		}
		block := s.advance(limit)
		if s.atEnd || block == nil || s.keep == nil || s.keep(block.now.Ms) {
			return
		}
		s.o.steps++
		limit = s.at.Prev()
	}
}

// advance moves to the first posting at or below limit, and returns its block.
func (s *postedStream) advance(limit keys.Position) *openBlock {
	s.approach(limit)
	kept := s.open[:0]
	for _, b := range s.open {
		if b.descend(limit) {
			kept = append(kept, b)
		}
	}
	s.open = kept
	for {
		best := s.best()
		if s.more && (best == nil || s.at.Before(s.first)) {
			s.read(limit)
			continue
		}
		s.atEnd = best == nil
		return best
	}
}

// best returns the open block with the highest posting, and moves there.
func (s *postedStream) best() (best *openBlock) {
	for i := range s.open {
		b := &s.open[i]
		if best == nil || s.at.Before(b.now.Position) {
			best, s.at = b, b.now.Position
		}
	}
	return best
}

// approach passes unread keys whose postings are all above limit.
func (s *postedStream) approach(limit keys.Position) {
	if !s.began {
		s.began = true
		s.jump(limit)
		return
	}
	for passed := 0; s.more && s.far(limit); passed++ {
		if passed == jumpCost {
			s.jump(limit)
			return
		}
		s.take(s.it.Prev())
	}
}

// far reports whether all postings of the unread key are above limit.
func (s *postedStream) far(limit keys.Position) bool {
	return s.first.Start > limit.Start && s.first.Start-limit.Start > Span
}

func (s *postedStream) jump(limit keys.Position) {
	s.o.steps += jumpCost
	from := limit.Start
	if from > math.MaxInt64-Span {
		from = math.MaxInt64 - Span
	}
	behind := keys.Position{Start: from + Span, ID: keys.LastID}
	s.take(s.it.SeekLT(behind.AppendTo(s.prefix[:len(s.prefix):len(s.prefix)])))
}

// take reads the key at the iterator as the unread key.
func (s *postedStream) take(there bool) {
	s.o.steps++
	s.more = there && s.o.err == nil
	if !there {
		s.o.fail(s.it.Error())
		return
	}
	rest := s.it.Key()[len(s.prefix):]
	if len(rest) != keys.PositionSize {
		s.o.fail(kv.Damaged("key %x: %v", s.it.Key(), keys.ErrKey))
		s.more = false
		return
	}
	s.first = keys.ParsePosition(rest)
}

// read opens the unread key if it has a posting at or below limit.
func (s *postedStream) read(limit keys.Position) {
	value, err := s.it.ValueAndErr()
	var b postingsBlock
	if err == nil {
		b, err = readPostings(s.o.r, s.o.tenant, s.o.resource, s.first, value, s.long)
	}
	if err != nil {
		s.o.fail(kv.Damaged("key %x: %v", s.it.Key(), err))
		s.more = false
		return
	}
	if one := (openBlock{postingsBlock: b, now: b.first}); one.descend(limit) {
		s.open = append(s.open, one)
	}
	s.take(s.it.Prev())
}

// singleStream is a stream of one execution.
type singleStream struct{ cursor }

func (s *singleStream) seek(limit keys.Position) { s.atEnd = s.atEnd || limit.Before(s.at) }

// compareCost is the number of streams whose heads are compared at the cost of a key.
const compareCost = 8

// unionStream is a stream of the executions in any of some streams.
type unionStream struct {
	cursor
	o  *searcher
	of []stream
}

func union(o *searcher, of []stream) stream {
	switch len(of) {
	case 0:
		return emptyStream{}
	case 1:
		return of[0]
	}
	return &unionStream{cursor{at: beginning}, o, of}
}

func (s *unionStream) seek(limit keys.Position) {
	if s.atEnd || s.at.Before(limit) {
		return
	}
	s.atEnd = true
	s.o.steps += len(s.of) / compareCost
	for _, one := range s.of {
		one.seek(limit)
		if at, ok := one.head(); ok && (s.atEnd || s.at.Before(at)) {
			s.at, s.atEnd = at, false
		}
	}
}

// intersectionStream is a stream of the executions that are in all member streams, and of a few
// others: a member that agrees with the others many times in a row is checked only now and then.
// Checking the executions that are found costs less.
type intersectionStream struct {
	cursor
	o  *searcher
	of []streamMember
}

type streamMember struct {
	stream
	agreements int // times in a row that the stream had the position of the others
}

const (
	// skipAfter is the number of agreements in a row after which a stream is checked only every
	// checkEvery times.
	skipAfter  = 16
	checkEvery = 8
)

func (m *streamMember) skipCheck() bool {
	return m.agreements >= skipAfter && m.agreements%checkEvery != 0
}

func intersection(o *searcher, of []stream) stream {
	if len(of) == 1 {
		return of[0]
	}
	s := &intersectionStream{cursor: cursor{at: beginning}, o: o}
	for _, one := range of {
		s.of = append(s.of, streamMember{stream: one})
	}
	return s
}

func (s *intersectionStream) seek(limit keys.Position) {
	if s.atEnd || s.at.Before(limit) {
		return
	}
	for agreed := 0; agreed < len(s.of); {
		agreed = 0
		for i := range s.of {
			m := &s.of[i]
			s.o.steps++
			if i > 0 && m.skipCheck() { // the first is always checked: there is an execution at its position
				m.agreements++
				agreed++
				continue
			}
			m.seek(limit)
			at, ok := m.head()
			if !ok {
				s.atEnd = true
				return
			}
			if at == limit {
				m.agreements++
				agreed++
				continue
			}
			limit, agreed, m.agreements = at, 1, 0
			// The stream that has skipped a position becomes the first.
			s.of[0], s.of[i] = s.of[i], s.of[0]
		}
		s.at = limit
		if s.o.exhausted() {
			return
		}
	}
}

// difference is a stream of the executions in one stream and not in another.
type difference struct {
	o        *searcher
	of, less stream
}

func (s *difference) head() (keys.Position, bool) { return s.of.head() }

func (s *difference) seek(limit keys.Position) {
	for s.of.seek(limit); !s.o.exhausted(); s.of.seek(limit) {
		at, ok := s.of.head()
		if !ok {
			return
		}
		s.o.steps++
		s.less.seek(at)
		if not, ok := s.less.head(); !ok || not != at || s.o.exhausted() {
			return
		}
		limit = at.Prev()
	}
}

func (o *searcher) fail(err error) {
	o.err = errors.Join(o.err, err)
}
