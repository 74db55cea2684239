package client

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// MaxLiveList is the largest number of executions that [Client.FollowExecutions] begins with.
const MaxLiveList = listPage

// LiveList has the callbacks of [Client.FollowExecutions]. An error of a callback ends it.
type LiveList struct {
	// Execution is called with an execution that passes the filter, each time it changes.
	Execution func(Execution) error
	// Listed is called behind the executions that passed the filter when the connection began, which
	// come newest first.
	Listed func() error
	// Skipped is called with the number of changes that the server has left out.
	Skipped func(changes int) error
	// OnError is called with the error each time the connection is lost.
	OnError func(error)
}

// FollowExecutions calls l with the newest executions that pass a filter, at most limit, and then with
// each that changes, until ctx or a callback ends it. When the connection is lost it connects again, gets
// the newest executions again, and survives a server that is unreachable for up to a minute.
func (c *Client) FollowExecutions(ctx context.Context, f Filter, limit int, l LiveList) error {
	query := f.query(limit)
	query.Set("follow", "1")
	path := executionsPath + "?" + query.Encode()
	again := retrier{OnError: l.OnError}
	for {
		began := time.Now()
		var stop error
		err := c.stream(ctx, path, "", again.fine, func(e event) (bool, error) {
			var err error
			stop, err = c.live(e, l)
			return stop != nil, err
		})
		if stop != nil {
			return stop
		}
		if err != nil {
			err = again.failed(ctx, err)
		} else if early := leastEvery - time.Since(began); early > 0 {
			err = pause(ctx, early)
		}
		if err != nil {
			return err
		}
	}
}

// live handles an event of a live list. It ignores unknown names, which a newer server may send. stop is
// the error of a callback.
func (c *Client) live(e event, l LiveList) (stop, err error) {
	switch e.name {
	case "execution":
		var w wire.Execution[Moment]
		if err := json.Unmarshal([]byte(e.data), &w); err != nil {
			return nil, c.unexpected(fmt.Errorf("event %s: %w", e.name, err))
		}
		x, err := c.toExecution(&w)
		if err != nil {
			return nil, err
		}
		return l.Execution(x), nil
	case "listed":
		return l.Listed(), nil
	case "skipped":
		var w wire.SkippedEvent
		if err := json.Unmarshal([]byte(e.data), &w); err != nil {
			return nil, c.unexpected(fmt.Errorf("event %s: %w", e.name, err))
		}
		return l.Skipped(w.Changes), nil
	}
	return nil, nil
}
