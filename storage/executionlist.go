package storage

import (
	"errors"
	"slices"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

// ListExecutions gives a page of executions, newest first; see runtime.ExecutionHistory.
// It reads what it gives, and looks at most at all executions that run, or at all
// of a trace.
func (s *Store) ListExecutions(tenant runtime.Tenant, filter runtime.Filter, cursor string, limit int) (all []runtime.Execution, err error) {
	const op = "storage.list"
	lower, upper, err := bounds(filter, cursor)
	if err != nil {
		return nil, fault(op, err)
	}
	err = s.durably(func(r reader) error {
		all, err = list(r, tenant, filter, lower, upper, limit)
		return err
	})
	return all, fault(op, err)
}

// bounds of a page: from lower on, before upper.
func bounds(filter runtime.Filter, cursor string) (lower, upper keys.ID, err error) {
	upper = keys.LastID
	if !filter.After.IsZero() {
		lower = keys.FirstIDAt(filter.After)
	}
	if !filter.Before.IsZero() {
		upper = keys.FirstIDAt(filter.Before)
	}
	if cursor != "" {
		id, ok := keys.ParseID(cursor)
		if !ok {
			return lower, upper, runtime.Errorf(runtime.CodeInvalidArgument, "the position %q is not one that a list has given", cursor).
				WithHint("begin at the first page")
		}
		if id.Before(upper) {
			upper = id
		}
	}
	return lower, upper, nil
}

func list(r reader, tenant runtime.Tenant, filter runtime.Filter, lower, upper keys.ID, limit int) (all []runtime.Execution, err error) {
	if limit <= 0 || !lower.Before(upper) {
		return nil, nil
	}
	if filter.TraceID != "" {
		return listTrace(r, tenant, filter, lower, upper, limit)
	}
	l := lister{r: r, tenant: tenant, lower: lower, upper: upper}
	l.open(filter)
	for err == nil && len(all) < limit {
		newest, failed := newestOf(l.sources)
		if err = failed; newest == nil || err != nil {
			break
		}
		var x runtime.Execution
		if x, err = l.load(newest); err == nil {
			all = append(all, x)
			newest.next()
		}
	}
	if err = errors.Join(err, l.close()); err != nil {
		return nil, err
	}
	return all, nil
}

// lister finds the executions of a page. Each that passes the filter is in
// exactly one of its sources.
type lister struct {
	r            reader
	tenant       runtime.Tenant
	lower, upper keys.ID

	sources         []*source
	leases, waiting *source // follow the sources of what is not done
}

// source adds one.
func (l *lister) source(prefix []byte, wanted func(*source) bool) *source {
	s := newSource(l.r, prefix, l.lower, l.upper)
	s.wanted = wanted
	l.sources = append(l.sources, s)
	return s
}

func newestOf(sources []*source) (newest *source, err error) {
	for _, s := range sources {
		if s.err != nil {
			return nil, s.err
		}
		if s.ok && (newest == nil || newest.id.Before(s.id)) {
			newest = s
		}
	}
	return newest, nil
}

// load reads the execution at which a source stands.
func (l *lister) load(s *source) (x runtime.Execution, err error) {
	switch {
	case s.done && s.whole:
		x = decoded(s, func(value []byte) (runtime.Execution, error) {
			r, err := decodeDone(l.tenant, s.id, value)
			return r.Execution, err
		})
		return x, s.err
	case s.done:
		x, err = readDone(l.r, l.tenant, s.id, false)
	default:
		var u undone
		if s.whole {
			u.accepted = decoded(s, decodeAccepted)
			err = s.err
		} else {
			u.accepted, err = read(l.r, keys.Execution(keys.KindAccepted, l.tenant, s.id), decodeAccepted)
		}
		u.attempt = attemptAt(s, l.leases, l.waiting)
		x = u.execution(l.tenant, s.id)
		err = errors.Join(err, l.leases.err, l.waiting.err)
	}
	if errors.Is(err, errAbsent) {
		err = damaged("key %x leads to no execution", s.it.Key())
	}
	return x, err
}

// open finds out what to look through for a filter.
func (l *lister) open(filter runtime.Filter) {
	wants := func(state runtime.State) bool {
		return len(filter.States) == 0 || slices.Contains(filter.States, state)
	}
	l.openUndone(filter.Function, wants(runtime.StateQueued), wants(runtime.StateRunning), wants(runtime.StateCancelling))
	l.openDone(filter.Function, wants)
	for _, s := range l.sources {
		s.last()
	}
}

func (l *lister) openUndone(function string, queued, running, cancelling bool) {
	if !queued && !running && !cancelling {
		return
	}
	side := func(kind byte) *source {
		s := newSource(l.r, keys.OfKind(l.tenant, kind), l.lower, l.upper)
		s.last()
		return s
	}
	l.leases, l.waiting = side(keys.KindLease), side(keys.KindWaiting)

	every := keys.OfKind(l.tenant, keys.KindAccepted)
	if function != "" {
		every = keys.UnfinishedByFunction(l.tenant, function)
	}
	switch {
	case queued && running && cancelling:
		l.source(every, nil).whole = function == ""
		return
	case queued:
		running := side(keys.KindLease)
		s := l.source(every, running.lacks)
		s.other, s.whole = running, function == ""
	}
	if running || cancelling {
		l.source(keys.OfKind(l.tenant, keys.KindLease), func(s *source) bool {
			lease := s.lease()
			return (function == "" || lease.function == function) && (lease.cancel && cancelling || !lease.cancel && running)
		})
	}
}

func (l *lister) openDone(function string, wants func(runtime.State) bool) {
	unwanted := func(state runtime.State) bool { return !wants(state) }
	if function == "" && !slices.ContainsFunc(states[1:], unwanted) {
		s := l.source(keys.OfKind(l.tenant, keys.KindDone), nil)
		s.done, s.whole = true, true
		return
	}
	for i, state := range states[1:] {
		if unwanted(state) {
			continue
		}
		prefix := keys.DoneByState(l.tenant, byte(i+1))
		if function != "" {
			prefix = keys.DoneByFunction(l.tenant, function, byte(i+1))
		}
		l.source(prefix, nil).done = true
	}
}

func (l *lister) close() error {
	var errs []error
	for _, s := range append(l.sources, l.leases, l.waiting) {
		if s != nil {
			errs = append(errs, s.close())
		}
	}
	return errors.Join(errs...)
}
