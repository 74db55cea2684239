package wasi

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"
)

// subscription is one subscription of poll_oneoff.
type subscription struct {
	user    uint64
	kind    uint8
	clock   uint32 // or the descriptor
	timeout uint64
	flags   uint16
	alone   uint32 // not 0: it waits for a hangup or an error alone
}

// answer is one event.
type answer struct {
	user  uint64
	err   errno
	kind  uint8
	bytes uint64
}

func (r *rig) poll(in, out uint32, subs ...subscription) ([]answer, errno) {
	for i, s := range subs {
		b, _ := r.mem.Read(in+uint32(i)*subscriptionSize, subscriptionSize)
		clear(b)
		binary.LittleEndian.PutUint64(b, s.user)
		b[8] = s.kind
		binary.LittleEndian.PutUint32(b[16:], s.clock)
		binary.LittleEndian.PutUint32(b[20:], s.alone)
		binary.LittleEndian.PutUint64(b[24:], s.timeout)
		binary.LittleEndian.PutUint16(b[40:], s.flags)
	}
	err := r.call("poll_oneoff", uint64(in), uint64(out), uint64(len(subs)), atResult)
	if err != success {
		return nil, err
	}
	var answers []answer
	for i := range r.result() {
		b, _ := r.mem.Read(out+i*eventSize, eventSize)
		answers = append(answers, answer{
			binary.LittleEndian.Uint64(b), errno(binary.LittleEndian.Uint16(b[8:])), b[10], binary.LittleEndian.Uint64(b[16:]),
		})
	}
	return answers, success
}

func TestPoll(t *testing.T) {
	const wall, mono = 1_700_000_000e9, 5e9 // the initial readings of the rig's clocks
	clock := func(user uint64, id uint32, timeout uint64, flags uint16) subscription {
		return subscription{user, eventClock, id, timeout, flags, 0}
	}
	rings := func(user uint64) answer { return answer{user: user} }
	for _, c := range []struct {
		name  string
		subs  []subscription
		slept []time.Duration
		want  []answer
		err   errno
	}{
		{"relative", []subscription{clock(7, clockMonotonic, 50e6, 0)}, []time.Duration{50e6}, []answer{rings(7)}, 0},
		{"absolute", []subscription{clock(7, clockMonotonic, mono+1e9, 1)}, []time.Duration{1e9}, []answer{rings(7)}, 0},
		{"absolute wall", []subscription{clock(7, clockRealtime, wall+2e9, 1)}, []time.Duration{2e9}, []answer{rings(7)}, 0},
		{"past", []subscription{clock(7, clockMonotonic, mono-1, 1)}, nil, []answer{rings(7)}, 0},
		{"zero", []subscription{clock(7, clockRealtime, 0, 0)}, nil, []answer{rings(7)}, 0},
		{
			"soonest of several",
			[]subscription{clock(1, clockRealtime, 3e9, 0), clock(2, clockMonotonic, mono+1e9, 1), clock(3, clockMonotonic, 1e9, 0)},
			[]time.Duration{1e9},
			[]answer{rings(2), rings(3)},
			0,
		},
		{"for ever", []subscription{clock(7, clockMonotonic, math.MaxUint64, 0)}, []time.Duration{math.MaxInt64}, []answer{rings(7)}, 0},
		{"until for ever", []subscription{clock(7, clockMonotonic, math.MaxUint64, 1)}, []time.Duration{math.MaxInt64 - mono}, []answer{rings(7)}, 0},
		{
			"descriptors do not wait",
			[]subscription{clock(1, clockMonotonic, 1e9, 0), {2, eventFdRead, 0, 0, 0, 0}, {3, eventFdWrite, 1, 0, 0, 0}, clock(4, clockMonotonic, 0, 0)},
			nil,
			[]answer{{2, success, eventFdRead, 0}, {3, success, eventFdWrite, writeRoom}, rings(4)},
			0,
		},
		{
			"a closed descriptor",
			[]subscription{{9, eventFdRead, 77, 0, 0, 0}, clock(1, clockMonotonic, 1e9, 0)},
			nil,
			[]answer{{9, eBADF, eventFdRead, 0}},
			0,
		},
		{"a file", []subscription{{9, eventFdRead, 4, 0, 0, 0}}, nil, []answer{{9, success, eventFdRead, 11}}, 0},
		{
			"no such clock",
			[]subscription{clock(1, 9, 1e9, 0), clock(2, clockMonotonic, 1e9, 0)},
			nil,
			[]answer{{1, eINVAL, eventClock, 0}},
			0,
		},
		{"no such flag", []subscription{clock(1, clockMonotonic, 1e9, 2)}, nil, []answer{{1, eINVAL, eventClock, 0}}, 0},
		{"no such event", []subscription{{1, 3, 0, 0, 0, 0}}, nil, nil, eINVAL},
		{"nothing", nil, nil, nil, eINVAL},
		{"too much", make([]subscription, maxSubscriptions+1), nil, nil, eINVAL},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, out := range []uint32{atPath2, atBuffer, atBuffer + 16} { // the last two overlap the subscriptions
				r := newRig(t)
				r.mustOpen("root", 0, forReading)
				got, err := r.poll(atBuffer, out, c.subs...)
				r.want("poll", err, c.err)
				if !slices.Equal(got, c.want) {
					t.Errorf("%+v, want %+v", got, c.want)
				}
				if !slices.Equal(r.control.slept, c.slept) {
					t.Errorf("slept %v, want %v", r.control.slept, c.slept)
				}
			}
		})
	}
}

func TestPollAtTheCap(t *testing.T) {
	r := newRig(t)
	subs := make([]subscription, maxSubscriptions)
	for i := range subs {
		subs[i] = subscription{uint64(i), eventFdWrite, 1, 0, 0, 0}
	}
	got, err := r.poll(atBuffer, 0x100000, subs...)
	r.want("poll", err, success)
	if len(got) != len(subs) || got[500].user != 500 {
		t.Errorf("%d events", len(got))
	}
	// 2^28 * 48 is 3 * 2^32, which overflows to 0 in 32 bits.
	for _, count := range []uint64{1 << 28, 1<<32 - 1, maxSubscriptions + 1} {
		r.want("wrapping count", r.call("poll_oneoff", 0, 0, count, 0), eINVAL)
	}
	end := r.mem.Size()
	r.want("questions outside", r.call("poll_oneoff", uint64(end-47), 0, 1, 0), eFAULT)
	r.want("answers outside", r.call("poll_oneoff", 0, uint64(end-31), 1, 0), eFAULT)
	r.want("count outside", r.call("poll_oneoff", 0, 100, 1, uint64(end-3)), eFAULT)
}
