package engine

import (
	"container/heap"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxPosts is how many deliveries are under way at once, and maxPostsPerHost how
	// many of one tenant to one host: who is slow holds up nobody else.
	maxPosts        = 16
	maxPostsPerHost = 2
	// lastRedelivery is the longest time before another attempt. From firstDelay on it
	// doubles with each.
	lastRedelivery = 5 * time.Minute
	// DefaultCallbackRetry is how many further attempts a callback gets whose trigger
	// does not say.
	DefaultCallbackRetry = 5
)

// deliverer carries deliveries out. What it has in memory are their places in the
// queue; what counts is in the store.
type deliverer struct {
	store  runtime.Store
	poster runtime.Poster
	body   func(runtime.JobExecution, []runtime.Execution) []byte
	now    func() time.Time
	log    *slog.Logger
	made   time.Time

	ctx  context.Context // ends when attempts under way are to be given up
	stop context.CancelFunc

	mu      sync.Mutex
	known   map[string]bool // deliveries that have a place, or are under way
	queue   fairQueue       // of parcels that may go now
	held    map[hostOf][]*parcel
	busy    map[hostOf]int // parcels of a host that are in queue, or under way
	delayed parcels
	posting int
	closing bool // nothing is begun, as before begin
	timer   *time.Timer
	group   sync.WaitGroup
}

type hostOf struct {
	tenant runtime.Tenant
	host   string
}

// parcel is the place of a delivery in the queue.
type parcel struct {
	waiter
	id  string
	to  hostOf
	due time.Duration // by the deliverer's clock
}

// parcels orders them by when they are due.
type parcels []*parcel

func (p parcels) Len() int           { return len(p) }
func (p parcels) Less(i, j int) bool { return p[i].due < p[j].due }
func (p parcels) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *parcels) Push(x any)        { *p = append(*p, x.(*parcel)) }

func (p *parcels) Pop() any {
	last := len(*p) - 1
	x := (*p)[last]
	(*p)[last] = nil
	*p = (*p)[:last]
	return x
}

func newDeliverer(o *Options) *deliverer {
	d := &deliverer{
		store: o.Store, poster: o.Poster, body: o.CallbackBody, now: o.Now, log: o.Log, made: time.Now(),
		closing: true, known: make(map[string]bool), queue: newFairQueue(), held: make(map[hostOf][]*parcel), busy: make(map[hostOf]int),
	}
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.timer = time.AfterFunc(time.Hour, d.ripen)
	return d
}

// clock does not jump, as the time of day may.
func (d *deliverer) clock() time.Duration { return time.Since(d.made) }

// begin carries out what the store has.
func (d *deliverer) begin() error {
	d.mu.Lock()
	d.closing = false
	d.mu.Unlock()
	return d.store.EachDelivery(func(x runtime.Delivery) error {
		d.add(x)
		return nil
	})
}

// ended queues the delivery of an execution of a job that has ended, if there is
// one.
func (d *deliverer) ended(tenant runtime.Tenant, id string) {
	x, err := d.store.GetDelivery(tenant, id)
	switch runtime.CodeOf(err) {
	case "":
		d.add(x)
	case runtime.CodeNotFound:
	default: // the next process finds it
		d.log.Error("engine: a callback cannot be looked up", "execution", id, "error", err)
	}
}

// add gives a delivery its place.
func (d *deliverer) add(x runtime.Delivery) {
	p := &parcel{id: x.ID, to: hostOf{x.Tenant, hostIn(x.Callback.URL)}}
	p.background = func(bool) {}
	if !x.NotBefore.IsZero() {
		p.due = d.clock() + min(max(x.NotBefore.Sub(d.now()), 0), lastRedelivery*2)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing || d.known[p.id] {
		return
	}
	d.known[p.id] = true
	d.put(p)
}

func hostIn(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// put queues a parcel. The lock is held.
func (d *deliverer) put(p *parcel) {
	if wait := p.due - d.clock(); wait > 0 {
		heap.Push(&d.delayed, p)
		if d.delayed[0] == p {
			d.timer.Reset(wait)
		}
		return
	}
	if d.busy[p.to] >= maxPostsPerHost {
		d.held[p.to] = append(d.held[p.to], p)
		return
	}
	d.busy[p.to]++
	d.queue.push(&p.waiter, p.to.tenant, p.to.host)
	p.parcel = p
	d.post()
}

// ripen queues what is due.
func (d *deliverer) ripen() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.delayed) > 0 && !d.closing {
		if wait := d.delayed[0].due - d.clock(); wait > 0 {
			d.timer.Reset(wait)
			return
		}
		p := heap.Pop(&d.delayed).(*parcel)
		p.due = 0
		d.put(p)
	}
}

