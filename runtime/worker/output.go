package worker

import (
	"context"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// followPause is the time after which output of a run is sent while it runs, and between two pieces of
// it.
const followPause = 10 * time.Millisecond

// output sends the output of a run to the server while the run lasts. Most runs have ended before
// followPause: then all of it comes with the outcome.
type output struct {
	conn   *conn
	id     uint64 // of the run's call
	buffer *runtime.LogBuffer
	timer  *time.Timer
	stop   context.CancelFunc
	ctx    context.Context

	mu   sync.Mutex // held while a piece is sent
	sent runtime.LogPosition
	over bool
}

// follow gives a run a buffer for its output and begins to follow it.
func (w *worker) follow(c *runtime.RunCall, id uint64) *output {
	limits := c.Limits
	if limits == (runtime.Limits{}) {
		limits = c.Program.Limits
	}
	c.Logs = runtime.NewLogBuffer(limits.WithDefaults().Logs)
	o := &output{conn: w.conn, id: id, buffer: c.Logs, sent: runtime.LogPosition{Attempt: 1}}
	o.ctx, o.stop = context.WithCancel(context.Background())
	o.timer = time.AfterFunc(followPause, o.follow)
	return o
}

// follow sends pieces of the output until the run ends.
func (o *output) follow() {
	for {
		changed, more := o.sendPage()
		if more {
			continue
		}
		if changed == nil {
			return
		}
		select {
		case <-changed:
		case <-o.ctx.Done():
			return
		}
		select {
		case <-time.After(followPause):
		case <-o.ctx.Done():
			return
		}
	}
}

// sendPage sends a piece of the output. It returns what is closed when there is more, nil if there will be
// none, or whether there is more already.
func (o *output) sendPage() (changed <-chan struct{}, more bool) {
	o.conn.out.wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return nil, false
	}
	page, changed := o.buffer.Page(o.sent.Attempt, o.sent)
	if changed == nil {
		return nil, false // the rest comes with the outcome
	}
	if len(page.Logs.Data) > 0 {
		o.conn.send(kindLogs, appendLogs(wire.AppendUint(nil, o.id), page.Logs))
		o.sent = page.Next
	}
	return changed, page.Next.Offset < page.Size
}

// end returns the output that was not sent.
func (o *output) end() runtime.Logs {
	o.timer.Stop()
	o.stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	all := o.buffer.End()
	rest := all.Slice(o.sent.Offset, len(all.Data))
	rest.Truncated = all.Truncated
	return rest
}
