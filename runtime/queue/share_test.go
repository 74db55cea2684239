package queue

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// The runs of one function, and of one tenant, leave memory to others when they start and when they
// go on, however many there are and in whatever order they came; what a function cannot have does not
// hold up others.
func TestSharesOfFunctionsAndTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAdmission(memory.New(110, nil), 1000, 1000)
		total := a.Largest() // 110 without a sixteenth and a 32nd
		held := func(function string, tenant runtime.Tenant) int64 {
			f, owner := a.shares.of(&Run{Tenant: tenant, Function: function})
			if function == "" {
				f = owner
			}
			if f == nil {
				return 0
			}
			return f.bytes
		}
		var started []*Run
		start := func(tenant runtime.Tenant, function string, bytes int64) *bool {
			r, begun := &Run{Tenant: tenant, Function: function, Group: function, Bytes: bytes}, new(bool)
			a.Enqueue(r, func(bool) {
				*begun = true
				started = append(started, r)
			})
			return begun
		}
		for range 50 {
			start("a", "f", 10)
		}
		if got := held("f", "a"); got != total*functionShare/functionParts/10*10 {
			t.Errorf("one function has %d bytes of %d", got, total)
		}
		for i := range 50 {
			start("a", fmt.Sprint("g", i), 10)
		}
		if got := held("", "a"); got != total*tenantShare/tenantParts/10*10 {
			t.Errorf("one tenant has %d bytes of %d", got, total)
		}
		if begun := start("b", "h", 10); !*begun {
			t.Error("another tenant finds no memory")
		}
		// All wait and keep little, many more start, and all want to go on at once.
		for i := 0; i < len(started); i++ { // those that start meanwhile, too
			started[i].Lend(1)
		}
		if len(started) < 70 {
			t.Errorf("%d runs have started that keep a tenth each", len(started))
		}
		for _, r := range started {
			go func() { _ = r.Reclaim(t.Context(), time.Hour) }()
		}
		synctest.Wait()
		if got, most := held("f", "a"), total*functionShare/functionParts; got > most {
			t.Errorf("one function has %d bytes, its share is %d", got, most)
		}
		if got, most := held("", "a"), total*tenantShare/tenantParts; got > most || got <= most-10 {
			t.Errorf("one tenant has %d bytes, want about its share of %d", got, most)
		}
		if begun := start("b", "h", 1); !*begun {
			t.Error("another tenant finds no memory while many go on")
		}
		for range started { // those that compute end, and others go on
			for _, r := range started {
				if r.share != nil && !r.waits {
					r.Release()
				}
			}
			synctest.Wait()
		}
		if a.Running() != 0 || a.memory.Held() != 0 {
			t.Errorf("%d runs with %d bytes are left", a.Running(), a.memory.Held())
		}
	})
}

// A run that wants much back waits while others go on that want less, but not forever.
func TestALargeRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newRunning(memory.New(10, nil), 1000, 1000)
		large := &Run{Tenant: "a", Function: "large", Bytes: 10}
		small := [2]*Run{{Tenant: "a", Function: "small", Bytes: 2}, {Tenant: "a", Function: "small", Bytes: 2}}
		for _, r := range append(small[:], large) {
			if err := a.Admission.Acquire(t.Context(), r, 0); err != nil {
				t.Fatal(err)
			}
			r.Lend(0)
		}
		reclaim := func(r *Run) chan struct{} {
			done := make(chan struct{})
			go func() {
				if err := r.Reclaim(t.Context(), time.Hour); err != nil {
					t.Error(err)
				}
				close(done)
			}()
			synctest.Wait()
			return done
		}
		reclaim(small[0])
		waits := reclaim(large)
		gone := 0
		for i := 1; gone < 10*maxOvertaken; i++ { // one of the two always computes
			next, other := small[i%2], small[(i+1)%2]
			reclaim(next)
			if next.waits {
				break
			}
			other.Lend(0)
			gone++
			synctest.Wait()
			select {
			case <-waits:
				t.Fatal("two runs have more than there is")
			default:
			}
		}
		for _, r := range small {
			if !r.waits {
				r.Lend(0)
			}
		}
		synctest.Wait()
		select {
		case <-waits:
		default:
			t.Errorf("the large run waits, %d small ones have gone on", gone)
		}
		large.Release()
		synctest.Wait()
		if gone > maxOvertaken+1 {
			t.Errorf("%d small runs have gone on before the large one", gone)
		}
	})
}

// Runs that hold more each time that they wait do not exceed the share of their function one by one.
func TestRunsThatGrowKeepToTheirShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAdmission(memory.New(110, nil), 1000, 1000)
		var runs []*Run
		for range 30 {
			r := &Run{Tenant: "a", Function: "f", Group: "f", Bytes: 10}
			if err := a.Acquire(t.Context(), r, 0); err != nil {
				t.Fatal(err)
			}
			r.Lend(1)
			runs = append(runs, r)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		for _, r := range runs[:20] { // the others stay asleep
			ended.Go(func() {
				if r.Reclaim(ctx, time.Hour) == nil {
					r.Lend(8)
					<-ctx.Done()
				}
				r.Release()
			})
			synctest.Wait()
			if f, _ := a.shares.of(r); f.bytes > a.mostOfFunction {
				t.Fatalf("the function has %d bytes, its share is %d", f.bytes, a.mostOfFunction)
			}
		}
		cancel()
		ended.Wait()
		for _, r := range runs[20:] {
			r.Release()
		}
		if a.memory.Held() != 0 {
			t.Errorf("%d bytes are left", a.memory.Held())
		}
	})
}

// Runs that wait for a moment again and again, and are too many to compute at once, keep nobody out,
// even if the memory suffices for a new run only when two of them wait.
func TestRunsThatComeAndGoKeepNobodyOut(t *testing.T) {
	for _, keeps := range []int64{0, 3} {
		synctest.Test(t, func(t *testing.T) {
			a := NewAdmission(memory.New(28, nil), 1000, 1000) // 26 for runs: two of 10 at once
			stop, group := make(chan struct{}), sync.WaitGroup{}
			for i := range 4 {
				r := &Run{Tenant: runtime.Tenant(fmt.Sprint("a", i)), Function: "f", Group: "f", Bytes: 10}
				if err := a.Acquire(t.Context(), r, 0); err != nil {
					t.Fatal(err)
				}
				group.Go(func() {
					for {
						r.Lend(min(keeps, 10))
						if err := r.Reclaim(t.Context(), time.Hour); err != nil {
							t.Error(err)
							return
						}
						select {
						case <-stop:
							r.Release()
							return
						case <-time.After(time.Millisecond):
						}
					}
				})
				synctest.Wait()
			}
			started := make(chan error, 1)
			r := &Run{Tenant: "b", Function: "g", Group: "g", Bytes: 10}
			go func() { started <- a.Acquire(t.Context(), r, 0) }()
			select {
			case err := <-started:
				if err != nil {
					t.Fatal(err)
				}
				r.Release()
			case <-time.After(10 * time.Second):
				t.Errorf("another tenant's run does not start beside runs that keep %d", keeps)
			}
			close(stop)
			group.Wait()
			synctest.Wait()
		})
	}
}
