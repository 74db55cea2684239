package callback

import (
	"container/heap"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/queue"
)

// hostKey is the unit that shares the places for deliveries: a host, for one tenant.
type hostKey struct {
	tenant runtime.Tenant
	host   string
}

// queuedCallback is the place of a delivery in the queue.
type queuedCallback struct {
	item queue.Item[*queuedCallback]
	id   string
	to   hostKey
	due  time.Duration // on the Deliverer's clock
}

// plan holds the callbacks that wait. Its methods take no lock and start nothing; the Deliverer's
// mutex guards it.
type plan struct {
	known   map[string]bool               // ids that are queued or in progress
	queue   *queue.Fair[*queuedCallback]  // may go now
	held    map[hostKey][]*queuedCallback // wait for a place of their host
	busy    map[hostKey]int               // callbacks of a host in queue or in progress
	delayed delays
	posting int
	closing bool // nothing starts; also before Start
	timer   *time.Timer
}

func newPlan(timer *time.Timer) plan {
	return plan{
		known: make(map[string]bool), queue: queue.NewFair[*queuedCallback](),
		held: make(map[hostKey][]*queuedCallback), busy: make(map[hostKey]int),
		closing: true, timer: timer,
	}
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
	if p.busy[c.to] >= maxPostsPerHost {
		p.held[c.to] = append(p.held[c.to], c)
		return
	}
	p.busy[c.to]++
	p.queue.Push(&c.item, c.to.tenant, c.to.host)
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

// choose returns the callbacks to post now and counts them as in progress.
func (p *plan) choose(canPost bool) (chosen []*queuedCallback) {
	for p.posting < maxPosts && !p.closing && canPost {
		next := p.queue.First()
		if next == nil {
			break
		}
		it := next.Next()
		p.queue.Serve(it)
		p.posting++
		chosen = append(chosen, it.Value)
	}
	return chosen
}

// posted counts an attempt as ended and lets the next callback to its host proceed.
func (p *plan) posted(c *queuedCallback, clock time.Duration) {
	p.posting--
	if p.busy[c.to]--; p.busy[c.to] == 0 {
		delete(p.busy, c.to)
	}
	if held := p.held[c.to]; len(held) > 0 && p.busy[c.to] < maxPostsPerHost {
		if p.held[c.to] = held[1:]; len(held) == 1 {
			delete(p.held, c.to)
		}
		p.put(held[0], clock)
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
