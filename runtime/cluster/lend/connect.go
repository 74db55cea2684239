package lend

import (
	"context"
	"errors"
	"maps"
	"math"
	"sync"
	"syscall"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
)

// attend keeps a connection to the node until ctx ends, or the node is not there any more.
func (m *member) attend(ctx context.Context) {
	b := m.borrower
	asked := sync.OnceFunc(func() { close(m.asked) })
	defer asked()
	down, absences := time.Now(), 0
	for {
		began := time.Now()
		served, err := m.session(ctx, asked)
		if errors.Is(err, syscall.ECONNREFUSED) { // nothing listens there
			if absences++; absences == 2 {
				asked()
			}
		}
		if served {
			down = time.Now()
		}
		if err != nil && ctx.Err() == nil && (served || time.Since(began) > redialTime) {
			b.Log.Debug("the connection to a node that lends places has ended", "node", m.Name, "reason", err)
		}
		gone := ctx.Err() != nil || time.Since(down) >= lossTime
		b.mu.Lock()
		if gone {
			m.loseAll()
		}
		if leaves := gone && !m.listed && len(m.ends) == 0; leaves || ctx.Err() != nil {
			delete(b.members, m.Name)
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		pause := redialTime
		if gone {
			pause = membersTime
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// loseAll gives up all runs on the node. It is called with mu held.
func (m *member) loseAll() {
	if n := len(m.runs) + len(m.offers); n > 0 {
		m.borrower.Log.Warn("a node that ran functions for this one cannot be reached: its runs count as lost", "node", m.Name, "runs", n)
	}
	for _, r := range m.runs {
		m.lose(r)
	}
	clear(m.offers)
	m.orders, m.calls = order{}, nil
}

// lose ends a run that the node has not, or of which it is not known. It is called with mu held.
func (m *member) lose(r *borrowed) {
	if r.sent {
		m.end(r, runtime.Outcome{}, m.lost())
	} else {
		m.end(r, runtime.Outcome{}, m.unused())
	}
}

// session is one connection to the node. served says that the node has accepted it, and asked is called when it has said what it has
// run before.
func (m *member) session(ctx context.Context, asked func()) (served bool, err error) {
	b := m.borrower
	b.mu.Lock()
	to, epoch := m.Member, b.epoch
	b.mu.Unlock()
	dialing, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := b.Dial(dialing, to)
	if err != nil {
		return false, err
	}
	open, end := context.WithCancel(ctx)
	closed := sync.OnceFunc(func() {
		end()
		_ = conn.Close()
	})
	defer closed()
	defer context.AfterFunc(ctx, closed)()
	b.mu.Lock()
	m.reached = true
	b.mu.Unlock()
	paced := &pacedConn{Conn: conn, limit: helloTime}
	link := mesh.NewLink(paced)
	size := &meter{intake: b.intake, ctx: open, most: maxOffer, urgent: true} // the node gives up its runs if its offer waits too long
	defer size.end()
	link.OnMessage(size.begin)
	if err := link.Send(hello{Owner: b.Node, Epoch: epoch}, helloTime); err != nil {
		return false, err
	}
	var o offer
	if err := link.Receive(&o, helloTime); err != nil {
		return false, err
	}
	paced.limit = silenceTime
	if o.Refused != "" {
		asked()
		return false, errors.New(o.Refused)
	}
	m.connect(&o)
	size.handled()
	size.most, size.urgent = math.MaxInt64, false
	asked()
	defer m.disconnect()
	ended := make(chan struct{})
	var writing sync.WaitGroup
	defer writing.Wait()
	defer close(ended)
	defer closed()
	writing.Go(func() {
		defer closed()
		m.write(link, ended)
	})
	for {
		var r report
		if err := link.Receive(&r, silenceTime); err != nil {
			return true, err
		}
		if err := m.receive(&r, size); err != nil {
			return true, err
		}
		size.handled()
	}
}

// connect notes what the node has run before: what the owner still waits for, and what it has lost.
func (m *member) connect(o *offer) {
	b := m.borrower
	b.mu.Lock()
	defer b.mu.Unlock()
	m.orders, m.calls = order{}, nil
	m.stops, m.wanted = false, 0
	clear(m.asking)
	late := 0
	has := make(map[key]bool, len(o.Runs))
	for _, one := range o.Runs {
		has[one.Key], one.Bytes = true, max(one.Bytes, 0)
		_, known := m.offers[one.Key]
		_, ended := m.ends[one.Key]
		switch r := m.runs[one.Key]; {
		case r != nil:
			m.orders.Takes = append(m.orders.Takes, take{Key: r.key, From: r.received})
			if r.cancelled {
				m.orders.Cancels = append(m.orders.Cancels, r.key)
			}
		case known, ended:
		case b.collecting:
			m.offers[one.Key] = one
		case b.leaving:
			m.orders.Leaves = append(m.orders.Leaves, one.Key)
		default:
			late++
			m.orders.Drops = append(m.orders.Drops, one.Key)
		}
	}
	if first := m.server == ""; first && late > 0 {
		b.Log.Warn("a node has answered too late what it has run for a former owner: that is cancelled, and begins again", "node", m.Name, "runs", late)
	}
	for k, r := range m.runs {
		if !has[k] {
			r.sent = r.sent && (o.Server != r.server || r.server == "") // else it has not arrived
			m.lose(r)
		}
	}
	if o.Server != m.server { // else the node has not begun those that it has forgotten
		maps.DeleteFunc(m.offers, func(k key, _ offered) bool { return !has[k] })
	}
	m.server = o.Server
	m.connected = true
	m.send()
}

func (m *member) disconnect() {
	m.borrower.mu.Lock()
	defer m.borrower.mu.Unlock()
	m.connected, m.granted = false, grant{}
}
