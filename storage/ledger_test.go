package storage

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// ledger is the executions that a store should hold. Values in it are never changed.
type ledger struct {
	all map[string]entry // by id
	// promises are the idempotency keys, by tenant and key.
	promises map[string]promise
	jobBook
}

type entry struct {
	x    runtime.Execution // as GetExecution returns it
	args []byte            // as GetArgs returns them
	logs runtime.Logs      // of the previous attempt, while the execution waits for the next
	soft bool              // recorded, with no durable write since
}

type promise struct {
	at   time.Time
	hash [32]byte
	ids  []string
}

func (l ledger) clone() ledger {
	return ledger{maps.Clone(l.all), maps.Clone(l.promises), l.jobBook.clone()}
}

// hardened returns the ledger after a durable write.
func (l ledger) hardened() ledger {
	l = l.clone()
	for id, e := range l.all {
		e.soft = false
		l.all[id] = e
	}
	return l
}

// keptArgs returns the args of an execution that is done.
func keptArgs(x *runtime.Execution, args []byte) []byte {
	if !x.KeepsArgs() {
		return nil
	}
	return args
}

// listed returns the execution as lists return it.
func (e entry) listed() runtime.Execution {
	x := e.x
	if len(x.Result) > runtime.ListedResult {
		x.Result = nil
	}
	return x
}

func (l ledger) newestFirst() []entry {
	return slices.SortedFunc(maps.Values(l.all), func(a, b entry) int { return strings.Compare(b.x.ID, a.x.ID) })
}

// list is the plainest form of runtime.ExecutionHistory.ListExecutions.
func (l ledger) list(tenant runtime.Tenant, f runtime.ExecutionFilter, cursor string, limit int) (all []runtime.Execution) {
	for _, e := range l.newestFirst() {
		at := storetest.TimeOf(e.x.ID)
		switch {
		case len(all) >= limit, e.x.Tenant != tenant,
			f.Function != "" && e.x.Function != f.Function,
			len(f.States) > 0 && !slices.Contains(f.States, e.x.State),
			!f.After.IsZero() && at.Before(f.After.Truncate(time.Millisecond)),
			!f.Before.IsZero() && !at.Before(f.Before.Truncate(time.Millisecond)),
			cursor != "" && e.x.ID >= cursor:
			continue
		}
		all = append(all, e.listed())
	}
	return all
}

var ledgerTenants = []runtime.Tenant{"a", "a\x00"}

// player makes up operations.
type player struct {
	rng  *rand.Rand
	now  time.Time
	soft bool // moves may include Record
}

// move is an operation, and the ledger after it. do fails if the store answers differently from the
// ledger.
type move struct {
	name  string
	do    func(s *Store) error
	after ledger
}

func (p *player) blob(sizes ...int) []byte {
	b := make([]byte, sizes[p.rng.IntN(len(sizes))])
	for i := range b {
		b[i] = byte(p.rng.Uint32())
	}
	return b
}

func (p *player) fresh() runtime.Execution {
	p.now = p.now.Add(time.Duration(p.rng.IntN(2000)) * time.Microsecond)
	id := storetest.ID(p.rng, p.now)
	return runtime.Execution{
		ID:         id,
		Caller:     runtime.Caller{UserID: "admin", TraceID: strings.ReplaceAll(id, "-", "")},
		Tenant:     ledgerTenants[p.rng.IntN(len(ledgerTenants))],
		Kind:       record.Kinds[1+p.rng.IntN(len(record.Kinds)-1)],
		FunctionID: fmt.Sprint("id", p.rng.IntN(3)),
		Function:   fmt.Sprint("f", p.rng.IntN(3)),
		Version:    p.rng.Uint64N(9),
		State:      runtime.StateQueued,
		Created:    p.now,
		Retries:    p.rng.IntN(3),
	}
}

