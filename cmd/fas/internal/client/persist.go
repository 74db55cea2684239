package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// patience is for how long a server may be away, such as for a restart,
	// before what waits for it gives up.
	patience = time.Minute
	// firstPause and lastPause bound the pause before something is tried again;
	// it doubles from one to the other.
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	// answerTime is how long an answer may be late beyond the time that its
	// request asked to wait. Later, the connection is taken for dead.
	answerTime = 30 * time.Second
)

// retrier says when something is tried again that the server has begun and that
// only the conversation about it has broken off. The zero value is ready.
type retrier struct {
	Trouble func(error) // if set, is told why it has to be tried again

	since time.Time // of the first failure since the last success
	next  time.Duration
}

// fine says that it went well.
func (r *retrier) fine() { r.since, r.next = time.Time{}, 0 }

// failed waits until it should be tried again. It gives err back if trying
// again has no use, or has been tried for long enough, and the cause of ctx if
// that ends.
func (r *retrier) failed(ctx context.Context, err error) error {
	if !transient(err) {
		return err
	}
	now := time.Now()
	if r.since.IsZero() {
		r.since, r.next = now, firstPause
	}
	if now.Sub(r.since) >= patience {
		return err
	}
	if r.Trouble != nil {
		r.Trouble(err)
	}
	// A part of the pause is random, so that many clients of a server that comes
	// back do not come all at once.
	wait := r.next/2 + rand.N(r.next/2)
	if coded, ok := errors.AsType[*runtime.Error](err); ok {
		wait = max(wait, min(coded.RetryAfter, patience))
	}
	r.next = min(2*r.next, lastPause)
	return pause(ctx, wait)
}

// transient tells whether an error may be gone the next time.
func transient(err error) bool {
	switch runtime.CodeOf(err) {
	case runtime.CodeUnavailable, runtime.CodeTooBusy:
		return true
	}
	return false
}

// pause waits, or gives the cause of ctx if that ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// silent is the error of a server that has stopped to talk in the middle.
func (c *Client) silent() error {
	return runtime.Errorf(runtime.CodeUnavailable, "%s does not answer any more", c.base).
		WithHint("check the server and the network on the way")
}
