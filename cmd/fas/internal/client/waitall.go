package client

import (
	"context"
	"slices"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// window is how many executions WaitAll asks about at once.
	window = 250
	// firstLook and lastLook bound for how long WaitAll waits for one of them
	// before it asks about all; it doubles while nothing happens, unless they are
	// few, about which it costs little to ask.
	firstLook = time.Second
	lastLook  = 4 * time.Second
	few       = 32
)

// WaitAll waits until executions are done and gives each of them to done, once,
// at about the time at which it is. Like [Client.Wait] it goes on while the
// server is away for up to a minute; trouble, if set, is told why.
//
// What it asks of the server keeps to what happens there. Runs of one function
// begin in order, so it waits for the last one of a window in front, and then
// asks about the window. If none in it is done, something holds them up, and it
// asks about one window behind it, the next one each time.
func (c *Client) WaitAll(ctx context.Context, ids []string, done func(Execution), trouble func(error)) error {
	w := waiting{client: c, ids: slices.Clone(ids), done: done, look: firstLook}
	again := retrier{Trouble: trouble}
	for len(w.ids) > 0 {
		asked := time.Now()
		got, err := w.round(ctx)
		if err != nil {
			if err := again.failed(ctx, err); err != nil {
				return err
			}
			continue
		}
		again.fine()
		// Few at a time are not worth a request each.
		if early := leastEvery - time.Since(asked); got < window/2 && early > 0 && len(w.ids) > 0 {
			if err := pause(ctx, early); err != nil {
				return err
			}
		}
	}
	return nil
}

// waiting is the state of a WaitAll.
type waiting struct {
	client *Client
	ids    []string // of those that are not known to be done
	done   func(Execution)
	look   time.Duration
	behind int // where the next window behind the one in front begins
}

// round asks once how things stand, and tells how many are done that were not
// before.
func (w *waiting) round(ctx context.Context) (got int, err error) {
	front := min(len(w.ids), window)
	_, err = w.client.execution(ctx, w.ids[front-1], w.look)
	if err != nil && runtime.CodeOf(err) != runtime.CodeNotFound {
		return 0, err
	}
	if got, err = w.sift(ctx, 0, front); err != nil {
		return 0, err
	}
	if got == 0 && len(w.ids) > front {
		if w.behind < front || w.behind >= len(w.ids) {
			w.behind = front
		}
		end := min(len(w.ids), w.behind+window)
		if got, err = w.sift(ctx, w.behind, end); err != nil {
			return 0, err
		}
		w.behind = end - got
	}
	if w.look = min(2*w.look, lastLook); got > 0 || front <= few {
		w.look = firstLook
	}
	return got, nil
}

// sift asks about ids[from:end], gives away those that are done and takes them
// out of ids.
func (w *waiting) sift(ctx context.Context, from, end int) (got int, err error) {
	list, err := w.client.ExecutionsByID(ctx, w.ids[from:end])
	if err != nil {
		return 0, err
	}
	var left []string
	for _, x := range list {
		if !x.Status.Done() {
			left = append(left, x.ID)
			continue
		}
		got++
		w.done(x)
	}
	// What is in front moves back, for it is less than what is behind.
	copy(w.ids[from+got:end], left)
	copy(w.ids[got:from+got], w.ids[:from])
	w.ids = w.ids[got:]
	return got, nil
}
