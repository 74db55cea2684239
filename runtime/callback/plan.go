package callback

import (
	"container/heap"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/queue"
)

const (
	// maxPosts bounds the posts in progress, maxPostsPerTenant those of one tenant. Receivers that
	// are not known to be quick get at most half of either.
	maxPosts          = 32
	maxPostsPerTenant = 8
	// maxPostsPerReceiver bounds the posts of one tenant to one host and port, and to one resolved
	// address and port.
	maxPostsPerReceiver = 2
	// maxRenders bounds the bodies that are rendered at once.
	maxRenders = 2
	// quickPost is how long a post takes at most to a receiver that is quick.
	quickPost = time.Second
	// maxQuick bounds the receivers that are remembered as quick.
	maxQuick = 10_000
)

// receiver is what shares places: a host and port, or a resolved address and port, for one tenant.
type receiver struct {
	tenant  runtime.Tenant
	address string
}

// queuedCallback is the place of a delivery in the queue.
type queuedCallback struct {
	item    queue.Item[*queuedCallback]
	id      string
	job     string   // id
	to      receiver // the host of the URL, or the resolved address whose place it waits for
	due     time.Duration
	size    int  // bytes of the stored body; 0: there is none yet
	renders int  // failed attempts to render the body
	quick   bool // it uses a place of a receiver that is known to be quick

	resolved []receiver // addresses that its post connects to; each has a place
	refused  receiver   // the address that had no place for its post; zero: none
}

// plan holds the callbacks that wait. Its methods take no lock and start nothing; the Deliverer's
// mutex guards it.
type plan struct {
	known map[string]*queuedCallback // by id: queued or in progress
	usage map[runtime.Tenant]usage   // of the callbacks in known

	unrendered *queue.Fair[*queuedCallback] // have no body
	rendering  int

	quick, others *queue.Fair[*queuedCallback]              // may go now: to receivers known to be quick, and to others
	held          map[receiver]*queue.Fair[*queuedCallback] // wait for a place of their receiver
	busy          map[receiver]int                          // places in use: posts in progress, and callbacks in quick and others
	posting       places                                    // posts in progress
	byTenant      map[runtime.Tenant]places
	wasQuick      map[receiver]bool // receivers whose latest post was quick

	delayed delays
	closing bool // nothing starts; also before Start
	timer   *time.Timer
}

// usage is what the callbacks of a tenant take.
type usage struct {
	callbacks int
	bytes     int // of bodies
}

// places counts posts in progress.
type places struct{ all, others int }

func newPlan(timer *time.Timer) plan {
	return plan{
		known: make(map[string]*queuedCallback), usage: make(map[runtime.Tenant]usage),
		unrendered: queue.NewFair[*queuedCallback](), quick: queue.NewFair[*queuedCallback](), others: queue.NewFair[*queuedCallback](),
		held: make(map[receiver]*queue.Fair[*queuedCallback]), busy: make(map[receiver]int),
		byTenant: make(map[runtime.Tenant]places), wasQuick: make(map[receiver]bool),
		closing: true, timer: timer,
	}
}

// add makes a callback known and queues it.
func (p *plan) add(c *queuedCallback, clock time.Duration) {
	p.known[c.id] = c
	p.use(c, 1, c.size)
	p.put(c, clock)
}

// remove forgets a callback that is not queued any more.
func (p *plan) remove(c *queuedCallback) {
	delete(p.known, c.id)
	p.use(c, -1, -c.size)
}

func (p *plan) use(c *queuedCallback, callbacks, bytes int) {
	u := p.usage[c.to.tenant]
	u.callbacks += callbacks
	u.bytes += bytes
	if u.callbacks == 0 {
		delete(p.usage, c.to.tenant)
		return
	}
	p.usage[c.to.tenant] = u
}

// put queues a callback.
func (p *plan) put(c *queuedCallback, clock time.Duration) {
	if wait := c.due - clock; wait > 0 {
		heap.Push(&p.delayed, c)
		if p.delayed[0] == c {
			p.timer.Reset(wait)
		}
		return
	}
	if c.size == 0 {
		p.unrendered.Push(&c.item, c.to.tenant, "", c.job)
		return
	}
	if p.busy[c.to] >= maxPostsPerReceiver {
		held := p.held[c.to]
		if held == nil {
			held = queue.NewFair[*queuedCallback]()
			p.held[c.to] = held
		}
		held.Push(&c.item, c.to.tenant, "", c.job)
		return
	}
	p.busy[c.to]++
	c.quick = p.wasQuick[c.to]
	if c.quick {
		p.quick.Push(&c.item, c.to.tenant, "", c.job)
	} else {
		p.others.Push(&c.item, c.to.tenant, "", c.job)
	}
}

