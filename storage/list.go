package storage

import (
	"errors"
	"slices"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// ListExecutions returns a page of executions, newest first; see runtime.ExecutionHistory. It reads
// the executions that it returns, and in addition at most all leases, or all executions of a trace.
func (s *Store) ListExecutions(tenant runtime.Tenant, filter runtime.ExecutionFilter, cursor string, limit int) (all []runtime.Execution, err error) {
	const op = "storage.list"
	if limit <= 0 {
		return nil, nil
	}
	err = s.eachExecution(tenant, filter, cursor, func(x *runtime.Execution) (more bool) {
		all = append(all, *x)
		return len(all) < limit
	})
	if err != nil {
		return nil, fault(op, err)
	}
	return all, nil
}

// EachExecution calls a function with executions; see runtime.ExecutionHistory.
func (s *Store) EachExecution(tenant runtime.Tenant, filter runtime.ExecutionFilter, cursor string, visit func(*runtime.Execution) (more bool)) error {
	return fault("storage.each", s.eachExecution(tenant, filter, cursor, visit))
}

func (s *Store) eachExecution(tenant runtime.Tenant, filter runtime.ExecutionFilter, cursor string, visit func(*runtime.Execution) (more bool)) error {
	lower, upper, err := bounds(filter, cursor)
	if err != nil {
		return err
	}
	return s.durably(func(r kv.Reader) error {
		switch {
		case !lower.Before(upper):
			return nil
		case filter.TraceID != "":
			return eachOfTrace(r, tenant, filter, lower, upper, visit)
		}
		return each(r, tenant, filter, lower, upper, visit)
	})
}

// bounds returns the ids of a page: from lower on, before upper.
func bounds(filter runtime.ExecutionFilter, cursor string) (lower, upper keys.ID, err error) {
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
			return lower, upper, runtime.Errorf(runtime.CodeInvalidArgument, "the position %q does not come from a list", cursor).
				WithHint("start from the first page")
		}
		if id.Before(upper) {
			upper = id
		}
	}
	return lower, upper, nil
}

// each calls visit with executions that pass a filter without a trace.
func each(r kv.Reader, tenant runtime.Tenant, filter runtime.ExecutionFilter, lower, upper keys.ID, visit func(*runtime.Execution) (more bool)) (err error) {
	l := lister{r: r, tenant: tenant, lower: lower, upper: upper}
	l.open(filter)
	for more := true; more; {
		newest, failed := l.newest()
		if err = failed; newest == nil || err != nil {
			break
		}
		x, failed := l.load(newest)
		if err = failed; err != nil {
			break
		}
		more = visit(&x)
		newest.Next()
	}
	return errors.Join(err, l.close())
}

// lister finds the executions of a page. Each execution that passes the filter is in exactly one of
// its sources.
type lister struct {
	r            kv.Reader
	tenant       runtime.Tenant
	lower, upper keys.ID

	sources         []listSource
	leases, waiting *kv.IDIterator // follow the sources of executions that are not done
}

// listSource finds some of the executions of a page.
type listSource struct {
	*kv.IDIterator
	done  bool // its executions are done
	whole bool // its values are the records of the executions themselves
}

// add adds the executions of s to the page.
func (l *lister) add(s listSource) {
	s.Last()
	l.sources = append(l.sources, s)
}

func (l *lister) iterate(prefix []byte) *kv.IDIterator {
	return kv.NewIDIterator(l.r, prefix, l.lower, l.upper)
}

// newest returns the source at the newest execution, nil if no source has any left.
func (l *lister) newest() (newest *listSource, err error) {
	for i := range l.sources {
		s := &l.sources[i]
		if s.Err != nil {
			return nil, s.Err
		}
		if s.Valid && (newest == nil || newest.ID.Before(s.ID)) {
			newest = s
		}
	}
	return newest, nil
}

// load reads the execution at a source.
func (l *lister) load(s *listSource) (x runtime.Execution, err error) {
	switch {
	case s.done && s.whole:
		x = kv.Decode(s.IDIterator, func(value []byte) (runtime.Execution, error) {
			r, err := record.DecodeDone(l.tenant, s.ID, value)
			return r.Execution, err
		})
		return x, s.Err
	case s.done:
		x, err = readDone(l.r, l.tenant, s.ID, false)
	default:
		var u unfinished
		if s.whole {
			u.accepted = kv.Decode(s.IDIterator, record.DecodeAccepted)
			err = s.Err
		} else {
			u.accepted, err = kv.Get(l.r, keys.Execution(keys.KindAccepted, l.tenant, s.ID), record.DecodeAccepted)
		}
		u.Attempt = attemptAt(s.IDIterator, l.leases, l.waiting)
		x = u.execution(l.tenant, s.ID)
		err = errors.Join(err, l.leases.Err, l.waiting.Err)
	}
	if errors.Is(err, kv.ErrAbsent) {
		err = kv.Damaged("key %x leads to no execution", s.Key())
	}
	return x, err
}

// open opens the sources for a filter.
func (l *lister) open(filter runtime.ExecutionFilter) {
	wants := func(state runtime.State) bool {
		return len(filter.States) == 0 || slices.Contains(filter.States, state)
	}
	l.openUnfinished(filter.Function, wants(runtime.StateQueued), wants(runtime.StateRunning), wants(runtime.StateCancelling))
	l.openDone(filter.Function, wants)
}

func (l *lister) openUnfinished(function string, queued, running, cancelling bool) {
	if !queued && !running && !cancelling {
		return
	}
	side := func(kind byte) *kv.IDIterator {
		s := l.iterate(keys.OfKind(l.tenant, kind))
		s.Last()
		return s
	}
	l.leases, l.waiting = side(keys.KindLease), side(keys.KindWaiting)

	every := keys.OfKind(l.tenant, keys.KindAccepted)
	if function != "" {
		every = keys.UnfinishedByFunction(l.tenant, function)
	}
	switch {
	case queued && running && cancelling:
		l.add(listSource{IDIterator: l.iterate(every), whole: function == ""})
		return
	case queued:
		leased := side(keys.KindLease)
		s := listSource{IDIterator: l.iterate(every), whole: function == ""}
		s.Wanted, s.Other = leased.Lacks, leased
		l.add(s)
	}
	if running || cancelling {
		s := listSource{IDIterator: l.iterate(keys.OfKind(l.tenant, keys.KindLease))}
		s.Wanted = func(s *kv.IDIterator) bool {
			lease := kv.Decode(s, record.DecodeLease)
			return (function == "" || lease.Function == function) && (lease.Cancel && cancelling || !lease.Cancel && running)
		}
		l.add(s)
	}
}

func (l *lister) openDone(function string, wants func(runtime.State) bool) {
	unwanted := func(state runtime.State) bool { return !wants(state) }
	if function == "" && !slices.ContainsFunc(record.States[1:], unwanted) {
		l.add(listSource{IDIterator: l.iterate(keys.OfKind(l.tenant, keys.KindDone)), done: true, whole: true})
		return
	}
	for i, state := range record.States[1:] {
		if unwanted(state) {
			continue
		}
		prefix := keys.DoneByState(l.tenant, byte(i+1))
		if function != "" {
			prefix = keys.DoneByFunction(l.tenant, function, byte(i+1))
		}
		l.add(listSource{IDIterator: l.iterate(prefix), done: true})
	}
}

func (l *lister) close() error {
	var errs []error
	for _, s := range l.sources {
		errs = append(errs, s.Close())
	}
	for _, s := range []*kv.IDIterator{l.leases, l.waiting} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
