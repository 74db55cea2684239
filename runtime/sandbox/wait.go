package sandbox

import (
	"context"
	"time"

	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

// Wait implements wasi.Control. A waiting run releases its permit to compute, and lends memory if it
// waits for longer than lendAfter.
func (s *slot) Wait(d time.Duration, wait func(ctx context.Context, until time.Time) bool) {
	s.checkStack()
	s.memory.pause()
	c := &s.call
	began := s.processors.now()
	end := began.Add(min(d, max(s.claim.deadline.Sub(began), 0)))
	s.processors.release(&s.claim)
	first := end
	if lend := began.Add(lendAfter - c.slept); c.room != nil && lend.Before(end) {
		first = lend
	}
	done := wait(s.claim.ctx, first)
	now := s.processors.now()
	if done || c.room == nil || !now.Before(end) || s.claim.ctx.Err() != nil {
		c.slept += now.Sub(began)
	} else {
		c.room.Lend(s.held())
		wait(s.claim.ctx, end)
		if s.claim.ctx.Err() == nil && s.processors.now().Before(s.claim.deadline) {
			c.slept = 0
			n := nap{room: c.room, patience: c.limits.Timeout}
			if class, err := s.processors.reclaim(&s.claim, &n); class != "" {
				c.platform = err
				s.end(class)
			}
		}
	}
	s.claim.woken = true
	s.processors.acquire(&s.claim)
	if class := s.stopped(s.processors.now()); class != "" {
		s.end(class)
	}
	s.memory.resume()
}

// HoldFiles implements wasi.Control.
func (s *slot) HoldFiles(n int) bool { return s.accounts.files.hold(s.tenant, n) }

// Hold implements wasi.Control. It waits for caches to give way, at most for patience.
func (s *slot) Hold(n int) bool {
	account, bytes := s.accounts.connections, int64(n)*wasi.ConnectionBytes
	if n <= 0 {
		account.Give(-bytes)
		return true
	}
	if account.TryTake(bytes) {
		return true
	}
	s.memory.pause()
	taken := s.take(account, bytes)
	if class := s.stopped(s.processors.now()); class != "" {
		if taken {
			account.Give(bytes)
		}
		s.end(class)
	}
	s.memory.resume()
	return taken
}
