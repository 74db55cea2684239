package client

import (
	"context"
	"time"
)

const (
	// defaultEvery is how long one request waits for the end of an execution:
	// less than what proxies allow, which is a minute for most.
	defaultEvery = 25 * time.Second
	// leastEvery is how often a server is asked at most that does not wait, as
	// one that is about to stop.
	leastEvery = 200 * time.Millisecond
	// firstEvery is how soon Told is called for the first time.
	firstEvery = 100 * time.Millisecond
)

// WaitOptions say how to wait. The zero value waits in silence.
type WaitOptions struct {
	// Every is how often Told is called while nothing happens. Zero: 25 s.
	Every time.Duration
	// Told, if set, is told how the execution stands.
	Told func(Execution)
	// Trouble, if set, is told why the server cannot be asked at present.
	Trouble func(error)
}

// Wait waits until an execution is done. It goes on while the server is away
// for up to a minute, for the execution is on the server's disk. When ctx ends
// it gives up with the cause of that.
func (c *Client) Wait(ctx context.Context, id string, o WaitOptions) (Execution, error) {
	if o.Every <= 0 {
		o.Every = defaultEvery
	}
	every := o.Every
	if o.Told != nil {
		every = min(every, firstEvery)
	}
	again := retrier{Trouble: o.Trouble}
	for {
		asked := time.Now()
		x, err := c.execution(ctx, id, every)
		if err != nil {
			if err := again.failed(ctx, err); err != nil {
				return Execution{}, err
			}
			continue
		}
		again.fine()
		if o.Told != nil {
			o.Told(x)
		}
		if x.Status.Done() {
			return x, nil
		}
		if early := min(leastEvery, every) - time.Since(asked); early > 0 {
			if err := pause(ctx, early); err != nil {
				return Execution{}, err
			}
		}
		every = o.Every
	}
}