// queueDue queues the callbacks whose time has come, and sets the timer for the next one.
func (p *plan) queueDue(clock time.Duration) {
	for len(p.delayed) > 0 && !p.closing {
		if wait := p.delayed[0].due - clock; wait > 0 {
			p.timer.Reset(wait)
			return
		}
		c := heap.Pop(&p.delayed).(*queuedCallback)
		c.due = 0
		p.put(c, clock)
	}
}

// chooseRenders returns the callbacks whose bodies to render now and counts them as in progress.
func (p *plan) chooseRenders() (chosen []*queuedCallback) {
	for p.rendering < maxRenders && !p.closing {
		next := p.unrendered.First()
		if next == nil {
			break
		}
		it := next.Next()
		p.unrendered.Serve(it)
		p.rendering++
		chosen = append(chosen, it.Value)
	}
	return chosen
}

// choosePosts returns the callbacks to post now and counts them as in progress. Those to other than
// quick receivers go first: they take at most half of the places, so quick receivers have the rest,
// and cannot keep the others waiting.
func (p *plan) choosePosts() (chosen []*queuedCallback) {
	for p.posting.all < maxPosts && !p.closing {
		var it *queue.Item[*queuedCallback]
		if p.posting.others < maxPosts/2 {
			it = serve(p.others, func(tenant runtime.Tenant) bool {
				n := p.byTenant[tenant]
				return n.all < maxPostsPerTenant && n.others < maxPostsPerTenant/2
			})
		}
		if it == nil {
			it = serve(p.quick, func(tenant runtime.Tenant) bool { return p.byTenant[tenant].all < maxPostsPerTenant })
		}
		if it == nil {
			break
		}
		p.count(it.Value, 1)
		chosen = append(chosen, it.Value)
	}
	return chosen
}

// serve removes and returns the next item of the first tenant in turn that may have a place; nil:
// there is none.
func serve(q *queue.Fair[*queuedCallback], may func(runtime.Tenant) bool) *queue.Item[*queuedCallback] {
	for t := q.First(); t != nil; t = t.After() {
		if it := t.Next(); may(it.Value.to.tenant) {
			q.Serve(it)
			return it
		}
	}
	return nil
}

// count adds n to the posts in progress of the kind of a callback's.
func (p *plan) count(c *queuedCallback, n int) {
	of := p.byTenant[c.to.tenant]
	of.all += n
	p.posting.all += n
	if !c.quick {
		of.others += n
		p.posting.others += n
	}
	p.byTenant[c.to.tenant] = of
	if of.all == 0 {
		delete(p.byTenant, c.to.tenant)
	}
}

// admit reports whether a post in progress may connect to a resolved address, and takes a place of
// that address.
func (p *plan) admit(c *queuedCallback, address string) bool {
	at := receiver{c.to.tenant, address}
	if at == c.to {
		return true // it has a place of it
	}
	for _, mine := range c.resolved {
		if mine == at {
			return true
		}
	}
	if p.busy[at] >= maxPostsPerReceiver {
		c.refused = at
		return false
	}
	p.busy[at]++
	c.resolved = append(c.resolved, at)
	return true
}

// posted counts an attempt as ended, remembers whether its receiver was quick, and lets the next
// callbacks to it proceed.
func (p *plan) posted(c *queuedCallback, took, clock time.Duration) {
	p.count(c, -1)
	done := append(c.resolved, c.to)
	c.resolved = nil
	for _, at := range done {
		if p.busy[at]--; p.busy[at] <= 0 {
			delete(p.busy, at)
		}
		p.remember(at, took <= quickPost)
	}
	for _, at := range done {
		p.proceed(at, clock)
	}
}

func (p *plan) remember(at receiver, quick bool) {
	if !quick {
		delete(p.wasQuick, at)
		return
	}
	if len(p.wasQuick) >= maxQuick {
		clear(p.wasQuick)
	}
	p.wasQuick[at] = true
}

// proceed queues held callbacks for the free places of a receiver.
func (p *plan) proceed(at receiver, clock time.Duration) {
	held := p.held[at]
	for held != nil && p.busy[at] < maxPostsPerReceiver {
		next := held.First()
		if next == nil {
			delete(p.held, at)
			return
		}
		it := next.Next()
		held.Serve(it)
		p.put(it.Value, clock)
	}
	if held != nil && held.Len() == 0 {
		delete(p.held, at)
	}
}

func (p *plan) close() {
	p.closing = true
	p.timer.Stop()
}

// delays is a heap of callbacks, ordered by the time at which they are due.
type delays []*queuedCallback

func (d delays) Len() int           { return len(d) }
func (d delays) Less(i, j int) bool { return d[i].due < d[j].due }
func (d delays) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *delays) Push(c any)        { *d = append(*d, c.(*queuedCallback)) }

func (d *delays) Pop() any {
	last := len(*d) - 1
	c := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return c
}
