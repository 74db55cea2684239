package callback

import (
	"context"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/internal/backoff"
)

const (
	// maxPosts bounds the deliveries in progress, maxPostsPerHost those of one tenant to one host.
	maxPosts        = 16
	maxPostsPerHost = 2
	// longestDelay bounds the delay before the next attempt.
	longestDelay = 5 * time.Minute
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
	// Body renders the JSON body for an execution of a job that has ended. It must be set
	// with Poster.
	Body func(x *runtime.JobExecution) ([]byte, error)
	Now  func() time.Time
	Log  *slog.Logger
}

// Deliverer delivers callbacks. All methods may be called concurrently.
type Deliverer struct {
	o    Options
	made time.Time

	ctx   context.Context // the lifetime of posts: Abort ends it
	abort context.CancelFunc
	posts sync.WaitGroup

	mu   sync.Mutex
	plan plan // guarded by mu
}

// New returns a Deliverer that does nothing before [Deliverer.Start].
func New(o Options) *Deliverer {
	d := &Deliverer{o: o, made: time.Now()}
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
	return d.o.Store.EachDelivery(func(x runtime.Delivery) error {
		d.Add(x)
		return nil
	})
}

// Stop starts no further attempt.
func (d *Deliverer) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.close()
}

// Abort ends the attempts in progress. The next process repeats them.
func (d *Deliverer) Abort() { d.abort() }

// Wait waits until no attempt is in progress. It is called after Stop.
func (d *Deliverer) Wait() { d.posts.Wait() }

// JobDone queues the delivery of an execution of a job that has ended, if there is one.
func (d *Deliverer) JobDone(tenant runtime.Tenant, id string) {
	x, err := d.o.Store.GetDelivery(tenant, id)
	switch runtime.CodeOf(err) {
	case "":
		d.Add(x)
	case runtime.CodeNotFound:
	default: // the next process finds it
		d.o.Log.Error("engine: a callback cannot be looked up", "execution", id, "error", err)
	}
}

// Add queues a delivery, unless it is queued already.
func (d *Deliverer) Add(x runtime.Delivery) {
	c := &queuedCallback{id: x.ID, to: hostKey{x.Tenant, hostOf(x.Callback.URL)}}
	c.item.Value = c
	if !x.NotBefore.IsZero() {
		c.due = d.clock() + min(max(x.NotBefore.Sub(d.o.Now()), 0), longestDelay*2)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.plan.closing || d.plan.known[c.id] {
		return
	}
	d.plan.known[c.id] = true
	d.plan.put(c, d.clock())
	d.startPosts(d.plan.choose(d.o.Poster != nil))
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// queueDue queues the callbacks whose time has come.
func (d *Deliverer) queueDue() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.queueDue(d.clock())
	d.startPosts(d.plan.choose(d.o.Poster != nil))
}

func (d *Deliverer) startPosts(chosen []*queuedCallback) {
	for _, c := range chosen {
		d.posts.Go(func() { d.deliver(c) })
	}
}

// deliver makes one attempt, and queues the callback again if it needs another one.
func (d *Deliverer) deliver(c *queuedCallback) {
	again, wait := d.attempt(c)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.posted(c, d.clock())
	if again && !d.plan.closing {
		c.due = d.clock() + wait
		d.plan.put(c, d.clock())
	} else {
		delete(d.plan.known, c.id)
	}
	d.startPosts(d.plan.choose(d.o.Poster != nil))
}

// attempt tries to deliver, and reports whether and after what time to try again.
func (d *Deliverer) attempt(c *queuedCallback) (again bool, wait time.Duration) {
	x, err := d.o.Store.GetDelivery(c.to.tenant, c.id)
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		return false, 0
	}
	var post runtime.Post
	if err == nil {
		post, err = d.post(&x)
	}
	if err != nil {
		d.o.Log.Error("engine: a callback cannot be prepared", "execution", c.id, "error", err)
		return true, longestDelay
	}
	status, err := d.o.Poster.Post(d.ctx, post)
	if d.ctx.Err() != nil {
		return false, 0 // the next process repeats it
	}
	if err == nil && status >= 200 && status < 300 {
		return d.save(func() error { return d.o.Store.DeleteDelivery(x.Tenant, x.ID) })
	}
	now := d.o.Now().UTC()
	x.Attempts++
	x.LastAttempt, x.LastStatus, x.LastError = now, status, failureText(status, err)
	if x.Dead = x.Attempts > x.Callback.Retry; x.Dead {
		x.Body = post.Body
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

// save stores the outcome of an attempt. If the store refuses it, the attempt is repeated as
// a whole.
func (d *Deliverer) save(write func() error) (again bool, wait time.Duration) {
	if err := write(); err != nil {
		d.o.Log.Error("engine: the outcome of a callback cannot be stored", "error", err)
		return true, longestDelay
	}
	return false, 0
}
