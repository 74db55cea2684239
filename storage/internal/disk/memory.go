package disk

import (
	"sync"
	"time"
)

const (
	// remeasureAfter is the number of bytes that are written before the memory is measured again:
	// measuring costs some ten microseconds.
	remeasureAfter = 4 << 20
	// maxSublevels is the number of sublevels of level 0 above which writes wait for compactions:
	// each of them makes reads slower.
	maxSublevels = 12
	// memoryPoll is the time between two measurements while a write waits.
	memoryPoll = 2 * time.Millisecond
)

// Memory bounds the bytes that were written and are not flushed to tables yet. Writes wait here
// before they begin: a write that Pebble stalls has begun, so readers and all later writes would
// wait with it.
type Memory struct {
	measure func() (unflushed int64, sublevels int)

	mu        sync.Mutex
	unflushed int64 // bytes at the last measurement
	since     int64 // bytes written since
	writing   int64 // bytes of the writes in progress
	sublevels int   // at the last measurement
}

// NewMemory returns the memory of a store. measure returns the bytes that are not flushed, and the
// number of sublevels of level 0.
func NewMemory(measure func() (unflushed int64, sublevels int)) *Memory {
	return &Memory{measure: measure}
}

// Unflushed returns an upper bound of the bytes that are not flushed. It does not know of flushes since
// the last measurement.
func (m *Memory) Unflushed() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used()
}

// Remeasure measures, and returns the bytes that are not flushed.
func (m *Memory) Remeasure() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remeasure()
	return m.used()
}

func (m *Memory) used() int64 { return m.unflushed + m.since + m.writing }

func (m *Memory) remeasure() {
	m.unflushed, m.sublevels = m.measure()
	m.since = 0
}

// Fits reports whether the memory stays within limit with another write of some bytes. A write
// larger than the limit fits if hardly anything else is unflushed.
func (m *Memory) Fits(bytes, limit int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fits(bytes, limit)
}

func (m *Memory) fits(bytes, limit int64) bool {
	within := func() bool {
		used := m.used()
		return (used+bytes <= limit || used <= limit/3) && m.sublevels < maxSublevels
	}
	if m.since < remeasureAfter && within() {
		return true
	}
	m.remeasure()
	return within()
}

// Enter waits until a write of some bytes fits, and counts the write until leave is called. It
// returns false if giveUp returned true before. giveUp is called now and then.
func (m *Memory) Enter(bytes, limit int64, giveUp func() bool) (leave func(), ok bool) {
	for !m.begin(bytes, limit) {
		if giveUp() {
			return nil, false
		}
		time.Sleep(memoryPoll)
	}
	return func() { m.end(bytes) }, true
}

func (m *Memory) begin(bytes, limit int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.fits(bytes, limit) {
		return false
	}
	m.writing += bytes
	return true
}

func (m *Memory) end(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing -= bytes
	m.since += bytes
}
