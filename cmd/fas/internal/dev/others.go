package dev

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
)

const (
	// maxOthers is the number of runs of others that may wait to be shown. More are dropped, and counted.
	maxOthers = 64
	// maxOwn is the number of runs of the session that are remembered, so that they are not shown twice.
	maxOwn = 256
	// kindRun is the kind of an execution that is a run.
	kindRun = "run"
)

// Execution is a run of another client, of a job or of a schedule that has ended.
type Execution struct {
	client.Execution
	Log     []client.LogEntry
	Dropped int // runs before it that were too many to be shown
}

// ownRuns are the ids of the latest runs of the session.
type ownRuns []string

func (o *ownRuns) add(id string) {
	if len(*o) >= maxOwn {
		*o = slices.Delete(*o, 0, 1)
	}
	*o = append(*o, id)
}

// followOthers returns a channel that receives the runs on the server of the session that end, until ctx ends.
func (s *session) followOthers(ctx context.Context) <-chan Execution {
	others := make(chan Execution, maxOthers)
	go func() {
		dropped := 0
		show := func(x client.Execution) error {
			if x.Kind != kindRun || !x.Status.Done() || !strings.HasSuffix(x.Name, s.Suffix) {
				return nil
			}
			one := Execution{Execution: x, Dropped: dropped}
			if len(others) < maxOthers {
				// What cannot be read is not shown: the server may have dropped it.
				if whole, err := s.Client.Execution(ctx, x.ID); err == nil {
					one.Args = whole.Args
				}
				if logs, err := s.Client.Logs(ctx, x.ID, client.LogOptions{}); err == nil {
					one.Log = logs.Entries
				}
			}
			select {
			case others <- one:
				dropped = 0
			default:
				dropped++
			}
			return nil
		}
		for ctx.Err() == nil {
			// An error means that the server has been away for long; the session sees that by itself.
			_ = s.Client.FollowExecutions(ctx, client.Filter{Completed: true}, 0, client.LiveList{
				Execution: show,
				Listed:    func() error { return nil },
				Skipped:   func(n int) error { dropped += n; return nil },
				OnError:   func(error) {},
			})
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}()
	return others
}

// showOther shows a run, unless it is one of the session, or of a function that is not of the project.
func (s *session) showOther(x Execution) {
	x.Name = strings.TrimSuffix(x.Name, s.Suffix)
	if slices.Contains(s.own, x.ID) || s.Suffix != "" && s.served[x.Name] == nil {
		return
	}
	if s.hideLog {
		x.Log = nil
	}
	s.Show.Executed(x)
}
