package engine

// cancel stops the attempt of an execution, if there is one.
func (d *dispatcher) cancel(id string) {
	d.mu.Lock()
	a := d.active[id]
	if a == nil {
		d.mu.Unlock()
		return
	}
	a.cancelled = true
	d.mu.Unlock()
	a.cancel()
	d.withdraw(a)
}

// idle tells whether nothing waits for its turn, and how many runs have had it
// and not begun.
func (d *dispatcher) idle() (ahead int, idle bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ahead, !d.closing && d.queue.waiting+len(d.suspects) == 0 && d.suspect == nil
}
