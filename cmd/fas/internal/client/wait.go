package client

import (
	"context"
	"time"
)

const (
	// defaultEvery is how long one request waits for the end of an execution. Most proxies allow
	// a minute.
	defaultEvery = 25 * time.Second
	// leastEvery is the shortest time between two requests to a server that does not wait, such
	// as one that is about to stop.
	leastEvery = 200 * time.Millisecond
	// firstEvery bounds the time before the first call of OnState.
	firstEvery = 100 * time.Millisecond
)

// WaitOptions are the options of [Client.Wait]. The zero value has no callbacks.
type WaitOptions struct {
	// Every bounds the time between two calls of OnState. Zero: 25 s.
	Every time.Duration
	// OnState, if set, is called with the current state of the execution.
	OnState func(Execution)
	// OnError, if set, is called with the error each time the server cannot be reached.
	OnError func(error)
}

// Wait waits until an execution is done. It survives a server that is unreachable for up to a
// minute, because the execution is on the server's disk. When ctx ends, it returns the cause of
// ctx.
func (c *Client) Wait(ctx context.Context, id string, o WaitOptions) (Execution, error) {
	if o.Every <= 0 {
		o.Every = defaultEvery
	}
	every := o.Every
	if o.OnState != nil {
		every = min(every, firstEvery)
	}
	again := retrier{OnError: o.OnError}
	for {
		sent := time.Now()
		x, err := c.execution(ctx, id, every)
		if err != nil {
			if err := again.failed(ctx, err); err != nil {
				return Execution{}, err
			}
			continue
		}
		again.fine()
		if o.OnState != nil {
			o.OnState(x)
		}
		if x.Status.Done() {
			return x, nil
		}
		if early := min(leastEvery, every) - time.Since(sent); early > 0 {
			if err := pause(ctx, early); err != nil {
				return Execution{}, err
			}
		}
		every = o.Every
	}
}
