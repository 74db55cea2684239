package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Those with the most losses are isolated, for some time after the last one. Runs that end with the same
// worker count once.
func TestSuspects(t *testing.T) {
	now := time.Unix(0, 0)
	s := suspects{places: 2, losses: 3, now: func() time.Time { return now }}
	check := func(want ...string) {
		t.Helper()
		var got []string
		for _, name := range []string{"a", "b", "c", "d"} {
			if s.isolated(name) {
				got = append(got, name)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("isolated are %v, want %v", got, want)
		}
	}
	for worker := range uint64(3) {
		check()
		for range 5 {
			s.note("a", worker+1)
		}
		s.note("b", worker+1)
		s.note("c", worker+1)
	}
	check("a", "b")
	s.note("c", 4)
	check("a", "c")
	now = now.Add(suspectTime / 2)
	for worker := range uint64(9) {
		s.note("d", 10+worker)
	}
	check("c", "d")
	now = now.Add(suspectTime/2 + 1)
	check("d")
	now = now.Add(suspectTime)
	check()
	for i := range 2 * maxSuspects {
		s.note(fmt.Sprint("function", i), 99)
	}
	if n := len(s.byName); n > maxSuspects {
		t.Errorf("%d are remembered", n)
	}
}

// A tenant whose functions end a worker each gets a worker of its own, however many functions it has.
func TestTenantOfManyFunctionsRunsAlone(t *testing.T) {
	pool, _ := newPool(t, Options{})
	w := &peer{pool: pool}
	for i := range tenantLosses {
		p := newProgram("", runtime.Limits{})
		p.Tenant, w.number = "hostile", uint64(1000+i)
		_ = w.lost(&p)
	}
	h, err := pool.hostFor("hostile", "another")
	if err != nil || h.key != (ownKey{tenant: "hostile", suspected: true}) {
		t.Errorf("its runs go to %+v, %v", h.key, err)
	}
	if h, err := pool.hostFor("neighbour", "f"); err != nil || h != pool.shared[0] {
		t.Errorf("those of others go to %+v, %v", h, err)
	}
}
