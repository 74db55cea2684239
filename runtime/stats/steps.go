package stats

import (
	"cmp"
	"slices"
	"time"
	"unsafe"

	"github.com/faaspot/faaspot/runtime"
)

// level is a resolution in which runs are counted.
type level struct {
	step time.Duration
	keep int // steps that are kept, with the present one
}

// levels are ordered from the finest on. The last one reaches as far back as statistics do.
var levels = [...]level{
	{time.Minute, 120 + 1},
	{15 * time.Minute, 96 + 1},
	{2 * time.Hour, 96 + 1},
}

// index returns the number of the step at a time, counted from 1970 on.
func (l level) index(t time.Time) int64 { return t.Unix() / int64(l.step/time.Second) }

// start returns the beginning of a step.
func (l level) start(index int64) time.Time {
	return time.Unix(index*int64(l.step/time.Second), 0).UTC()
}

// levelFor returns the finest level that reaches back to since.
func levelFor(since, now time.Time) int {
	for i, l := range levels {
		if l.index(now)-l.index(since) < int64(l.keep) {
			return i
		}
	}
	return len(levels) - 1
}

// counts counts the runs of one function in one step.
type counts struct {
	succeeded, failed, timeout, cancelled uint32
	durations
}

// countsBytes is the memory of a counts in its step without its classes and its name, in bytes.
const countsBytes = int64(unsafe.Sizeof(counts{})) + 48

const classBytes = int64(unsafe.Sizeof(classCount{}))

func (c *counts) bytes() int64 { return int64(cap(c.classes)) * classBytes }

// add counts a run, whose duration is of a class.
func (c *counts) add(r *runtime.EndedRun, of class) {
	switch r.State {
	case runtime.StateSucceeded:
		c.succeeded++
	case runtime.StateTimeout:
		c.timeout++
	case runtime.StateCancelled:
		c.cancelled++
	default:
		c.failed++
	}
	if r.Started {
		c.durations.add(r.Duration, of)
	}
}

func (c *counts) merge(other *counts) {
	c.succeeded += other.succeeded
	c.failed += other.failed
	c.timeout += other.timeout
	c.cancelled += other.cancelled
	c.durations.merge(&other.durations)
}

// ended returns the number of runs.
func (c *counts) ended() uint64 {
	return uint64(c.succeeded) + uint64(c.failed) + uint64(c.timeout) + uint64(c.cancelled)
}

func (c *counts) report() runtime.RunStats {
	return runtime.RunStats{
		Succeeded: int(c.succeeded), Failed: int(c.failed), Timeout: int(c.timeout), Cancelled: int(c.cancelled),
		Ran: int(c.count),
		P50: c.quantile(0.5), P90: c.quantile(0.9), P99: c.quantile(0.99), Max: c.max, Mean: c.mean(),
	}
}

// step is what was counted in one step of time.
type step struct {
	index int64
	of    map[string]*counts // by name of the function
	bytes int64
}

// stepBytes is the memory of a step without its counts, in bytes.
const stepBytes = 128

// open returns the counts of a function, which it adds if they are missing. grown is the bytes that they
// take.
func (s *step) open(function string) (c *counts, grown int64) {
	c = s.of[function]
	if c == nil {
		c = &counts{}
		s.of[function] = c
		grown = countsBytes + int64(len(function))
		s.bytes += grown
	}
	return c, grown
}

// add counts a run in some of the counts of the step, and returns the bytes by which they have grown.
func (s *step) add(c *counts, r *runtime.EndedRun, of class) (grown int64) {
	before := c.bytes()
	c.add(r, of)
	grown = c.bytes() - before
	s.bytes += grown
	return grown
}

// series is the steps of one level of a tenant, oldest first. Steps without runs are missing.
type series struct {
	steps []*step
	from  int64 // steps before this one were given up
}

// at returns the step with an index, which it adds if it is missing. grown is the bytes that it takes.
func (s *series) at(index int64) (at *step, grown int64) {
	i, found := slices.BinarySearchFunc(s.steps, index, func(s *step, index int64) int { return cmp.Compare(s.index, index) })
	if !found {
		s.steps = slices.Insert(s.steps, i, &step{index: index, of: make(map[string]*counts), bytes: stepBytes})
		grown = stepBytes
	}
	return s.steps[i], grown
}

// dropBefore drops the steps before an index, and returns their bytes.
func (s *series) dropBefore(index int64) (freed int64) {
	n := 0
	for n < len(s.steps) && s.steps[n].index < index {
		freed += s.steps[n].bytes
		n++
	}
	s.steps = slices.Delete(s.steps, 0, n)
	return freed
}

// giveUp drops the oldest step, and returns its bytes.
func (s *series) giveUp() (freed int64) {
	if len(s.steps) == 0 {
		return 0
	}
	s.from = s.steps[0].index + 1
	return s.dropBefore(s.from)
}
