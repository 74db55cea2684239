package wasi

import (
	"maps"
	"testing"
	"time"
)

// TestPark verifies that a parked run takes everything along and leaves nothing: two runs use one System
// by turns.
func TestPark(t *testing.T) {
	r := newRig(t)
	state := r.deploy()
	r.reset(state)
	fd := r.mustOpen("tmp/f7", 0, forBoth)
	r.write(fd, "first")
	r.store("tmp/own", "of the first run")
	files, charged, table := dump(r.sys), r.sys.charged, len(r.sys.table)
	first := r.sys.Park()

	if len(dump(r.sys)) > 0 || r.sys.charged != 0 || len(r.sys.table) != 4 {
		t.Fatalf("the System has %v, %d bytes, and %d descriptors of a parked run", dump(r.sys), r.sys.charged, len(r.sys.table))
	}
	if r.control.charged != charged {
		t.Errorf("%d bytes are charged for a parked run that has %d", r.control.charged, charged)
	}
	r.reset(nil)
	r.store("tmp/f7", "of the second run")
	second := r.sys.Park()
	if want := charged + second.charged; r.control.charged != want {
		t.Errorf("%d bytes are charged for two parked runs that have %d", r.control.charged, want)
	}
	r.sys.Resume(first)
	if got := dump(r.sys); !maps.Equal(got, files) || len(r.sys.table) != table {
		t.Errorf("the run has %v and %d descriptors, want %v and %d", got, len(r.sys.table), files, table)
	}
	if at, err := r.seek(fd, 0, 1); err != success || at != 5 {
		t.Errorf("the descriptor is at %d, %v", at, err)
	}
	r.reset(nil)
	if r.control.charged != second.charged {
		t.Errorf("%d bytes are charged for a parked run that has %d", r.control.charged, second.charged)
	}
	r.sys.Resume(second)
	if got := dump(r.sys); len(got) != 1 || got["/f7"] != "file of the second run" {
		t.Errorf("the run has %v", got)
	}
	r.reset(nil)
	if r.control.charged != 0 {
		t.Errorf("%d bytes are charged without a run", r.control.charged)
	}
}

// TestParkedTime verifies that the time of a parked run is no computing time, and that its clock does not
// go back in a System whose clock was read before.
func TestParkedTime(t *testing.T) {
	r := newRig(t)
	before := r.sys.instant()
	p := r.sys.Park()
	r.clock.monotonic += 7e9
	r.sys.Resume(p)
	after := r.sys.instant()
	if after.monotonic != before.monotonic+7e9 || after.computing != before.computing {
		t.Errorf("%+v, and after 7 s %+v", before, after)
	}
	r.sys.Slept(time.Second)
	if got := r.sys.instant().computing; got != before.computing-1e9 {
		t.Errorf("the computing time is %d", got)
	}
	p = r.sys.Park()
	r.clock.monotonic -= 1e9
	other := newRig(t)
	other.clock.monotonic = after.monotonic + 3e9
	other.sys.instant()
	other.clock.monotonic = 0
	other.sys.Resume(p)
	if got := other.sys.instant().monotonic; got < after.monotonic+3e9 {
		t.Errorf("the clock went back to %d", got)
	}
}

func TestUntil(t *testing.T) {
	r := newRig(t)
	timer := make([]byte, subscriptionSize)
	timer[16], timer[24+3] = clockMonotonic, 1 // 2^24 ns
	read := make([]byte, subscriptionSize)
	read[8] = eventFdRead
	odd := make([]byte, subscriptionSize)
	odd[8] = 9
	for _, c := range []struct {
		name string
		subs []byte
		want time.Duration
		ok   bool
	}{
		{"a timer", timer, 1 << 24, true},
		{"a descriptor", append(append([]byte{}, timer...), read...), 0, true},
		{"no such event", odd, 0, false},
		{"nothing", nil, 0, false},
		{"a part", timer[1:], 0, false},
		{"too much", make([]byte, (maxSubscriptions+1)*subscriptionSize), 0, false},
	} {
		if got, ok := r.sys.Until(c.subs); got != c.want || ok != c.ok {
			t.Errorf("%s: %v, %v", c.name, got, ok)
		}
	}
	if len(r.control.slept) > 0 {
		t.Error("it slept")
	}
}
