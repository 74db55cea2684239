package sandbox

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// TestMemoryWithoutAPermitIsGivenBack lets a call get the memory that it waits for, but no permit to
// compute before it must end: it ends with neither, and its last checkpoint hands over nothing.
func TestMemoryWithoutAPermitIsGivenBack(t *testing.T) {
	const n = runtime.MiB
	for name, take := range map[string]func(*slot) bool{
		"stack": func(s *slot) bool { return s.take(s.accounts.stacks, n) },
		"image": func(s *slot) bool { return s.accounts.images.take(s, n, n) },
	} {
		for class, end := range map[runtime.Class]func(*slot, context.CancelFunc){
			runtime.ClassTimeout:   func(s *slot, _ context.CancelFunc) { time.Sleep(time.Until(s.claim.deadline)) },
			runtime.ClassCancelled: func(_ *slot, cancel context.CancelFunc) { cancel() },
		} {
			t.Run(name+"/"+string(class), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := memory.New(64*runtime.MiB, nil)
					rest := b.Open(memory.Options{Name: "rest"})
					all := rest.Free()
					rest.Add(all)
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					p := newProcessors(1, time.Now)
					s := &slot{processors: p, accounts: openAccounts(b, nil, nil, nil), claim: claim{ctx: ctx, deadline: time.Now().Add(patience / 2)}}
					p.acquire(&s.claim)

					taken := make(chan bool)
					go func() { taken <- take(s) }()
					synctest.Wait() // it waits for memory, without a permit
					var other claim
					p.acquire(&other)
					rest.Give(all)
					synctest.Wait() // it waits for a permit
					end(s, cancel)
					if <-taken || b.Used() != 0 {
						t.Errorf("a call that must end has taken memory: %v", b.Holders())
					}
					var third claim
					go p.acquire(&third)
					time.Sleep(10 * defaultSlice)
					if got := s.yield(); got != class {
						t.Errorf("the call ends as %q, want %q", got, class)
					}
					p.release(&s.claim)
					synctest.Wait()
					if third.held || p.free != 0 {
						t.Error("a call without a permit has handed one over")
					}
					p.release(&other)
					synctest.Wait()
					if p.release(&third); p.free != 1 {
						t.Errorf("%d permits are free, there is one", p.free)
					}
				})
			})
		}
	}
}
