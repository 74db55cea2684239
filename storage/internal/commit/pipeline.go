package commit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/storage/replog"
)

// Pipeline sends batches to a replicated log, and applies each to the database when it is in the log: in
// the order of the log, and nothing before. Several may be under way.
type Pipeline struct {
	PipelineOptions
	ctx    context.Context
	cancel context.CancelFunc
	queue  chan flight
	group  sync.WaitGroup

	waiting atomic.Int64 // since when a result is awaited, in nanoseconds since 1970; 0: none is
	mu      sync.Mutex
	failure error // of the first record that did not arrive, or could not be applied
}

// PipelineOptions are the options of a Pipeline. All must be set.
type PipelineOptions struct {
	// Writer owns the log. Nothing else may use it.
	Writer *replog.Writer
	// Apply applies a batch, or nil, together with the place up to which the log is then applied.
	Apply func(b *pebble.Batch, at replog.Position) error
	// Failed is called with the first error of the log or of Apply, after which nothing is written any
	// more. It returns what the writers get.
	Failed func(error) error
}

// flight is a record on its way.
type flight struct {
	replog.Append
	batch  *pebble.Batch // of the last record of a batch
	result chan<- error  // likewise
}

// NewPipeline returns a pipeline, which must be closed.
func NewPipeline(o PipelineOptions) *Pipeline {
	p := &Pipeline{PipelineOptions: o, queue: make(chan flight, replog.MaxInFlight)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.group.Go(p.settleAll)
	return p
}

// Send sends a batch. It blocks while too many records are under way, and returns a function that waits
// for the result. The batch may be changed and used again after that.
func (p *Pipeline) Send(b *pebble.Batch) (wait func() error) {
	return p.send(b, func(sent func(replog.Append)) error { return p.Writer.SendBatch(p.ctx, b.Repr(), sent) })
}

// Beat sends a record that changes nothing, and waits for its result.
func (p *Pipeline) Beat() error {
	return p.send(nil, func(sent func(replog.Append)) error { return p.Writer.SendNothing(p.ctx, sent) })()
}

func (p *Pipeline) send(b *pebble.Batch, send func(sent func(replog.Append)) error) (wait func() error) {
	result := make(chan error, 1)
	err := send(func(a replog.Append) {
		f := flight{Append: a}
		if a.Last {
			f.batch, f.result = b, result
		}
		p.queue <- f // has room for all that may be under way
	})
	if err != nil {
		if failure := p.failed(); failure != nil {
			err = failure
		}
		result <- fmt.Errorf("not written to the log: %w", err)
	}
	return func() error { return <-result }
}

// settleAll waits for the results of all records, in order.
func (p *Pipeline) settleAll() {
	for f := range p.queue {
		err := p.failed()
		if err == nil {
			if err = p.settle(f); err != nil {
				err = p.fail(err)
			}
		}
		if f.result != nil {
			f.result <- err
		}
	}
}

func (p *Pipeline) settle(f flight) error {
	p.waiting.Store(time.Now().UnixNano())
	defer p.waiting.Store(0)
	err := p.Writer.Settle(p.ctx, f.Append)
	if err == nil && f.Last {
		err = p.Apply(f.batch, f.At)
	}
	return err
}

func (p *Pipeline) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

// fail keeps all that is under way, and all later batches, from being written.
func (p *Pipeline) fail(err error) error {
	err = p.Failed(err)
	p.mu.Lock()
	p.failure = err
	p.mu.Unlock()
	p.cancel()
	return err
}

// Waiting returns how long the log has not answered; 0 if nothing waits for it.
func (p *Pipeline) Waiting() time.Duration {
	since := p.waiting.Load()
	if since == 0 {
		return 0
	}
	return time.Since(time.Unix(0, since))
}

// Abandon ends the wait for all that is under way. Its results stay unknown.
func (p *Pipeline) Abandon() { p.cancel() }

// Close waits for the results of what is under way. Nothing may be sent any more.
func (p *Pipeline) Close() error {
	close(p.queue)
	p.group.Wait()
	p.cancel()
	return nil
}
