package engine

import (
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/stats"
)

// observedStore is a store that reports what it has stored: runs that have ended to the statistics, and
// all executions that have changed to their followers. It reports a change once it is durable, and
// the end of a blocking run once it can be read. No caller of a blocking run waits for it.
type observedStore struct {
	runtime.Store
	stats *stats.Recorder
	feeds *feeds
	// onEnd is called with each run that has ended, and whether it was blocking. Nil: nothing is.
	onEnd  func(x *runtime.Execution, blocking bool)
	traces Traces // nil: nothing is traced
}

// Record implements [runtime.ExecutionHistory].
func (s *observedStore) Record(batch []runtime.Execution) error {
	err := s.Store.Record(batch)
	if err == nil {
		s.countAll(batch, true)
	}
	return err
}

// RecordOnce implements [runtime.ExecutionHistory]. The process in which the runs have happened reports them to its metrics
// and traces.
func (s *observedStore) RecordOnce(batch []runtime.Execution) ([]runtime.Execution, error) {
	recorded, err := s.Store.RecordOnce(batch)
	ended := make([]runtime.EndedRun, 0, len(recorded))
	for i := range recorded {
		x := &recorded[i]
		ended = append(ended, x.EndedRun())
		s.feeds.publish(x.Tenant, x.ID)
	}
	s.stats.Add(ended...)
	return recorded, err
}

// countEnded reports blocking runs that another process has recorded to the metrics and traces of this one.
func (s *observedStore) countEnded(batch []runtime.Execution) {
	for i := range batch {
		if s.onEnd != nil {
			s.onEnd(&batch[i], true)
		}
		if s.traces != nil {
			s.traces.OnEnd(&batch[i], true)
		}
	}
}

// countAll reports executions in their terminal states. Changes of functions are no runs, and the Engine
// itself reports blocking runs to followers: not all of them are recorded.
func (s *observedStore) countAll(batch []runtime.Execution, blocking bool) {
	ended := make([]runtime.EndedRun, 0, len(batch))
	for i := range batch {
		x := &batch[i]
		if x.Kind == runtime.KindRun {
			ended = append(ended, x.EndedRun())
			if s.onEnd != nil {
				s.onEnd(x, blocking)
			}
			if s.traces != nil {
				s.traces.OnEnd(x, blocking)
			}
		}
		if !blocking || x.Kind != runtime.KindRun {
			s.feeds.publish(x.Tenant, x.ID)
		}
	}
	s.stats.Add(ended...)
}

// Accept implements [runtime.ExecutionQueue].
func (s *observedStore) Accept(batch []runtime.Accepted, key *runtime.IdempotencyKey) (ids []string, replayed bool, err error) {
	if s.traces == nil {
		forgetParents(batch)
	}
	ids, replayed, err = s.Store.Accept(batch, key)
	if err == nil && !replayed {
		s.feeds.publish(batch[0].Execution.Tenant, ids...)
	}
	return ids, replayed, err
}

// AcceptJob implements [runtime.JobStore].
func (s *observedStore) AcceptJob(x runtime.JobExecution, tasks []runtime.Accepted, key *runtime.IdempotencyKey, tick *runtime.Tick) (id string, replayed bool, err error) {
	if s.traces == nil {
		x.ParentSpan, x.Sampled = "", runtime.SamplingUnset
		forgetParents(tasks)
	}
	id, replayed, err = s.Store.AcceptJob(x, tasks, key, tick)
	if err == nil && !replayed && s.feeds.followed() {
		for i := range tasks {
			s.feeds.publish(x.Tenant, tasks[i].Execution.ID)
		}
	}
	return id, replayed, err
}

// Start implements [runtime.ExecutionQueue].
func (s *observedStore) Start(leases []runtime.Lease) (refused []error, err error) {
	refused, err = s.Store.Start(leases)
	if err == nil && s.feeds.followed() {
		for i := range leases {
			s.feeds.publish(leases[i].Tenant, leases[i].ID)
		}
	}
	return refused, err
}

