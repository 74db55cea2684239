package queue

// Figures is the present state of an [Admission].
type Figures struct {
	Running int // runs that have started and have not ended
	Waiting int // of these, runs that wait for something and have lent what they do not hold
	Parked  int // of these, runs that wait without an interpreter
	Blocked int // callers that wait in [Admission.Acquire]
	Queued  int // runs that wait for their memory, also those of Blocked
}

// Spare returns what runs of another process could have beside those that there are: bytes, also those that caches would give
// up, and runs at once. A part of the memory is left to the callers of this process. Nothing is spare while runs wait for it; those that wait
// for others of their function or their tenant do not.
func (a *Admission) Spare() (bytes int64, runs int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.paused || a.short || a.all.first() != nil {
		return 0, 0
	}
	return max(a.memory.FreeOrCached()-a.Largest()/headroomParts, 0), max(a.maxRuns-(a.running-a.parked), 0)
}

// Figures returns the present state.
func (a *Admission) Figures() Figures {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Figures{Running: a.running, Waiting: a.lending, Parked: a.parked, Blocked: a.blocked, Queued: a.queue.Len()}
}
