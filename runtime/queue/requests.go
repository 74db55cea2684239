package queue

import "github.com/faaspot/faaspot/runtime/memory"

// Callers that wait for a run may hold a request, which is in the way of other runs until theirs have run.
// The methods below are called with the mutex of the Admission held.

// mayNeverFit reports whether a caller that holds some bytes of a request should not wait for bytes
// for its run.
func (a *Admission) mayNeverFit(bytes, holds int64) bool {
	beside, yielding := a.memory.Budget().Beside(a.memory)
	most := a.memory.Largest()
	return bytes > most-beside && (holds > memory.FreeBytes || bytes > most-(beside-yielding))
}

// comesToFit reports whether a run would fit if all others ended that have started, and all requests whose
// callers do not wait in the queue: theirs are only freed if it does not hold them up.
func (a *Admission) comesToFit(bytes int64) bool {
	beside, yielding := a.memory.Budget().Beside(a.memory)
	return bytes <= a.memory.Largest()-beside+max(yielding-a.held, 0)
}

// isInTheWay reports whether a caller that waits should not do so any longer, because its run does not fit
// beside requests and what others hold, all of which may wait for the request of this one. It is so only
// after the run has been overtaken often, or while no run is left that could end.
func (a *Admission) isInTheWay(r *Run) bool {
	return !a.makesRoom && (r.overtaken >= maxOvertaken || a.stuck && a.all.runs == 0) && r.notify == nil && r.holds > memory.FreeBytes && a.mayNeverFit(r.Bytes, r.holds)
}