// ended returns an execution in a terminal state.
func (p *player) ended(x runtime.Execution) (runtime.Execution, runtime.Logs) {
	x.State = record.States[1+p.rng.IntN(len(record.States)-1)]
	x.Finished = p.now
	x.Suspicion = runtime.Suspicion{}
	x.Usage = runtime.Usage{Duration: time.Duration(p.rng.IntN(1e9)), Memory: p.rng.Int64N(1 << 30), Pages: p.rng.IntN(100)}
	if x.State == runtime.StateSucceeded {
		x.Result = p.blob(1, 20, record.InlineSize, record.InlineSize+1, 4000)
	} else {
		x.Failure = &runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Message: "m", Traceback: "t", Line: 3, ExitCode: -1}
	}
	x.ResultSize = len(x.Result)
	x.EndArgs()
	return x, p.logs()
}

// args makes up args, and what becomes of them.
func (p *player) args(x *runtime.Execution) []byte {
	args := p.blob(2, 100, record.InlineSize, record.InlineSize+1)
	if p.rng.IntN(20) == 0 {
		args = p.blob(runtime.MaxKeptArgs, runtime.MaxKeptArgs+1)
	}
	x.ArgsSize, x.DropArgs = len(args), p.rng.IntN(4) == 0
	if p.rng.IntN(4) == 0 {
		x.RerunOf, x.Pinned = storetest.ID(p.rng, p.now), p.rng.IntN(2) == 0
	}
	return args
}

func (p *player) logs() runtime.Logs {
	logs := runtime.Logs{Data: p.blob(0, 20, 4000)}
	if len(logs.Data) == 0 {
		return runtime.Logs{}
	}
	logs.Marks = []runtime.LogMark{{Offset: 0, Stream: 1}, {Offset: 10, Stream: 2}}
	logs.Truncated = p.rng.IntN(2) == 0
	return logs
}

// pick returns entries that pass, in random order.
func (p *player) pick(l ledger, passes func(entry) bool) []entry {
	all := slices.DeleteFunc(l.newestFirst(), func(e entry) bool { return !passes(e) })
	p.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(len(all), 1+p.rng.IntN(6))]
}

func queued(e entry) bool { return e.x.State == runtime.StateQueued }
func running(e entry) bool {
	return e.x.State == runtime.StateRunning || e.x.State == runtime.StateCancelling
}

func (p *player) move(l ledger) move {
	p.now = p.now.Add(time.Duration(p.rng.IntN(100)) * time.Millisecond)
	switch n := p.rng.IntN(20); {
	case n < 3:
		return p.accept(l)
	case n < 6:
		return p.jobMove(l)
	case n < 10:
		return p.start(l)
	case n < 14:
		return p.finish(l)
	case n < 15:
		return p.suspect(l)
	case n < 16:
		return p.cancel(l)
	case n < 19 && p.soft:
		return p.record(l)
	case p.rng.IntN(5) == 0:
		return p.expire(l)
	}
	return p.accept(l)
}

func (p *player) accept(l ledger) move {
	var batch []runtime.Accepted
	var ids []string
	tenant := ledgerTenants[p.rng.IntN(len(ledgerTenants))]
	for range 1 + p.rng.IntN(5) {
		x := p.fresh()
		x.Tenant = tenant
		args := p.args(&x)
		batch = append(batch, runtime.Accepted{Execution: x, Args: args})
		ids = append(ids, x.ID)
	}
	after, replay := l.hardened(), false
	var code runtime.Code
	var key *runtime.IdempotencyKey
	if p.rng.IntN(2) == 0 {
		if p.rng.IntN(8) == 0 {
			p.now = p.now.Add(time.Duration(p.rng.IntN(30)) * time.Hour)
		}
		key = &runtime.IdempotencyKey{Key: fmt.Sprint("k\x00", p.rng.IntN(4)), Hash: [32]byte{byte(p.rng.IntN(2))}, Now: p.now}
		name := string(tenant) + "/" + key.Key
		old, there := l.promises[name]
		switch {
		case !there || p.now.Sub(old.at) >= runtime.IdempotencyPeriod:
			after.promises[name] = promise{p.now, key.Hash, ids}
		case old.hash != key.Hash:
			ids, code, after = nil, runtime.CodeConflict, l
		default:
			ids, replay, after = old.ids, true, l
		}
	}
	if code == "" && !replay {
		for _, a := range batch {
			after.all[a.Execution.ID] = entry{x: a.Execution, args: a.Args}
		}
	}
	return move{fmt.Sprint("accept ", ids), func(s *Store) error {
		got, replayed, err := s.Accept(batch, key)
		if runtime.CodeOf(err) != code || replayed != replay || !slices.Equal(got, ids) {
			return fmt.Errorf("accepted %v, %v, %w; want %v, %v, %q", got, replayed, err, ids, replay, code)
		}
		return nil
	}, after}
}

