package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// followedLogs is the number of executions whose logs are printed while they write them.
	followedLogs = 16
	// endedLogs is the number of executions that have ended and may wait until their logs are printed.
	endedLogs = 1000
	// rememberedLogs is the number of executions that are remembered as printed.
	rememberedLogs = 10_000
)

// logFollower prints the logs of executions as they start and end.
type logFollower struct {
	*logPrinter
	stop    context.CancelCauseFunc
	listing bool               // the executions of the beginning are arriving
	begun   []client.Execution // these, newest first
	known   knownIDs
	running chan struct{}         // has an element for each execution that is followed
	ended   chan client.Execution // executions that have ended and are not printed yet
	all     sync.WaitGroup
}

// followAll prints logs until ctx ends, or something fails.
func followAll(ctx context.Context, p *logPrinter) error {
	ctx, stop := context.WithCancelCause(ctx)
	f := &logFollower{
		logPrinter: p, stop: stop, listing: true, known: knownIDs{all: make(map[string]struct{})},
		running: make(chan struct{}, followedLogs), ended: make(chan client.Execution, endedLogs),
	}
	for range logRequests {
		f.all.Go(func() { f.printEnded(ctx) })
	}
	err := p.client.FollowExecutions(ctx, p.flags.filter, p.flags.limit, client.LiveList{
		Execution: func(x client.Execution) error {
			if f.listing {
				f.begun = append(f.begun, x)
			} else {
				f.add(ctx, x)
			}
			return nil
		},
		Listed: func() error { return f.addListed(ctx) },
		Skipped: func(changes int) error {
			f.note("%d changes were too many for the server to send: logs may be missing", changes)
			return nil
		},
		OnError: func(err error) {
			f.note("%s; trying again", clierror.Message(err))
			f.listing, f.begun = true, nil
		},
	})
	stop(err)
	f.all.Wait()
	return context.Cause(ctx)
}

// note prints a line of the command itself.
func (f *logFollower) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fmt.Fprintf(f.Err, "-- "+format+" --\n", args...)
}

// addListed adds the executions of the beginning: it prints those that have ended, the oldest first, and
// follows the others.
func (f *logFollower) addListed(ctx context.Context) error {
	list := f.begun
	f.listing, f.begun = false, nil
	slices.Reverse(list)
	var done []client.Execution
	for _, x := range list {
		if !x.Status.Done() {
			f.add(ctx, x)
		} else if f.known.begin(x.ID) {
			done = append(done, x)
			f.known.end(x.ID)
		}
	}
	return f.printAll(ctx, done)
}

// add sees to it that the log of an execution is printed, now or once it has ended.
func (f *logFollower) add(ctx context.Context, x client.Execution) {
	if x.Started.IsZero() || !f.known.begin(x.ID) {
		return
	}
	if x.Status.Done() {
		select {
		case f.ended <- x:
		default:
			f.known.end(x.ID)
			f.note("execution %s is left out: more end than can be printed", x.ID)
		}
		return
	}
	select {
	case f.running <- struct{}{}:
		f.all.Go(func() {
			f.print(ctx, x)
			<-f.running
		})
	default:
		f.known.forget(x.ID) // the server sends it again when it has ended
	}
}

// printEnded prints executions that have ended, until ctx ends.
func (f *logFollower) printEnded(ctx context.Context) {
	for {
		select {
		case x := <-f.ended:
			f.print(ctx, x)
		case <-ctx.Done():
			return
		}
	}
}

// print prints the log of an execution until it is done. An error ends the command.
func (f *logFollower) print(ctx context.Context, x client.Execution) {
	defer f.known.end(x.ID)
	l := f.newLog(x)
	end, err := f.client.Follow(ctx, x.ID, f.flags.options(), client.Followed{
		Entry:   l.entry,
		Attempt: func(int) error { return l.endLines() },
	})
	if err == nil {
		err = l.end(end)
	}
	if err != nil && runtime.CodeOf(err) != runtime.CodeNotFound { // the server may have dropped it
		f.stop(err)
	}
}

// knownIDs are the executions that are being printed, and the last ones that were.
type knownIDs struct {
	mu   sync.Mutex
	all  map[string]struct{}
	done []string // a ring
	next int      // of done, the oldest one if it is full
}

// begin adds an execution, and reports whether it was unknown.
func (k *knownIDs) begin(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, known := k.all[id]
	k.all[id] = struct{}{}
	return !known
}

// end notes that an execution was printed. The oldest such may be forgotten.
func (k *knownIDs) end(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.done) < rememberedLogs {
		k.done = append(k.done, id)
		return
	}
	delete(k.all, k.done[k.next])
	k.done[k.next] = id
	k.next = (k.next + 1) % rememberedLogs
}

// forget removes an execution that is not printed yet.
func (k *knownIDs) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.all, id)
}
