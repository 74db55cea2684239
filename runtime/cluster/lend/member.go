package lend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
)

// cancelTime bounds how long a node may take to end a run that is cancelled.
const cancelTime = 10 * time.Second

// member is a node that may lend places. The mutex of its Borrower guards what follows wake.
type member struct {
	borrower *Borrower
	asked    chan struct{} // closed when the node has said what it has run before, or that it lends nothing, or has no process
	wake     chan struct{} // has one element if there is something to send

	Member
	listed    bool // it is a node of the cluster at present
	reached   bool // there was a connection
	connected bool
	server    string            // the name of the Server, of the last connection
	stops     bool              // the node begins nothing more
	runs      map[key]*borrowed // that the owner waits for
	offers    map[key]offered   // that the node has begun before, and nobody waits for
	ends      map[key]struct{}  // runs whose ends are here, and not recorded yet
	granted   grant
	until     time.Time               // when the grant ends
	refused   time.Time               // when the node did not begin a run, and would not begin another one
	unfit     map[runtime.Tenant]bool // those of which the node has not begun a run a moment ago
	used      grant
	tenants   map[runtime.Tenant]int // runs of each

	calls    []*call
	orders   order // what else is to be sent
	question uint64
	asking   map[uint64]time.Time // when questions were asked that are not answered
	last     time.Time            // when the last one was asked
	wanted   int64                // the least bytes for which there was no room since a place was taken; 0: nothing wants room
	patience time.Duration        // after which that is asked for
	timer    *time.Timer          // for that; nil: it is not running
}

// borrowed is a run on another node.
type borrowed struct {
	key       key
	tenant    runtime.Tenant
	server    string // the name of the Server that it was sent to
	logs      *runtime.LogBuffer
	received  int  // bytes of output
	sent      bool // the node may have begun it
	cancelled bool
	done      chan struct{} // closed at the end
	outcome   runtime.Outcome
	err       error
	held      share // of the intake, for the result
}

func newMember(b *Borrower, one Member) *member {
	return &member{
		borrower: b, Member: one, asked: make(chan struct{}), wake: make(chan struct{}, 1), runs: make(map[key]*borrowed), offers: make(map[key]offered),
		ends: make(map[key]struct{}), unfit: make(map[runtime.Tenant]bool), tenants: make(map[runtime.Tenant]int), asking: make(map[uint64]time.Time),
	}
}

// awaitOffers waits until it is known what the node has run before, or ctx ends.
func (m *member) awaitOffers(ctx context.Context) {
	select {
	case <-m.asked:
	case <-ctx.Done():
	}
}

// The methods room, take, send and end are called with mu held.

// room returns how many runs of a size fit into what is granted.
func (m *member) room(now time.Time, bytes int64) int {
	if !m.connected || m.stops || now.After(m.until) || now.Sub(m.refused) < refusalTime {
		return 0
	}
	n := m.granted.Runs - m.used.Runs
	if bytes > 0 {
		n = min(n, int((m.granted.Bytes-m.used.Bytes)/bytes))
	}
	return n
}

// takes reports whether the node may get a run of a tenant that may have share runs there.
func (m *member) takes(tenant runtime.Tenant, share int) bool {
	return (share == 0 || m.tenants[tenant] < share) && !m.unfit[tenant]
}

// want asks soon whether there is room for a run of a size: one that waits there holds less than it was granted, which its node
// lends again.
func (m *member) want(bytes int64) {
	if !m.connected || m.stops {
		return
	}
	if bytes = max(bytes, 1); m.wanted == 0 || bytes < m.wanted {
		m.wanted, m.patience = bytes, soonTime
		m.send()
	}
}

// asksSoon reports whether it is time to ask for what is wanted, or lets the writer look again when it is.
func (m *member) asksSoon(now time.Time) bool {
	if m.wanted == 0 || len(m.asking) > 0 {
		return false
	}
	left := m.patience - now.Sub(m.last)
	if left > 0 && m.timer == nil {
		m.timer = time.AfterFunc(left, func() {
			m.borrower.mu.Lock()
			defer m.borrower.mu.Unlock()
			m.timer = nil
			m.send()
		})
	}
	return left <= 0
}

// answered notes an answer to a question of some time, and reports whether a place may be free: if the node has granted nothing before, also
// if there is no room for what is wanted, which may not wait any more, while others do.
func (m *member) answered(sent time.Time, g grant) bool {
	now := time.Now()
	closed := m.granted.Runs == 0 || now.After(m.until)
	m.granted, m.until = g, sent.Add(grantTime)
	if m.wanted == 0 {
		return g.Runs > m.used.Runs
	}
	if m.room(now, m.wanted) <= 0 {
		m.patience = min(2*m.patience, askTime)
		m.send()
		return closed && g.Runs > m.used.Runs
	}
	m.wanted = 0
	return true
}

