package callback

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/internal/backoff"
	"github.com/faaspot/faaspot/runtime/redact"
)

const (
	// longestDelay bounds the delay before the next attempt.
	longestDelay = 5 * time.Minute
	// maxRenderAttempts bounds the attempts to render and store a body whose execution cannot be
	// read, or which the store refuses.
	maxRenderAttempts = 12
	// maxLookups bounds the executions whose callbacks are still to be looked up. Beyond it, all
	// deliveries are read instead.
	maxLookups = 10_000
	// maxPending bounds the callbacks of a tenant that wait, maxPendingBytes their bodies. Beyond
	// the former a callback becomes a dead letter at once, beyond the latter its body has no
	// results. The latter is exceeded by the bodies that are rendered at once at most.
	maxPending      = 10_000
	maxPendingBytes = 256 * runtime.MiB
	// maxBody bounds a body with results, in bytes: the results, and what describes the tasks.
	maxBody = 2 * runtime.MaxJobResultBytes
)

// Store is the part of [runtime.Store] that a Deliverer uses.
type Store interface {
	EachDelivery(visit func(runtime.Delivery) error) error
	GetDelivery(tenant runtime.Tenant, id string) (runtime.Delivery, error)
	SaveAttempt(d runtime.Delivery) error
	DeleteDelivery(tenant runtime.Tenant, id string) error
	GetJobExecutionByID(tenant runtime.Tenant, id string) (runtime.JobExecution, error)
}

// Options of a Deliverer. Store, Now and Log must be set.
type Options struct {
	Store Store
	// Poster sends requests. Nil: none are sent, deliveries wait for a process that can.
	Poster runtime.Poster
	// Body renders the JSON body for an execution of a job that has ended, with or without the
	// results of its tasks. It must be set with Poster.
	Body func(x *runtime.JobExecution, results bool) ([]byte, error)
	Now  func() time.Time
	Log  *slog.Logger
	// Secrets gets the secret of a callback during an attempt, to keep it out of the log. Nil: nothing
	// does.
	Secrets *redact.Registry
}

// Deliverer delivers callbacks. All methods may be called concurrently.
type Deliverer struct {
	o    Options
	made time.Time

	maxPending, maxPendingBytes int // the constants, but for tests

	ctx   context.Context // the lifetime of posts: Abort ends it
	abort context.CancelFunc
	posts sync.WaitGroup

	mu      sync.Mutex
	plan    plan    // guarded by mu
	lookups lookups // guarded by mu

	delivered, failed, dead atomic.Uint64 // see Figures
}

// lookups are the executions of jobs that have ended, and whose callbacks are still to be looked up.
// A read of the store may wait, so the goroutine that ends an execution does not look them up itself.
type lookups struct {
	queue    []lookup
	missed   bool        // the queue was full: all deliveries must be read
	running  bool        // a goroutine looks them up, or retry is set
	failures int         // in a row
	retry    *time.Timer // nil: none failed yet
}

// lookup names an execution of a job.
type lookup struct {
	tenant runtime.Tenant
	id     string
}

// New returns a Deliverer that does nothing before [Deliverer.Start].
func New(o Options) *Deliverer {
	d := &Deliverer{o: o, made: time.Now(), maxPending: maxPending, maxPendingBytes: maxPendingBytes}
	d.ctx, d.abort = context.WithCancel(context.Background())
	d.plan = newPlan(time.AfterFunc(time.Hour, d.queueDue))
	return d
}

// clock returns the time since the Deliverer was made. Unlike the time of day it never jumps.
func (d *Deliverer) clock() time.Duration { return time.Since(d.made) }

// Start begins to deliver what the store holds.
func (d *Deliverer) Start() error {
	d.mu.Lock()
	d.plan.closing = false
	d.mu.Unlock()
	return d.o.Store.EachDelivery(d.visit)
}

func (d *Deliverer) visit(x runtime.Delivery) error {
	d.Add(x)
	return nil
}

// Stop starts no further attempt.
func (d *Deliverer) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.close()
	if d.lookups.retry != nil {
		d.lookups.retry.Stop()
	}
	d.lookups = lookups{}
}

// Abort ends the attempts in progress. The next process repeats them.
func (d *Deliverer) Abort() { d.abort() }

// Wait waits until no attempt is in progress. It is called after Stop.
func (d *Deliverer) Wait() { d.posts.Wait() }

// JobDone queues the delivery of an execution of a job that has ended, if there is one. It does not
// wait for the store.
func (d *Deliverer) JobDone(tenant runtime.Tenant, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.plan.closing {
		return // Start, or the next process, finds it
	}
	if len(d.lookups.queue) < maxLookups {
		d.lookups.queue = append(d.lookups.queue, lookup{tenant, id})
	} else {
		d.lookups.missed = true
	}
	if !d.lookups.running {
		d.lookups.running = true
		d.posts.Go(d.lookUp)
	}
}