// sameErrors checks that the store refused what it should.
func sameErrors(got, want []error) error {
	if !slices.EqualFunc(got, want, func(a, b error) bool { return errors.Is(a, b) && (a == nil) == (b == nil) }) {
		return fmt.Errorf("refused %v, want %v", got, want)
	}
	return nil
}

func (p *player) start(l ledger) move {
	after := l.hardened()
	var leases []runtime.Lease
	var refused []error
	changes := false
	probation := runtime.Probation(p.rng.IntN(3))
	add := func(e entry, attempt int, err error) {
		lease := runtime.Lease{Tenant: e.x.Tenant, ID: e.x.ID, Attempt: attempt, Started: p.now, Probation: probation}
		if t := e.x.Task; t != nil && (l.runs[t.JobExecution].Started.IsZero() || p.rng.IntN(2) == 0) && !e.x.State.Terminal() {
			lease.JobExecution = t.JobExecution
			if err == nil {
				after.started(e.x, p.now)
			}
		}
		leases = append(leases, lease)
		refused = append(refused, err)
	}
	for _, e := range p.pick(l, queued) {
		if p.rng.IntN(8) == 0 {
			add(e, e.x.Attempt+2, runtime.ErrLease)
			continue
		}
		add(e, e.x.Attempt+1, nil)
		if p.rng.IntN(8) == 0 {
			add(e, e.x.Attempt+1, runtime.ErrLease)
		}
		e.x.State, e.x.Attempt, e.x.Started, e.x.NotBefore = runtime.StateRunning, e.x.Attempt+1, p.now, time.Time{}
		e.x.Suspicion.Probation = probation
		e.logs = runtime.Logs{}
		after.all[e.x.ID] = e
		changes = true
	}
	for _, e := range p.pick(l, func(e entry) bool { return !queued(e) }) {
		add(e, max(e.x.Attempt, 1), runtime.ErrLease)
	}
	if !changes { // nothing is written
		after = l
	}
	return move{fmt.Sprint("start ", leases), func(s *Store) error {
		got, err := s.Start(leases)
		return errors.Join(err, sameErrors(got, refused))
	}, after}
}

// suspect changes the suspicion of executions, some of which are in another state or at another
// attempt by then.
func (p *player) suspect(l ledger) move {
	after := l.hardened()
	var changes []runtime.SuspicionChange
	applies := false
	for _, e := range p.pick(l, func(e entry) bool { return e.x.Kind == runtime.KindRun }) {
		c := runtime.SuspicionChange{Tenant: e.x.Tenant, ID: e.x.ID, Attempt: e.x.Attempt + p.rng.IntN(2), Suspicion: e.x.Suspicion}
		c.Suspicion.Charges++
		c.Suspicion.Probation = runtime.Probation(p.rng.IntN(2) * 3)
		changes = append(changes, c)
		waits := c.Suspicion.Probation == runtime.ProbationNone
		if c.Attempt == e.x.Attempt && (waits && queued(e) && e.x.Attempt > 0 || !waits && running(e)) {
			e.x.Suspicion = c.Suspicion
			after.all[e.x.ID] = e
			applies = true
		}
	}
	if !applies { // nothing is written
		after = l
	}
	return move{fmt.Sprint("suspect ", changes), func(s *Store) error { return s.SetSuspicion(changes) }, after}
}

