package runtime

import "time"

// newChange is the execution of a change of a function that begins now.
func newChange(kind Kind, now time.Time) Execution {
	return Execution{ID: newID(), Kind: kind, State: StateRunning, Created: now, Started: now, Attempt: 1}
}

// recordChange keeps the execution of a change that was carried out, or of which
// the code was the failure, and gives its id. The change itself is on disk by
// now, so what cannot be recorded is for the log alone.
func (e *Engine) recordChange(x Execution, f Function, o Outcome) string {
	x.Tenant, x.FunctionID, x.Function, x.Version = f.Tenant, f.ID, f.Name, f.Version
	x.Outcome = o
	x.Result = nil
	x.State = StateSucceeded
	if o.Failure != nil {
		x.State = o.Failure.Class.State()
	}
	x.Finished = e.now().UTC()
	if err := e.store.Record(x); err != nil {
		e.log.Error("engine: a change of a function cannot be recorded", "execution", x.ID, "function", f.ID, "kind", x.Kind, "error", err)
	}
	return x.ID
}
