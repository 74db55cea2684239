package wasi

import (
	"encoding/binary"
	"math"
	"time"
)

// The layout of subscriptions and events.
const (
	subscriptionSize = 48
	eventSize        = 32

	eventClock   = 0
	eventFdRead  = 1
	eventFdWrite = 2
)

// fewSubscriptions is how many subscriptions most calls have at most: a copy of so many needs no allocation.
const fewSubscriptions = 4

// writeRoom is how many bytes a descriptor says it can take. Any number would do: writing never waits.
const writeRoom = 64 << 10

// pollOneoff answers for descriptors at once, since all are always ready. Only if none is asked about does it sleep, until the
// soonest clock.
func pollOneoff(s *System, g guest, p []uint64) errno {
	in, out, count, result := uint32(p[0]), uint32(p[1]), uint32(p[2]), uint32(p[3])
	if count == 0 || count > maxSubscriptions {
		return eINVAL
	}
	raw, ok := g.Read(in, count*subscriptionSize)
	if !ok || !g.writable(out, count*eventSize) || !g.writable(result, 4) {
		return eFAULT
	}
	// Events may lie over subscriptions.
	var few [fewSubscriptions * subscriptionSize]byte
	subscriptions := append(few[:0], raw...)

	now := s.instant()
	ready := false
	soonest := time.Duration(math.MaxInt64)
	for sub := subscriptions; len(sub) > 0; sub = sub[subscriptionSize:] {
		switch sub[8] {
		case eventClock:
			wait, err := now.until(sub)
			ready = ready || err != success
			soonest = min(soonest, wait)
		case eventFdRead, eventFdWrite:
			ready = true
		default:
			return eINVAL
		}
	}
	if ready {
		soonest = 0
	}
	if soonest > 0 {
		s.control.Sleep(soonest)
	}

	events, _ := g.Read(out, count*eventSize)
	written := uint32(0)
	for sub := subscriptions; len(sub) > 0; sub = sub[subscriptionSize:] {
		e := event{kind: sub[8]}
		if e.kind == eventClock {
			var wait time.Duration
			if wait, e.err = now.until(sub); wait > soonest {
				continue
			}
		} else {
			e.bytes, e.err = s.pollFd(binary.LittleEndian.Uint32(sub[16:]), e.kind)
		}
		e.put(events[written*eventSize:], sub)
		written++
	}
	g.WriteUint32Le(result, written)
	return success
}

// until returns how long after the instant a clock subscription is due; 0 if it is so already or makes no sense.
func (now instant) until(sub []byte) (time.Duration, errno) {
	const absolute = 1
	timeout, flags := binary.LittleEndian.Uint64(sub[24:]), binary.LittleEndian.Uint16(sub[40:])
	if flags&^absolute != 0 {
		return 0, eINVAL
	}
	base := int64(0)
	switch binary.LittleEndian.Uint32(sub[16:]) {
	case clockRealtime:
		base = now.wall
	case clockMonotonic, clockProcessCPU, clockThreadCPU:
		base = now.monotonic
	default:
		return 0, eINVAL
	}
	wait := int64(min(timeout, math.MaxInt64))
	if flags == absolute {
		wait = max(wait-base, 0)
	}
	return time.Duration(wait), success
}

// pollFd returns how many bytes a descriptor has to read, or can take.
func (s *System) pollFd(fd uint32, kind uint8) (uint64, errno) {
	d, err := s.open(fd)
	switch {
	case err != success:
		return 0, err
	case kind == eventFdWrite:
		return writeRoom, success
	case d.kind == kindFile:
		return uint64(max(s.size(d)-d.offset, 0)), success
	}
	return 0, success
}

// event is one answer.
type event struct {
	kind  uint8
	err   errno
	bytes uint64
}

// put writes the event, with the user data of its subscription, at the start of b.
func (e event) put(b, sub []byte) {
	clear(b[:eventSize])
	copy(b[:8], sub)
	binary.LittleEndian.PutUint16(b[8:], uint16(e.err))
	b[10] = e.kind
	binary.LittleEndian.PutUint64(b[16:], e.bytes)
}
