package queue

// Figures is the present state of an [Admission].
type Figures struct {
	Running int // runs that have started and have not ended
	Waiting int // of these, runs that wait for something and have lent what they do not hold
	Parked  int // of these, runs that wait without an interpreter
	Blocked int // callers that wait in [Admission.Acquire]
	Queued  int // runs that wait for their memory, also those of Blocked
}

// Figures returns the present state.
func (a *Admission) Figures() Figures {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Figures{Running: a.running, Waiting: a.lending, Parked: a.parked, Blocked: a.blocked, Queued: a.queue.Len()}
}