func (p *player) finish(l ledger) move {
	after := l.hardened()
	var ended []runtime.Execution
	want := []runtime.FinishResult{}
	add := func(x runtime.Execution, logs runtime.Logs, w runtime.FinishResult) {
		x.Logs = logs
		ended = append(ended, x)
		want = append(want, w)
	}
	late := func(x runtime.Execution) {
		x, logs := p.ended(x)
		add(x, logs, runtime.FinishResult{Err: runtime.ErrLease})
	}
	brief := func(x runtime.Execution) runtime.FinishResult {
		x.Result = nil
		return runtime.FinishResult{Execution: x}
	}
	for _, e := range p.pick(l, running) {
		x := e.x
		if p.rng.IntN(8) == 0 {
			x.Attempt += 1 - 2*p.rng.IntN(2)
			x.Attempt = max(x.Attempt, 1)
			if x.Attempt != e.x.Attempt {
				late(x)
				continue
			}
		}
		if p.rng.IntN(3) == 0 {
			x.State = runtime.StateQueued
			x.FunctionFailures += p.rng.IntN(2)
			x.PlatformFailures += p.rng.IntN(2)
			x.LostAttempts += p.rng.IntN(2)
			x.NotBefore = p.now.Add(time.Minute)
			x.Suspicion.Losses += uint8(p.rng.IntN(2))
			x.Suspicion.Stretch += uint8(p.rng.IntN(2))
			given := x
			x.Suspicion.Probation = runtime.ProbationNone
			e.logs = p.logs()
			done := false
			if x.CancelRequested || after.runOf(x).CancelRequested {
				x.CancelRequested = true
				x = x.Cancelled(p.now)
				e.args = keptArgs(&x, e.args)
				done = after.ended(x, p.now)
			} else {
				x.Started = time.Time{}
				after.failed(e.x, x, p.now)
			}
			e.x = x
			w := brief(x)
			w.JobDone = done
			add(given, e.logs, w)
		} else {
			x, logs := p.ended(x)
			e = entry{x: x, args: keptArgs(&x, e.args), logs: logs}
			w := brief(x)
			w.JobDone = after.ended(x, p.now)
			add(x, logs, w)
			if p.rng.IntN(8) == 0 {
				late(x)
			}
		}
		after.all[e.x.ID] = e
	}
	if len(ended) == 0 || !slices.ContainsFunc(want, func(s runtime.FinishResult) bool { return s.Err == nil }) {
		after = l
	}
	for _, e := range p.pick(l, func(e entry) bool { return !running(e) }) {
		x := e.x
		x.Attempt = max(x.Attempt, 1)
		late(x)
	}
	now := p.now
	return move{fmt.Sprint("finish ", len(ended)), func(s *Store) error {
		got, err := s.Finish(ended, now)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("settled %+v, want %+v", got, want)
		}
		return nil
	}, after}
}

func (p *player) cancel(l ledger) move {
	after := l
	passes := func(e entry) bool { return true }
	if p.rng.IntN(2) == 0 {
		passes = func(e entry) bool { return !e.x.State.Terminal() }
	}
	all := p.pick(l, passes)
	if len(all) == 0 {
		id := storetest.ID(p.rng, p.now)
		return move{"cancel nothing", func(s *Store) error {
			if _, _, err := s.Cancel("a", id, p.now); runtime.CodeOf(err) != runtime.CodeNotFound {
				return fmt.Errorf("cancelled a missing execution: %w", err)
			}
			return nil
		}, after}
	}
	e, changes := all[0], true
	switch {
	case queued(e):
		e.x = e.x.Cancelled(p.now)
		e.x.CancelRequested = true
		e.args = keptArgs(&e.x, e.args)
	case e.x.State == runtime.StateRunning:
		e.x.State, e.x.CancelRequested = runtime.StateCancelling, true
	default:
		changes = false
	}
	if changes {
		after = l.hardened()
		after.all[e.x.ID] = e
		if e.x.State.Terminal() {
			after.ended(e.x, p.now)
		}
	}
	now := p.now
	return move{"cancel " + e.x.ID, func(s *Store) error {
		x, changed, err := s.Cancel(e.x.Tenant, e.x.ID, now)
		if err != nil || changed != changes || !reflect.DeepEqual(x, e.x) {
			return fmt.Errorf("cancelled %+v, %v, %w; want %+v, %v", x, changed, err, e.x, changes)
		}
		return nil
	}, after}
}