// lookUp looks up callbacks until none is left, or until the store fails; then it is called again
// after a while.
func (d *Deliverer) lookUp() {
	for succeeded := false; ; succeeded = true {
		d.mu.Lock()
		if succeeded {
			d.lookups.failures = 0
		}
		next, all, some := d.lookups.next()
		if !some || d.plan.closing {
			d.lookups.running = false
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
		var err error
		if all {
			err = d.o.Store.EachDelivery(d.visit)
		} else {
			err = d.find(next)
		}
		if err == nil {
			continue
		}
		d.o.Log.Error("engine: a callback cannot be looked up; it is tried again", "execution", next.id, "error", err)
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.plan.closing {
			d.lookups.putBack(next, all)
			d.lookups.retry = time.AfterFunc(backoff.Delay(d.lookups.failures, longestDelay), d.resumeLookUp)
		}
		return
	}
}

func (d *Deliverer) resumeLookUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.plan.closing {
		d.posts.Go(d.lookUp)
	}
}

// find queues the delivery of an execution. It fails if that may be tried again.
func (d *Deliverer) find(l lookup) error {
	x, err := d.o.Store.GetDelivery(l.tenant, l.id)
	switch runtime.CodeOf(err) {
	case "":
		d.Add(x)
	case runtime.CodeNotFound:
	case runtime.CodeUnavailable:
		return err
	default:
		d.o.Log.Error("engine: a callback cannot be read", "execution", l.id, "error", err)
	}
	return nil
}

// next removes and returns the next lookup. all reports that all deliveries must be read instead.
func (l *lookups) next() (next lookup, all, some bool) {
	if l.missed {
		l.missed, l.queue = false, nil
		return next, true, true
	}
	if len(l.queue) == 0 {
		l.queue = nil
		return next, false, false
	}
	next, l.queue = l.queue[0], l.queue[1:]
	return next, false, true
}

// putBack returns a lookup that has failed.
func (l *lookups) putBack(failed lookup, all bool) {
	l.failures++
	if all {
		l.missed = true
		return
	}
	l.queue = append(l.queue, failed)
}

// Add queues a delivery, unless it is queued already.
func (d *Deliverer) Add(x runtime.Delivery) {
	c := &queuedCallback{id: x.ID, job: x.JobID, to: receiver{x.Tenant, addressOf(x.Callback.URL)}, size: x.BodySize}
	c.item.Value = c
	if !x.NotBefore.IsZero() {
		c.due = d.clock() + min(max(x.NotBefore.Sub(d.o.Now()), 0), longestDelay*2)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.plan.closing || d.plan.known[c.id] != nil {
		return
	}
	d.plan.add(c, d.clock())
	d.start()
}

// queueDue queues the callbacks whose time has come.
func (d *Deliverer) queueDue() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.queueDue(d.clock())
	d.start()
}

// start starts what may go now. The caller holds mu.
func (d *Deliverer) start() {
	if d.o.Poster == nil {
		return
	}
	for _, c := range d.plan.chooseRenders() {
		d.posts.Go(func() { d.prepare(c) })
	}
	for _, c := range d.plan.choosePosts() {
		d.posts.Go(func() { d.deliver(c) })
	}
}

// prepare renders and stores the body of a callback, and queues the callback for its post.
func (d *Deliverer) prepare(c *queuedCallback) {
	size, wait := d.render(c)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.rendering--
	d.plan.use(c, 0, size)
	c.size = size
	d.next(c, size > 0 || wait > 0, wait)
}

// render renders and stores the body of a callback, and returns its size. If the size is 0, it
// returns after what time to try again; 0 means that the delivery is gone, or a dead letter.
func (d *Deliverer) render(c *queuedCallback) (size int, wait time.Duration) {
	x, err := d.o.Store.GetDelivery(c.to.tenant, c.id)
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		return 0, 0
	}
	if err == nil && len(x.Body) > 0 {
		return len(x.Body), 0
	}
	var lost, tooMany bool
	if err == nil {
		d.mu.Lock()
		u := d.plan.usage[c.to.tenant]
		d.mu.Unlock()
		tooMany = u.callbacks > d.maxPending
		lost, err = d.setBody(&x, !tooMany && u.bytes <= d.maxPendingBytes)
	}
	if err != nil && !lost {
		if c.renders++; c.renders < maxRenderAttempts || x.ID == "" {
			d.o.Log.Error("engine: the body of a callback cannot be prepared", "execution", c.id, "error", err)
			return 0, backoff.Delay(c.renders, longestDelay)
		}
	}
	// Nothing is sent without a body.
	switch {
	case lost:
		x.Dead, x.LastError = true, "the execution is not stored any more, so there is nothing to send"
	case err != nil:
		x.Dead, x.LastError = true, "the execution cannot be read, so there is nothing to send"
	case tooMany:
		x.Dead, x.LastError = true, "too many callbacks of the tenant wait, so it was not sent"
	}
	if x.Dead {
		d.bury(&x)
	}
	size = len(x.Body)
	if err := d.o.Store.SaveAttempt(x); err != nil {
		d.o.Log.Error("engine: the body of a callback cannot be stored", "execution", c.id, "error", err)
		if c.renders++; c.renders < maxRenderAttempts || len(x.Body) == 0 {
			return 0, backoff.Delay(c.renders, longestDelay)
		}
		return 0, d.giveUp(&x)
	}
	if x.Dead {
		return 0, 0
	}
	return size, 0
}

