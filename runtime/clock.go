package runtime

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"github.com/google/uuid"
)

// maxHold is how far the time of day may be set back without an effect: a [Clock] stands still until
// the time of day has caught up, so that ids and times keep their order. A clock that was set back by
// more was wrong before: the Clock follows it.
const maxHold = time.Second

// Clock is the one source of the times and the ids of a server. The time in an id is the time of
// acceptance of what has it, so lists, windows and the order of ids agree, also after the time of
// day was set back or forward. All methods may be called concurrently.
type Clock struct {
	wall func() time.Time

	mu      sync.Mutex // guards the fields below
	last    time.Time  // returned last, without a monotonic reading
	ms      int64      // of the latest id, since 1970
	counter uint32     // of the latest id, counterBits wide
}

// An id has 48 bits of milliseconds, the counter, and 48 random bits. The counter begins at a random
// number in each millisecond and grows by random steps, so that it reveals no number of ids.
const (
	counterBits = 26
	counterStep = 16 // the largest
)

// NewClock returns a Clock of the time of day that wall returns.
func NewClock(wall func() time.Time) *Clock { return &Clock{wall: wall} }

// Now returns the time. It is never before a time that was returned earlier, unless the time of day
// was set back by more than a second.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

// now returns the time. The caller holds mu.
func (c *Clock) now() time.Time {
	now := c.wall()
	plain := now.Round(0) // times with monotonic readings are not compared by the time of day
	if behind := c.last.Sub(plain); behind > 0 && behind <= maxHold {
		return c.last
	}
	c.last = plain
	return now
}

// Stamp returns the time and a new id with that time.
func (c *Clock) Stamp() (now time.Time, id string) {
	now, ids := c.Stamps(1)
	return now, ids[0]
}

// Stamps returns the time and n new ids with that time, which sort in the order in which they are
// returned. The ids are UUIDv7 and sort behind those of earlier calls, unless the time of day was set
// back by more than a second. It panics if the system has no random numbers, as crypto/rand does.
func (c *Clock) Stamps(n int) (now time.Time, ids []string) {
	random := make([]byte, 8*n)
	_, _ = rand.Read(random) // it panics rather than fail
	ids = make([]string, n)
	c.mu.Lock()
	defer c.mu.Unlock()
	now = c.now().UTC()
	ms := now.UnixMilli()
	for i := range ids {
		bits := binary.BigEndian.Uint64(random[8*i:])
		if ms != c.ms {
			c.ms, c.counter = ms, uint32(bits>>48)
		} else {
			c.counter += 1 + uint32(bits>>48)%counterStep
		}
		ids[i] = newID(c.ms, c.counter, bits)
	}
	return now, ids
}

// newID returns the UUIDv7 with a time, a counter and 48 random bits.
func newID(ms int64, counter uint32, random uint64) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(ms)<<16|7<<12|uint64(counter>>(counterBits-12))&0xFFF)
	const low = counterBits - 12
	binary.BigEndian.PutUint64(id[8:], 2<<62|uint64(counter&(1<<low-1))<<48|random&(1<<48-1))
	return id.String()
}