func (p *player) record(l ledger) move {
	x := p.fresh()
	var args []byte
	if x.Kind == runtime.KindRun {
		args = p.args(&x)
	}
	x, logs := p.ended(x)
	args = keptArgs(&x, args)
	x.Started = x.Created
	after := l.clone()
	if x.Kind != runtime.KindRun {
		after = l.hardened()
	}
	after.all[x.ID] = entry{x: x, args: args, logs: logs, soft: x.Kind == runtime.KindRun}
	given := x
	given.Logs, given.Args = logs, args
	return move{"record " + x.ID, func(s *Store) error { return s.Record([]runtime.Execution{given}) }, after}
}

// expire drops what has ended long ago. The tasks of a job's execution are dropped with it.
func (p *player) expire(l ledger) move {
	age := time.Duration(1+p.rng.IntN(3000)) * time.Millisecond
	before := p.now.Add(-age)
	after, dropped := l.hardened(), false
	for id, r := range after.runs {
		if r.State.Terminal() && r.Finished.Before(before) {
			delete(after.runs, id)
			dropped = true
		}
	}
	for id, e := range after.all {
		old := e.x.State.Terminal() && e.x.Finished.Before(before)
		if e.x.Task != nil {
			_, kept := after.runs[e.x.Task.JobExecution]
			old = !kept
		}
		if old {
			delete(after.all, id)
			dropped = true
		}
	}
	if !dropped {
		after = l
	}
	now := p.now
	return move{fmt.Sprint("expire ", age), func(s *Store) error {
		if err := renderBodies(s); err != nil {
			return err
		}
		return s.Expire(now, runtime.Retention{Age: age})
	}, after}
}

// renderBodies stores the bodies of all deliveries, which retention waits for.
func renderBodies(s *Store) error {
	var all []runtime.Delivery
	err := s.EachDelivery(func(d runtime.Delivery) error {
		d.Body = []byte("{}")
		all = append(all, d)
		return nil
	})
	for _, d := range all {
		err = errors.Join(err, s.SaveAttempt(d))
	}
	return err
}

// holding reads all executions of a store.
func holding(t testing.TB, s *Store) ledger {
	t.Helper()
	l := ledger{all: map[string]entry{}, jobBook: holdingJobs(t, s)}
	for _, tenant := range ledgerTenants {
		for cursor := ""; ; {
			page, err := s.ListExecutions(tenant, runtime.ExecutionFilter{}, cursor, 7)
			must(t, err)
			if len(page) == 0 {
				break
			}
			for _, listed := range page {
				e := entry{}
				e.x, err = s.GetExecution(tenant, listed.ID)
				must(t, err)
				if !reflect.DeepEqual(e.listed(), listed) {
					t.Fatal(cmp.Diff(e.listed(), listed))
				}
				result := e.x.Result
				x, page, err := s.GetLogs(tenant, listed.ID, runtime.LogPosition{})
				must(t, err)
				if e.logs, e.x.Result = page.Logs, nil; !reflect.DeepEqual(e.x, x) {
					t.Fatal(cmp.Diff(e.x, x))
				}
				e.x.Result = result
				e.args, err = s.GetArgs(tenant, listed.ID)
				must(t, err)
				l.all[listed.ID] = e
				cursor = listed.ID
			}
		}
	}
	return l
}

// diff returns how a store differs from l. If lossy is set, soft executions may be missing.
func (l ledger) diff(got ledger, lossy bool) string {
	var lines []string
	for id, e := range l.all {
		g, there := got.all[id]
		switch {
		case !there && (!e.soft || !lossy):
			lines = append(lines, fmt.Sprintf("%s is lost, %s at attempt %d", id, e.x.State, e.x.Attempt))
		case there && (!reflect.DeepEqual(g.x, e.x) || !bytes.Equal(g.args, e.args) || !reflect.DeepEqual(g.logs, e.logs)):
			lines = append(lines, id+": "+cmp.Diff(e.x, g.x)+cmp.Diff(e.logs, g.logs))
		}
	}
	for id, e := range got.all {
		if _, there := l.all[id]; !there {
			lines = append(lines, fmt.Sprintf("%s should not exist, %s", id, e.x.State))
		}
	}
	lines = append(lines, l.jobBook.diff(got.jobBook)...)
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