// take counts a place that is taken.
func (m *member) take(tenant runtime.Tenant, bytes int64) {
	m.wanted = 0
	m.used.Runs++
	m.used.Bytes += bytes
	m.tenants[tenant]++
}

// release gives a place back, and what the node has begun there before if nobody waits for it.
func (m *member) release(p *place) {
	m.borrower.mu.Lock()
	defer m.borrower.mu.Unlock()
	m.used.Runs--
	m.used.Bytes -= p.bytes
	if m.tenants[p.tenant]--; m.tenants[p.tenant] == 0 {
		delete(m.tenants, p.tenant)
	}
	if p.began == nil {
		return
	}
	if _, ok := m.offers[*p.began]; ok && !m.borrower.leaving {
		delete(m.offers, *p.began)
		m.orders.Drops = append(m.orders.Drops, *p.began)
		m.send()
	}
}

// send lets the writer look for something to send.
func (m *member) send() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// end ends a run.
func (m *member) end(r *borrowed, o runtime.Outcome, err error) {
	delete(m.runs, r.key)
	r.outcome, r.err = o, err
	close(r.done)
}

// lost returns the error of a run of which it is not known what has become of it.
func (m *member) lost() error { return fmt.Errorf("the node %s: %w", m.Name, runtime.ErrPlaceLost) }

// unused returns the error of a run that the node has not begun.
func (m *member) unused() error { return fmt.Errorf("the node %s: %w", m.Name, runtime.ErrPlaceUnused) }

// begin begins a run, or waits for one that the node has begun before.
func (m *member) begin(p *place, c *runtime.RunCall) (*borrowed, error) {
	r := &borrowed{tenant: p.tenant, logs: c.Logs, done: make(chan struct{})}
	limits := c.Limits
	if limits == (runtime.Limits{}) {
		limits = c.Program.Limits
	}
	limit := limits.WithDefaults().Logs
	if r.logs == nil {
		r.logs = runtime.NewLogBuffer(limit)
	}
	m.borrower.mu.Lock()
	defer m.borrower.mu.Unlock()
	if p.began != nil {
		r.key = *p.began
		if _, ok := m.offers[r.key]; !ok {
			return nil, m.lost()
		}
		delete(m.offers, r.key)
		m.runs[r.key], r.sent, r.server = r, true, m.server
		m.orders.Takes = append(m.orders.Takes, take{Key: r.key})
		m.send()
		return r, nil
	}
	r.key = key{c.Info.Execution, c.Info.Attempt}
	if !m.connected || m.stops || m.runs[r.key] != nil {
		return nil, m.unused()
	}
	m.runs[r.key] = r
	m.calls = append(m.calls, &call{
		Tenant: c.Program.Tenant, FunctionID: c.Program.FunctionID, Version: c.Program.Version, Info: c.Info, Args: c.Args, Env: c.Env, Limits: c.Limits,
		Pinned: c.Pinned, Bytes: p.bytes, LogLimit: limit,
	})
	m.send()
	return r, nil
}

// recorded lets the node forget the end of a run.
func (m *member) recorded(k key) {
	m.borrower.mu.Lock()
	defer m.borrower.mu.Unlock()
	if _, ok := m.ends[k]; ok {
		delete(m.ends, k)
		m.orders.Acks = append(m.orders.Acks, k)
		m.orders.Drops = append(m.orders.Drops, k) // a node of the former release forgets an end that it has offered for this alone
		m.send()
	}
}

// leave leaves a run to the next owner: the node keeps its end.
func (m *member) leave(r *borrowed) {
	m.borrower.mu.Lock()
	defer m.borrower.mu.Unlock()
	if m.runs[r.key] != r {
		return
	}
	if r.sent {
		m.orders.Leaves = append(m.orders.Leaves, r.key)
		m.send()
	}
	m.lose(r)
}

// abandon cancels a run, and waits until it has ended, for a while.
func (m *member) abandon(r *borrowed) {
	mu := &m.borrower.mu
	mu.Lock()
	switch {
	case m.runs[r.key] != r: // it has ended
	case !r.sent:
		m.end(r, runtime.Outcome{}, m.unused())
	default:
		r.cancelled = true
		m.orders.Cancels = append(m.orders.Cancels, r.key)
		m.send()
	}
	mu.Unlock()
	timer := time.NewTimer(cancelTime)
	defer timer.Stop()
	select {
	case <-r.done:
		return
	case <-timer.C:
	}
	mu.Lock()
	defer mu.Unlock()
	if m.runs[r.key] == r {
		m.end(r, runtime.Outcome{}, m.lost())
	}
}

// write sends messages until the connection fails or ends.
func (m *member) write(link *mesh.Link, ended <-chan struct{}) {
	ticker := time.NewTicker(askTime)
	defer ticker.Stop()
	asks := true
	for {
		o, bytes := m.next(asks)
		asks = false
		if o == nil {
			select {
			case <-m.wake:
			case <-ticker.C:
				asks = true
			case <-ended:
				return
			}
			continue
		}
		account := m.borrower.account
		account.Add(bytes)
		err := link.Send(o, silenceTime)
		account.Give(bytes)
		if err != nil {
			return
		}
		select {
		case <-ticker.C:
			asks = true
		default:
		}
	}
}

