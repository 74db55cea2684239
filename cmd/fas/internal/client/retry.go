package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// patience is how long a server may be unreachable, such as during a restart, before the
	// client gives up.
	patience = time.Minute
	// firstPause and lastPause bound the pause before a retry. It doubles from one to the other.
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	// answerTime is how late an answer may be after the time that its request asked to wait. After
	// that, the client closes the connection.
	answerTime = 30 * time.Second
)

// retrier decides whether and when to repeat a request about work that the server has accepted. The
// zero value is ready.
type retrier struct {
	OnError func(error) // if set, called with the error before each retry

	since time.Time // of the first failure since the last success
	next  time.Duration
}

// fine records a success.
func (r *retrier) fine() { r.since, r.next = time.Time{}, 0 }

// failed waits until the request should be sent again and returns nil. It returns err if a retry
// cannot help or the retries have taken long enough, and the cause of ctx if ctx ends.
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
	if r.OnError != nil {
		r.OnError(err)
	}
	// Half of the pause is random, so that many clients do not return to a restarted server at
	// the same time.
	wait := r.next/2 + rand.N(r.next/2)
	if coded, ok := errors.AsType[*runtime.Error](err); ok {
		wait = max(wait, min(coded.RetryAfter, patience))
	}
	r.next = min(2*r.next, lastPause)
	return pause(ctx, wait)
}

// transient reports whether a retry may succeed after an error.
func transient(err error) bool {
	switch runtime.CodeOf(err) {
	case runtime.CodeUnavailable, runtime.CodeTooBusy:
		return true
	}
	return false
}

// pause waits for d. It returns the cause of ctx if ctx ends before.
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

// silent returns the error for a server that has stopped answering.
func (c *Client) silent() error {
	return runtime.Errorf(runtime.CodeUnavailable, "%s does not answer any more", c.base).
		WithHint("check the server and the network in between")
}