// Finish implements [runtime.ExecutionQueue].
func (s *observedStore) Finish(ended []runtime.Execution, now time.Time) ([]runtime.FinishResult, error) {
	results, err := s.Store.Finish(ended, now)
	if err != nil {
		return results, err
	}
	var done []runtime.Execution
	for i := range results {
		if s.traces != nil && results[i].Err == nil {
			s.trace(&ended[i], results[i].JobDone)
		}
		switch x := &results[i].Execution; {
		case results[i].Err != nil:
		case x.State.Terminal():
			done = append(done, *x)
		default:
			s.feeds.publish(x.Tenant, x.ID)
		}
	}
	s.countAll(done, false)
	return results, nil
}

// trace reports the end of an attempt, and of the execution of its job if it was the last one.
func (s *observedStore) trace(x *runtime.Execution, jobDone bool) {
	if x.Timeline != nil {
		s.traces.OnAttempt(x)
	}
	if jobDone && x.Task != nil {
		if job, err := s.GetJobExecutionByID(x.Tenant, x.Task.JobExecution); err == nil {
			s.traces.OnJobEnd(&job)
		}
	}
}

// forgetParents makes executions forget the spans of their callers, which are of no use without traces.
func forgetParents(batch []runtime.Accepted) {
	for i := range batch {
		c := &batch[i].Execution.Caller
		c.ParentSpan, c.Sampled = "", runtime.SamplingUnset
	}
}

// Cancel implements [runtime.ExecutionQueue].
func (s *observedStore) Cancel(tenant runtime.Tenant, id string, now time.Time) (x runtime.Execution, changed bool, err error) {
	x, changed, err = s.Store.Cancel(tenant, id, now)
	switch {
	case err != nil || !changed:
	case x.State.Terminal():
		s.countAll([]runtime.Execution{x}, false)
	default:
		s.feeds.publish(tenant, x.ID)
	}
	return x, changed, err
}

// CancelJobExecution implements [runtime.JobStore].
func (s *observedStore) CancelJobExecution(tenant runtime.Tenant, id string, now time.Time) (x runtime.JobExecution, changed bool, ids []string, err error) {
	x, changed, ids, err = s.Store.CancelJobExecution(tenant, id, now)
	cancelled := make([]runtime.Execution, len(ids))
	for i, task := range ids {
		cancelled[i] = runtime.Execution{
			ID: task, Tenant: tenant, Kind: runtime.KindRun, FunctionID: x.FunctionID, Function: x.Function,
			State: runtime.StateCancelled, Created: x.Created, Finished: now,
		}
	}
	s.countAll(cancelled, false)
	if s.traces != nil && err == nil && changed && x.State.Terminal() {
		s.traces.OnJobEnd(&x)
	}
	return x, changed, ids, err
}

// CreateFunction implements [runtime.FunctionStore].
func (s *observedStore) CreateFunction(f runtime.Function, v runtime.Version, c runtime.Change) error {
	return s.publishChange(c, s.Store.CreateFunction(f, v, c))
}

// UpdateFunction implements [runtime.FunctionStore].
func (s *observedStore) UpdateFunction(f runtime.Function, v *runtime.Version, c runtime.Change) error {
	return s.publishChange(c, s.Store.UpdateFunction(f, v, c))
}

// DeleteFunction implements [runtime.FunctionStore].
func (s *observedStore) DeleteFunction(tenant runtime.Tenant, id string, c runtime.Change) error {
	return s.publishChange(c, s.Store.DeleteFunction(tenant, id, c))
}

// publishChange reports the execution that is a change of a function, unless the store has failed.
func (s *observedStore) publishChange(c runtime.Change, err error) error {
	if err == nil {
		s.feeds.publish(c.Execution.Tenant, c.Execution.ID)
	}
	return err
}