// next returns the next message, nil if there is nothing to send, and its size in bytes, about.
func (m *member) next(asks bool) (o *order, bytes int64) {
	m.borrower.mu.Lock()
	defer m.borrower.mu.Unlock()
	o = new(order)
	*o, m.orders = m.orders, order{}
	for len(m.calls) > 0 && bytes < messageBytes && len(o.Calls) < messageParts {
		c := m.calls[0]
		m.calls[0] = nil // its args may not be held any more while others are added
		m.calls = m.calls[1:]
		if r := m.runs[c.key()]; r != nil {
			r.sent, r.server = true, m.server
			o.Calls = append(o.Calls, *c)
			bytes += c.size()
		}
	}
	if len(m.calls) > 0 {
		m.send()
	}
	if now := time.Now(); asks || m.asksSoon(now) {
		m.question++
		o.Asks = m.question
		m.asking[o.Asks], m.last = now, now
	}
	if o.Asks == 0 && !o.Noted && len(o.Calls)+len(o.Takes)+len(o.Cancels)+len(o.Acks)+len(o.Drops)+len(o.Leaves) == 0 {
		return nil, 0
	}
	return o, bytes
}

// errMalformed ends a connection on which output came that is none.
var errMalformed = errors.New("malformed output of a run")

// receive does what a message of the node says, which a meter counts. It fails before that if the message is malformed.
func (m *member) receive(r *report, size *meter) error {
	for i := range r.Logs {
		if !valid(&r.Logs[i].Logs) {
			return errMalformed
		}
	}
	for i := range r.Ends {
		if !valid(&r.Ends[i].Outcome.Logs) {
			return errMalformed
		}
	}
	m.output(r.Logs)
	if m.note(r, size) {
		m.borrower.freed()
	}
	return nil
}

// output adds output to that of the runs which have written it.
func (m *member) output(all []output) {
	runs := make([]*borrowed, len(all))
	m.borrower.mu.Lock()
	for i := range all {
		if runs[i] = m.runs[all[i].Key]; runs[i] != nil {
			runs[i].received += len(all[i].Logs.Data)
		}
	}
	m.borrower.mu.Unlock()
	for i, r := range runs {
		if r != nil {
			r.logs.AppendAll(all[i].Logs)
		}
	}
}

// note notes what a message says beside output, and reports whether the node grants a place that is free.
func (m *member) note(r *report, size *meter) (free bool) {
	b := m.borrower
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range r.Ends {
		e := &r.Ends[i]
		run, err := m.runs[e.Key], e.Fault.error()
		switch {
		case errors.Is(err, runtime.ErrPlaceUnused):
			m.pause(run, errors.Is(err, runtime.ErrPlaceUnfit))
		case run != nil:
			m.ends[e.Key] = struct{}{}
			run.held = size.part(int64(len(e.Outcome.Result)))
		case !b.leaving: // it was given up
			m.orders.Acks = append(m.orders.Acks, e.Key)
		}
		switch {
		case run == nil:
		case errors.Is(err, runtime.ErrPlaceLost), errors.Is(err, runtime.ErrPlaceUnused):
			m.end(run, runtime.Outcome{}, fmt.Errorf("the node %s: %w", m.Name, err))
		default:
			m.end(run, e.Outcome, err)
		}
	}
	if sent, ok := m.asking[r.Answers]; ok {
		maps.DeleteFunc(m.asking, func(question uint64, _ time.Time) bool { return question <= r.Answers })
		free = m.answered(sent, r.Grant)
	}
	if r.Stops && !m.stops {
		m.stops, m.granted, m.orders.Noted = true, grant{}, true
		for _, c := range m.calls { // which are not sent
			if run := m.runs[c.key()]; run != nil && !run.sent {
				m.end(run, runtime.Outcome{}, m.unused())
			}
		}
		m.calls = nil
		m.send()
	}
	if len(m.orders.Acks) > 0 {
		m.send()
	}
	return free
}

// pause gives the node no runs for a moment after it has not begun one. If that was unfit, it gives none of its tenant; if the owner has
// cancelled the run, this says nothing about the node.
func (m *member) pause(run *borrowed, unfit bool) {
	b := m.borrower
	switch {
	case run == nil || run.cancelled:
	case !unfit:
		m.refused = time.Now()
		time.AfterFunc(refusalTime, b.freed)
	case !m.unfit[run.tenant]:
		m.unfit[run.tenant] = true
		time.AfterFunc(unfitTime, func() {
			b.mu.Lock()
			delete(m.unfit, run.tenant)
			b.mu.Unlock()
			b.freed()
		})
	}
}
