package client

import (
	"context"
	"slices"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// window is how many executions one request of WaitAll looks up.
	window = 250
	// firstLook and lastLook bound how long WaitAll waits for one execution of a window before it
	// looks up all of them. The time doubles while none ends, unless there are at most few left,
	// whose look-up costs little.
	firstLook = time.Second
	lastLook  = 4 * time.Second
	few       = 32
)

// WaitAll waits until executions are done, and calls done with each of them once, soon after it is
// done. Like [Client.Wait] it survives a server that is unreachable for up to a minute; it then
// calls onError, if set, with the error.
//
// The number of requests is proportional to the number of executions. Runs of one function begin in
// order, so WaitAll waits for the last execution of the front window and then looks up the window.
// If none in it is done, something delays them, and it looks up one further window, the next one
// each time.
func (c *Client) WaitAll(ctx context.Context, ids []string, done func(Execution), onError func(error)) error {
	w := waiting{client: c, ids: slices.Clone(ids), done: done, look: firstLook}
	again := retrier{OnError: onError}
	for len(w.ids) > 0 {
		sent := time.Now()
		got, err := w.round(ctx)
		if err != nil {
			if err := again.failed(ctx, err); err != nil {
				return err
			}
			continue
		}
		again.fine()
		// Few at a time are not worth a request each.
		if early := leastEvery - time.Since(sent); got < window/2 && early > 0 && len(w.ids) > 0 {
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
	ids    []string // of executions that may not be done
	done   func(Execution)
	look   time.Duration
	behind int // index of the next further window
}

// round waits once and looks up executions. It returns how many are newly done.
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

// sift looks up ids[from:end], calls done for those that are done and removes them from ids. It
// returns their number.
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
	// The ids before the window move back: they are fewer than those after it.
	copy(w.ids[from+got:end], left)
	copy(w.ids[got:from+got], w.ids[:from])
	w.ids = w.ids[got:]
	return got, nil
}
