package dispatch

// staying and refused are the ends of the names of groups whose runs may not go away, and of those whose runs a node has refused.
const (
	staying = " stays"
	refused = " refused"
)

// waitsRefused reports whether a run that waits is of those that nodes have refused. Each of these goes behind the others: it is the last
// of them that may go away again, and there may be many.
func (p *plan) waitsRefused(r *QueuedRun) bool {
	return p.away.lends && r.lost == 0 && r.away != nil && r.away.refusals > 0
}

// groupOf returns the group of the queue in which a run waits. Those that may not go away, or not at once, have groups of their own if
// others may, so that they hold none of these up. Each group of a function or job has turns of its own, here too.
func (p *plan) groupOf(r *QueuedRun) string {
	switch {
	case !p.away.lends:
	case r.lost > 0:
		return r.turn() + staying
	case p.waitsRefused(r):
		return r.turn() + refused
	}
	return r.turn()
}

// clearGroups removes the queued tasks of an execution of a job, and returns how many there were.
func (p *plan) clearGroups(g *TaskGroup) (n int) {
	for _, kind := range []string{"", staying, refused} {
		n += p.queue.Clear(g.tenant, g.id+kind)
	}
	return n
}