// post begins what there is room for. The lock is held.
func (d *deliverer) post() {
	for d.posting < maxPosts && !d.closing && d.poster != nil {
		next := d.queue.first()
		if next == nil {
			return
		}
		w := next.next()
		d.queue.serve(w)
		d.posting++
		p := w.parcel
		d.group.Go(func() { d.carry(p) })
	}
}

// carry makes an attempt, and gives the parcel its next place if it needs one.
func (d *deliverer) carry(p *parcel) {
	again, wait := d.attempt(p)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.posting--
	if d.busy[p.to]--; d.busy[p.to] == 0 {
		delete(d.busy, p.to)
	}
	if held := d.held[p.to]; len(held) > 0 && d.busy[p.to] < maxPostsPerHost {
		if d.held[p.to] = held[1:]; len(held) == 1 {
			delete(d.held, p.to)
		}
		d.put(held[0])
	}
	if again && !d.closing {
		p.due = d.clock() + wait
		d.put(p)
	} else {
		delete(d.known, p.id)
	}
	d.post()
}

// attempt tries to deliver, and tells whether, and after what time, it is to be
// tried again.
func (d *deliverer) attempt(p *parcel) (again bool, wait time.Duration) {
	x, err := d.store.GetDelivery(p.to.tenant, p.id)
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		return false, 0
	}
	var post runtime.Post
	if err == nil {
		post, err = d.postOf(&x)
	}
	if err != nil {
		d.log.Error("engine: a callback cannot be made", "execution", p.id, "error", err)
		return true, lastRedelivery
	}
	status, err := d.poster.Post(d.ctx, post)
	if d.ctx.Err() != nil {
		return false, 0 // the next process tries it
	}
	if err == nil && status >= 200 && status < 300 {
		return d.kept(func() error { return d.store.DeleteDelivery(x.Tenant, x.ID) })
	}
	now := d.now().UTC()
	x.Attempts++
	x.LastAttempt, x.LastStatus, x.LastError = now, status, refusalOf(status, err)
	if x.Dead = x.Attempts > x.Callback.Retry; x.Dead {
		x.Body = post.Body
		d.log.Warn("engine: a callback was given up", "execution", x.ID, "job", x.JobID, "attempts", x.Attempts, "status", status)
		return d.kept(func() error { return d.store.SaveAttempt(x) })
	}
	wait = spread(doubled(x.Attempts, lastRedelivery))
	x.NotBefore = now.Add(wait)
	if again, pause := d.kept(func() error { return d.store.SaveAttempt(x) }); again {
		return true, max(pause, wait)
	}
	return true, wait
}

// kept keeps how an attempt ended. What the store does not take is tried again as a
// whole: at least once.
func (d *deliverer) kept(write func() error) (again bool, wait time.Duration) {
	if err := write(); err != nil {
		d.log.Error("engine: how a callback went cannot be kept", "error", err)
		return true, lastRedelivery
	}
	return false, 0
}

// refusalOf says why an attempt failed, to the job's owner.
func refusalOf(status int, err error) string {
	if known, ok := runtime.AsError(err); ok {
		return known.Message
	}
	if err != nil {
		return "the request did not come through"
	}
	return "the answer's status was " + strconv.Itoa(status)
}

// postOf makes the request of a delivery.
func (d *deliverer) postOf(x *runtime.Delivery) (runtime.Post, error) {
	job, err := d.store.GetJobExecutionByID(x.Tenant, x.JobExecution)
	switch {
	case err == nil && len(x.Body) == 0:
		tasks, err := jobResults(d.store, &job)
		if err != nil {
			return runtime.Post{}, err
		}
		x.Body = d.body(job, tasks)
	case runtime.CodeOf(err) != runtime.CodeNotFound && err != nil:
		return runtime.Post{}, err
	}
	trace := job.TraceID
	if trace == "" { // retention has dropped the execution
		trace = runtime.TraceOf(x.JobExecution)
	}
	timestamp := strconv.FormatInt(d.now().Unix(), 10)
	return runtime.Post{
		Tenant: x.Tenant, URL: x.Callback.URL, Body: x.Body,
		Header: map[string]string{
			"Idempotency-Key":     x.ID,
			"Traceparent":         "00-" + trace + "-" + runtime.RandomHex(8) + "-01",
			"X-Blaxel-Timestamp":  timestamp,
			"X-Blaxel-Signature":  "sha256=" + signature(x.Callback.Secret, x.Body),
			"X-Faaspot-Signature": "t=" + timestamp + ",v1=" + signature(x.Callback.Secret, []byte(timestamp+"."), x.Body),
		},
	}, nil
}

// signature is the HMAC-SHA256 (RFC 2104) of parts, in hex.
func signature(secret string, parts ...[]byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	for _, part := range parts {
		_, _ = mac.Write(part)
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// shut begins nothing any more.
func (d *deliverer) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closing = true
	d.timer.Stop()
}

// end returns when nothing is under way any more.
func (d *deliverer) end() { d.group.Wait() }