// giveUp makes a delivery whose body is refused a dead letter without a body, which needs little
// room. It returns after what time to try again; 0 means that it is a dead letter.
func (d *Deliverer) giveUp(x *runtime.Delivery) (wait time.Duration) {
	x.Body = nil
	if !x.Dead {
		x.Dead, x.LastError = true, "its body could not be stored, so there is nothing to send"
		d.bury(x)
	}
	_, wait = d.save(func() error { return d.o.Store.SaveAttempt(*x) })
	return wait
}

func (d *Deliverer) bury(x *runtime.Delivery) {
	d.dead.Add(1)
	x.LastAttempt = d.o.Now().UTC()
	d.o.Log.Warn("engine: a callback became a dead letter", "execution", x.ID, "job", x.JobID, "reason", x.LastError)
}

// setBody renders the body of a delivery. lost reports that its execution is not stored any more.
func (d *Deliverer) setBody(x *runtime.Delivery, results bool) (lost bool, err error) {
	job, err := d.o.Store.GetJobExecutionByID(x.Tenant, x.JobExecution)
	if err != nil {
		return runtime.CodeOf(err) == runtime.CodeNotFound, err
	}
	x.TraceID = job.TraceID
	x.Body, err = d.o.Body(&job, results)
	if err == nil && results && len(x.Body) > maxBody {
		x.Body, err = d.o.Body(&job, false)
	}
	return false, err
}

// deliver makes one attempt, and queues the callback again if it needs another one.
func (d *Deliverer) deliver(c *queuedCallback) {
	began := d.clock()
	again, wait := d.attempt(c)
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock()
	d.plan.posted(c, now-began, now)
	if c.refused != (receiver{}) {
		c.to, c.refused = c.refused, receiver{}
	}
	d.next(c, again, wait)
}

// next queues a callback again or forgets it, and starts what may go now. The caller holds mu.
func (d *Deliverer) next(c *queuedCallback, again bool, wait time.Duration) {
	if again && !d.plan.closing {
		c.due = 0
		if wait > 0 {
			c.due = d.clock() + wait
		}
		d.plan.put(c, d.clock())
	} else {
		d.plan.remove(c)
	}
	d.start()
}

// attempt tries to deliver, and reports whether and after what time to try again.
func (d *Deliverer) attempt(c *queuedCallback) (again bool, wait time.Duration) {
	x, err := d.o.Store.GetDelivery(c.to.tenant, c.id)
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		return false, 0
	}
	defer d.o.Secrets.Hold(x.Callback.Secret)()
	if err == nil && len(x.Body) == 0 {
		err = errNoBody
	}
	if err != nil {
		d.o.Log.Error("engine: a callback cannot be prepared", "execution", c.id, "error", err)
		return true, longestDelay
	}
	post := d.post(&x)
	post.Admit = func(address netip.AddrPort) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.plan.admit(c, resolvedAddress(address))
	}
	status, err := d.o.Poster.Post(d.ctx, post)
	if d.ctx.Err() != nil {
		return false, 0 // the next process repeats it
	}
	if err == nil && status >= 200 && status < 300 {
		d.delivered.Add(1)
		return d.save(func() error { return d.o.Store.DeleteDelivery(x.Tenant, x.ID) })
	}
	if runtime.CodeOf(err) == runtime.CodeTooBusy {
		return true, 0 // nothing was sent: it waits for a place of the address
	}
	d.failed.Add(1)
	now := d.o.Now().UTC()
	x.Attempts++
	x.LastAttempt, x.LastStatus, x.LastError = now, status, failureText(status, err)
	x.Body = nil // it is stored
	if x.Dead = x.Attempts > x.Callback.Retry; x.Dead {
		d.dead.Add(1)
		d.o.Log.Warn("engine: a callback became a dead letter", "execution", x.ID, "job", x.JobID, "attempts", x.Attempts, "status", status)
		return d.save(func() error { return d.o.Store.SaveAttempt(x) })
	}
	wait = backoff.Jitter(backoff.Delay(x.Attempts, longestDelay))
	x.NotBefore = now.Add(wait)
	if again, pause := d.save(func() error { return d.o.Store.SaveAttempt(x) }); again {
		return true, max(pause, wait)
	}
	return true, wait
}

// errNoBody reports a delivery whose body is not stored, though it was.
var errNoBody = errors.New("its body is not stored")

// save stores the outcome of an attempt. If the store refuses it, the attempt is repeated as
// a whole.
func (d *Deliverer) save(write func() error) (again bool, wait time.Duration) {
	if err := write(); err != nil {
		d.o.Log.Error("engine: the outcome of a callback cannot be stored", "error", err)
		return true, longestDelay
	}
	return false, 0
}
