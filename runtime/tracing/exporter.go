package tracing

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// maxSpans bounds the spans that wait to be posted; with a small memory budget, the bound is their
	// spanShare of it.
	maxSpans  = 8192
	spanShare = 64
	// spanWeight is the memory of a span that waits, in bytes: at least that of a connection with a long name.
	spanWeight = 3 * runtime.KiB
	// maxBatch is the number of spans in a post. A batch waits for linger, unless it is full before.
	maxBatch = 512
	linger   = time.Second
	// maxWanted bounds the runs and jobs of a tenant, in each wantedPeriod, that are exported because their
	// callers want it and in spite of the ratio.
	maxWanted    = 1000
	wantedPeriod = 10 * time.Second
)

// Options configure an Exporter.
type Options struct {
	URL      string            // to which batches are posted, such as http://127.0.0.1:4318/v1/traces
	Header   map[string]string // of posts; it may have secrets
	Timeout  time.Duration     // of a post; zero: 10 seconds
	Compress bool              // with gzip
	TLS      *tls.Config       // nil: the defaults of Go
	// Ratio is the part of the traces that is exported, 0 to 1, of those whose callers do not say it. Below 1,
	// it also bounds those whose callers want it: of each tenant, 1,000 runs and jobs in 10 seconds.
	Ratio float64
	// Resource describes the server: attributes by name. Version is that of the server.
	Resource map[string]string
	Version  string
	Memory   *memory.Budget // that waiting spans are taken from; nil: none
	Log      *slog.Logger   // nil: slog.Default
	// Now returns the time of day. It is called concurrently. Nil: time.Now.
	Now func() time.Time
}

// Exporter makes spans and posts them. It implements the Traces of the engine.
type Exporter struct {
	o        Options
	client   *http.Client
	resource *resourcepb.Resource
	scope    *commonpb.InstrumentationScope
	account  *memory.Account // nil: there is none
	limit    int             // of waiting
	log      *slog.Logger

	mu      sync.Mutex
	waiting []waitingSpan
	places  int                    // of waiting spans and of those that are being made
	held    map[runtime.Tenant]int // places by tenant; no zeros
	wanted  map[runtime.Tenant]int // runs and jobs that callers want exported, in this period
	renewed time.Time              // when the period of wanted began
	closed  bool
	changed chan struct{} // something is to be posted
	closing chan struct{} // closed by Close
	failing bool          // the last batch was not taken; used by post alone

	exported, dropped atomic.Uint64
	sending           context.Context // ends when spans are given up
	abort             context.CancelFunc
	ended             chan struct{}
}

// waitingSpan is a span that waits, and the tenant that its place counts for.
type waitingSpan struct {
	span   *tracepb.Span
	tenant runtime.Tenant
}

// New returns an Exporter that has begun. The caller closes it.
func New(o Options) *Exporter {
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	e := &Exporter{
		held: make(map[runtime.Tenant]int), wanted: make(map[runtime.Tenant]int),
		o: o, resource: resourceOf(o), scope: &commonpb.InstrumentationScope{Name: "faaspot", Version: o.Version},
		limit: maxSpans, log: cmp.Or(o.Log, slog.Default()), changed: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{}),
	}
	e.client = newClient(o)
	if o.Memory != nil {
		e.account = o.Memory.Open(memory.Options{Name: "spans for the collector of traces", Heap: true})
		e.limit = int(min(int64(maxSpans), o.Memory.Total()/spanShare/spanWeight))
	}
	e.sending, e.abort = context.WithCancel(context.Background())
	go e.postAll()
	return e
}

// Figures returns the numbers of spans that the collector has taken, that were dropped, and that wait.
func (e *Exporter) Figures() (exported, dropped uint64, waiting int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.exported.Load(), e.dropped.Load(), len(e.waiting)
}

// Close posts what waits, until ctx ends, drops the rest, and ends the Exporter. It is idempotent.
func (e *Exporter) Close(ctx context.Context) {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.closing)
	}
	e.mu.Unlock()
	defer e.abort()
	select {
	case <-e.ended:
	case <-ctx.Done():
		e.abort()
		<-e.ended
	}
}

// reserve takes places for spans of a tenant, and reports whether there are so many. With them, a tenant has at
// most as many as are free: half of all if it is alone, and what it leaves is there for others.
func (e *Exporter) reserve(tenant runtime.Tenant, n int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.held[tenant]+n > e.limit-e.places-n {
		e.dropped.Add(uint64(n))
		return false
	}
	e.places += n
	e.held[tenant] += n
	if e.account != nil {
		e.account.Add(int64(n) * spanWeight)
	}
	return true
}

// release gives back a place of a tenant. The caller holds the lock.
func (e *Exporter) release(tenant runtime.Tenant) {
	e.places--
	if e.held[tenant]--; e.held[tenant] == 0 {
		delete(e.held, tenant)
	}
}

// add lets the spans of a builder wait in the places that it has reserved.
func (e *Exporter) add(b *builder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		for range b.spans {
			e.release(b.tenant)
		}
		e.dropped.Add(uint64(len(b.spans)))
		if e.account != nil {
			e.account.Give(int64(len(b.spans)) * spanWeight)
		}
		return
	}
	before := len(e.waiting)
	for _, s := range b.spans {
		e.waiting = append(e.waiting, waitingSpan{s, b.tenant})
	}
	if before == 0 || before < maxBatch && len(e.waiting) >= maxBatch {
		e.signal()
	}
}

// want reports whether a run or a job of a tenant is exported because its caller wants it.
func (e *Exporter) want(tenant runtime.Tenant) bool {
	if e.o.Ratio >= 1 {
		return true
	}
	now := e.o.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := now.Sub(e.renewed); d < 0 || d >= wantedPeriod {
		e.renewed = now
		clear(e.wanted)
	}
	if e.wanted[tenant] >= maxWanted {
		return false
	}
	e.wanted[tenant]++
	return true
}

func (e *Exporter) signal() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// postAll posts batches until the Exporter is closed and nothing waits.
func (e *Exporter) postAll() {
	defer close(e.ended)
	defer e.client.CloseIdleConnections()
	for {
		batch, more := e.next()
		if len(batch) > 0 {
			e.send(batch)
			if e.account != nil {
				e.account.Give(int64(len(batch)) * spanWeight)
			}
		}
		if !more {
			return
		}
	}
}

// next waits for a batch and takes it. more is false after the last one.
func (e *Exporter) next() (batch []*tracepb.Span, more bool) {
	var due <-chan time.Time
	for {
		e.mu.Lock()
		n, closed := len(e.waiting), e.closed
		e.mu.Unlock()
		if n >= maxBatch || closed {
			break
		}
		if n > 0 && due == nil {
			due = time.After(linger)
		}
		select {
		case <-e.changed:
			continue
		case <-e.closing:
		case <-due:
		}
		break
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	n := min(len(e.waiting), maxBatch)
	for _, w := range e.waiting[:n] {
		batch = append(batch, w.span)
		e.release(w.tenant)
	}
	left := copy(e.waiting, e.waiting[n:])
	clear(e.waiting[left:])
	e.waiting = e.waiting[:left]
	return batch, left > 0 || !e.closed
}
