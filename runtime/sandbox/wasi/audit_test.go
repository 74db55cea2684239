package wasi

import "fmt"

// check verifies all counters of the System.
func (r *rig) check() {
	r.t.Helper()
	if err := r.sys.audit(r.kept); err != nil {
		r.t.Fatal(err)
	}
	if r.sys.charged != r.control.charged {
		r.t.Fatalf("the System counts %d charged bytes, the Control %d", r.sys.charged, r.control.charged)
	}
}

// reset starts a run.
func (r *rig) reset(state *State) {
	r.sys.Reset(state, Limits{})
	r.kept = 0
}

// capture returns a State; the run continues.
func (r *rig) capture() *State {
	state := r.sys.Capture()
	if state != nil {
		r.kept = r.sys.charged - r.sys.buffers()
	}
	return state
}

// buffers returns the bytes that are charged for pairs of sockets, for buffers that have grown, and for
// TLS engines.
func (s *System) buffers() (bytes int64) {
	for _, d := range s.opened {
		if d.socket == nil {
			continue
		}
		if d.socket.pair {
			bytes += int64(len(d.socket.ends)) * pairBuffer
		}
		for _, e := range d.socket.ends {
			bytes += e.grown
		}
	}
	bytes += s.tls.charged
	for _, t := range s.tls.conns {
		bytes += t.charged
	}
	return bytes
}

// audit recounts everything that the System counts. Of the charged bytes, kept belong to States.
func (s *System) audit(kept int64) error {
	connections := 0
	for _, d := range s.opened {
		if (d.kind == kindSocket) != (d.socket != nil) {
			return fmt.Errorf("a description of kind %d has the socket %v", d.kind, d.socket)
		}
		if k := d.socket; k != nil {
			connections += len(k.ends)
			if k.dial != nil || k.lookup != nil {
				connections++
			}
			if (k.state == socketLookup) != (k.lookup != nil) || (k.state == socketDialing) != (k.dial != nil || len(k.ends) == 1 && k.ends[0].connecting != nil) || k.state == socketConnected && len(k.ends) != 1 || k.want != 0 {
				return fmt.Errorf("a socket in state %d has %d ends and the dial %v", k.state, len(k.ends), k.dial)
			}
		}
	}
	if connections != s.connections {
		return fmt.Errorf("%d connections are counted, of %d", s.connections, connections)
	}
	charged, size := s.buffers(), int64(0)
	files := -1 // /tmp itself does not count
	names := map[uint32]int{0: 1}
	isFree := map[uint32]bool{}
	for _, slot := range s.tmp.free {
		if isFree[slot] || s.tmp.nodes[slot] != nil {
			return fmt.Errorf("slot %d is free twice, or not at all", slot)
		}
		isFree[slot] = true
	}
	for slot, n := range s.tmp.nodes {
		if n == nil {
			if !isFree[uint32(slot)] {
				return fmt.Errorf("slot %d is lost", slot)
			}
			continue
		}
		files += max(n.links, 1)
		size += n.size
		if n.links == 0 && !s.isOpen(uint32(slot)) {
			return fmt.Errorf("slot %d is neither linked nor open", slot)
		}
		for e := range n.entries.entries() {
			names[e.slot]++
			if c := s.tmp.nodes[e.slot]; c == nil || c.links == 0 || c.isDir && c.parent != uint32(slot) {
				return fmt.Errorf("slot %d: entry %q is wrong", slot, e.name)
			}
			if i, ok := n.entries.find([]byte(e.name)); !ok || n.entries.list[i].name != e.name {
				return fmt.Errorf("slot %d: entry %q is not found", slot, e.name)
			}
		}
		if s.token == nil || n.owner != s.token {
			continue
		}
		cost := n.cost()
		for _, b := range n.blocks {
			if b.owner == s.token {
				cost += int64(cap(b.data))
			}
		}
		if cost != n.charged {
			return fmt.Errorf("slot %d costs %d, charged are %d", slot, cost, n.charged)
		}
		charged += cost
	}
	for slot, n := range s.tmp.nodes {
		if n != nil && n.links != names[uint32(slot)] {
			return fmt.Errorf("slot %d has %d names, counted %d", slot, names[uint32(slot)], n.links)
		}
	}
	refs := make([]uint32, len(s.opened))
	for _, d := range s.table {
		if d != 0 {
			refs[d-1]++
		}
	}
	for i, d := range s.opened {
		if d.refs != refs[i] {
			return fmt.Errorf("description %d has %d descriptors, counted %d", i, refs[i], d.refs)
		}
	}
	switch {
	case files != s.tmp.files:
		return fmt.Errorf("%d files, counted %d", files, s.tmp.files)
	case size != s.tmp.bytes:
		return fmt.Errorf("%d bytes, counted %d", size, s.tmp.bytes)
	case charged+kept != s.charged:
		return fmt.Errorf("%d+%d bytes of memory, charged %d", charged, kept, s.charged)
	}
	return nil
}
