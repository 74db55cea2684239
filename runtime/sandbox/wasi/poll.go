package wasi

import (
	"encoding/binary"
	"math"
	"time"
)

// Layout of subscriptions and events.
const (
	subscriptionSize = 48
	eventSize        = 32

	eventClock   = 0
	eventFdRead  = 1
	eventFdWrite = 2
)

// fewSubscriptions is the largest number of subscriptions in most calls; a copy of this many needs
// no allocation.
const fewSubscriptions = 4

// The flags of an event of a socket. The first is of preview 1.
const (
	eventHangup   = 1 << 0
	eventFailed   = 1 << 1
	eventNotReady = 1 << 2 // nothing but the other flags has happened
)

// writeRoom is the number of bytes that a descriptor reports as writable. Any number would do.
const writeRoom = 64 << 10

// pollOneoff reports all descriptors but sockets at once, since they are always ready. If there are
// sockets alone, it waits until one is ready or the soonest clock is due; without any descriptor it
// sleeps.
func pollOneoff(s *System, g guest, p []uint64) errno {
	in, out, count, result := uint32(p[0]), uint32(p[1]), uint32(p[2]), uint32(p[3])
	if count == 0 || count > maxSubscriptions {
		return eINVAL
	}
	raw, ok := g.Read(in, count*subscriptionSize)
	if !ok || !g.writable(out, count*eventSize) || !g.writable(result, 4) {
		return eFAULT
	}
	// Copy the subscriptions, because the events may overlap them.
	var few [fewSubscriptions * subscriptionSize]byte
	subscriptions := append(few[:0], raw...)

	now := s.instant()
	defer s.endPoll()
	soonest, err := now.soonest(subscriptions, s.wantSocket)
	if err != success {
		return err
	}
	elapsed := soonest
	switch {
	case len(s.polled) > 0:
		if s.awaitAny(s.polled, soonest) {
			elapsed = time.Duration(s.instant().monotonic - now.monotonic)
		}
	case soonest > 0:
		s.control.Sleep(soonest)
		s.slept += s.instant().monotonic - now.monotonic
	}

	events, _ := g.Read(out, count*eventSize)
	written := uint32(0)
	for sub := subscriptions; len(sub) > 0; sub = sub[subscriptionSize:] {
		e := event{kind: sub[8]}
		if e.kind == eventClock {
			var wait time.Duration
			if wait, e.err = now.until(sub); wait > elapsed {
				continue
			}
		} else if k := s.socketOf(sub); k != nil {
			var happened bool
			if e.flags, happened = k.event(wantedBy(sub)); !happened {
				continue
			}
			e.bytes = 1
		} else {
			e.bytes, e.err = s.pollFd(binary.LittleEndian.Uint32(sub[16:]), e.kind)
		}
		e.put(events[written*eventSize:], sub)
		written++
	}
	g.WriteUint32Le(result, written)
	return success
}

// soonest returns the time from the instant until the first of some events: 0 if a descriptor is among
// them for which waits returns false, or a clock subscription that is invalid.
func (now instant) soonest(subscriptions []byte, waits func(sub []byte) bool) (time.Duration, errno) {
	ready := false
	soonest := time.Duration(math.MaxInt64)
	for sub := subscriptions; len(sub) > 0; sub = sub[subscriptionSize:] {
		switch sub[8] {
		case eventClock:
			wait, err := now.until(sub)
			ready = ready || err != success
			soonest = min(soonest, wait)
		case eventFdRead, eventFdWrite:
			ready = !waits(sub) || ready
		default:
			return 0, eINVAL
		}
	}
	if ready {
		return 0, success
	}
	return soonest, success
}

// until returns the time from the instant until a clock subscription is due: 0 if it already is, or
// if the subscription is invalid.
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
	case clockMonotonic:
		base = now.monotonic
	case clockProcessCPU, clockThreadCPU:
		base = now.computing
	default:
		return 0, eINVAL
	}
	wait := int64(min(timeout, math.MaxInt64))
	if flags == absolute {
		wait = max(wait-base, 0)
	}
	return time.Duration(wait), success
}

// socketOf returns the socket of a subscription, or nil.
func (s *System) socketOf(sub []byte) *socket {
	if d, err := s.open(binary.LittleEndian.Uint32(sub[16:])); err == success {
		return d.socket
	}
	return nil
}

// wantSocket adds the socket of a subscription to the poll, and reports whether it is one.
func (s *System) wantSocket(sub []byte) bool {
	k := s.socketOf(sub)
	if k == nil {
		return false
	}
	if k.want == 0 {
		s.polled = append(s.polled, k)
	}
	k.want |= hangup | wantedBy(sub)
	return true
}

// wantedBy returns what a subscription of a socket waits for, beside a hangup and errors: nothing else if
// the word behind the descriptor, which preview 1 does not use, is not 0.
func wantedBy(sub []byte) events {
	switch {
	case binary.LittleEndian.Uint32(sub[20:]) != 0:
		return 0
	case sub[8] == eventFdRead:
		return readable
	}
	return writable
}

// endPoll forgets the sockets of a poll.
func (s *System) endPoll() {
	for _, k := range s.polled {
		k.want, k.ready = 0, 0
	}
	clear(s.polled)
	s.polled = s.polled[:0]
}

// event returns the flags of the event of a subscription that waits for what, and whether there is one.
func (k *socket) event(what events) (flags uint16, happened bool) {
	if k.ready&(what|hangup|failed) == 0 {
		return 0, false
	}
	if k.ready&what == 0 {
		flags |= eventNotReady
	}
	if k.ready&hangup != 0 {
		flags |= eventHangup
	}
	if k.ready&failed != 0 {
		flags |= eventFailed
	}
	return flags, true
}

// pollFd returns the number of bytes that can be read from a descriptor, or written to it.
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

// event is the result for one subscription.
type event struct {
	kind  uint8
	err   errno
	bytes uint64
	flags uint16
}

// put writes the event, with the user data of its subscription, at the start of b.
func (e event) put(b, sub []byte) {
	clear(b[:eventSize])
	copy(b[:8], sub)
	binary.LittleEndian.PutUint16(b[8:], uint16(e.err))
	b[10] = e.kind
	binary.LittleEndian.PutUint64(b[16:], e.bytes)
	binary.LittleEndian.PutUint16(b[24:], e.flags)
}
