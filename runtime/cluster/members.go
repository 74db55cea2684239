package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// members are the nodes that have announced themselves.
type members struct {
	self, address string
	generation    uint64 // of the log; 0: any
	log           *slog.Logger

	moved chan struct{} // has one element if a node has given up the shard

	mu  sync.Mutex
	all map[string]member
	// remembered is since when nodes count that this process has not heard, by their names.
	remembered map[string]time.Time
	left       time.Time     // when a node has given up the shard last
	turned     chan struct{} // is closed, and replaced, when a node owns or serves the shard, leaves it or has given it up, or does so no more
	warned     time.Time     // that another node has the same name
}

// member is the last announcement of a node.
type member struct {
	Status
	heard time.Time
}

func newMembers(o Options) *members {
	return &members{
		self: o.Name, address: o.Address, generation: o.Generation, log: o.Log, moved: make(chan struct{}, 1), turned: make(chan struct{}),
		all: make(map[string]member), remembered: make(map[string]time.Time),
	}
}

// hear remembers an announcement. It ignores what is none.
func (m *members) hear(message []byte) {
	var s Status
	if len(message) > maxMessage || json.Unmarshal(message, &s) != nil || s.Node == "" {
		return
	}
	if m.generation > 0 && s.Generation != m.generation { // what it says is about another log
		return
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.Node == m.self {
		if s.Address != m.address && now.Sub(m.warned) > warnTime {
			m.warned = now
			m.log.Error("another node has the name of this one", "node", m.self, "address", s.Address, "hint", "give each node a name of its own with --node")
		}
		return
	}
	before, known := m.all[s.Node]
	if !known && len(m.all) >= maxMembers && !m.forget(now) {
		return
	}
	if s.Released > before.Released {
		if known { // else it may have done so long ago
			m.left = now
		}
		select {
		case m.moved <- struct{}{}:
		default:
		}
	}
	m.all[s.Node] = member{s, now}
	delete(m.remembered, s.Node)
	if s.Owns != before.Owns || s.Ready != before.Ready || s.Leaves != before.Leaves || s.Released != before.Released {
		m.wake()
	}
}

// wake wakes those that wait for the next owner. It is called with mu held.
func (m *members) wake() {
	close(m.turned)
	m.turned = make(chan struct{})
}

// forget drops the nodes that are silent, and reports whether there was one.
func (m *members) forget(now time.Time) bool {
	before := len(m.all)
	for name, one := range m.all {
		if now.Sub(one.heard) > memberTime {
			delete(m.all, name)
		}
	}
	return len(m.all) < before
}

// since returns the other nodes that have announced themselves within a time, in the order of their names.
func (m *members) since(age time.Duration) (all []member) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range m.all {
		if now.Sub(one.heard) <= age {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b member) int { return cmp.Compare(a.Node, b.Node) })
	return all
}

// live returns the other nodes that have announced themselves lately, in the order of their names.
func (m *members) live() (all []Status) {
	for _, one := range m.since(memberTime) {
		all = append(all, one.Status)
	}
	return all
}

// find returns the last announcement of a node, however old it is.
func (m *members) find(name string) (Status, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	one, ok := m.all[name]
	return one.Status, ok
}

// able returns the other nodes that have data, and can become the owner.
func (m *members) able() []Status {
	return slices.DeleteFunc(m.live(), func(s Status) bool { return s.Drained || s.Keyless || s.Applied == 0 })
}

// rank returns the number of live nodes that may become the owner and whose names come before the own one.
func (m *members) rank() (n int) {
	for _, one := range m.live() {
		if !one.Drained && !one.Keyless && one.Node < m.self {
			n++
		}
	}
	return n
}

// announce sends the status of the node to the others until ctx ends, and whenever changed receives.
func (n *Node) announce(ctx context.Context) {
	ticker := time.NewTicker(announceTime)
	defer ticker.Stop()
	for {
		n.publish()
		select {
		case <-ticker.C:
		case <-n.changed:
		case <-ctx.Done():
			return
		}
	}
}

// Hear returns the nodes that announce themselves on a bus until ctx ends, in the order of their names.
func Hear(ctx context.Context, bus Bus, log *slog.Logger) ([]Status, error) {
	m := newMembers(Options{Log: log})
	err := bus.Subscribe(ctx, m.hear)
	if ctx.Err() != nil {
		err = nil
	}
	return m.live(), err
}

// publish sends the status of the node to the others. The last status is the last that is sent.
func (n *Node) publish() {
	n.publishing <- struct{}{}
	defer func() { <-n.publishing }()
	message, err := json.Marshal(n.Status())
	if err == nil {
		err = n.Bus.Publish(message)
	}
	if err != nil {
		n.Log.Debug("cannot announce the node to the others", "error", err)
	}
}

// subscribe remembers the announcements of the others until ctx ends.
func (n *Node) subscribe(ctx context.Context) {
	for ctx.Err() == nil {
		if err := n.Bus.Subscribe(ctx, n.members.hear); err != nil && ctx.Err() == nil {
			n.Log.Warn("cannot hear the other nodes", "error", err)
		}
		select {
		case <-time.After(announceTime):
		case <-ctx.Done():
		}
	}
}
