package storage

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/record"
)

var executionKinds = []byte{
	keys.KindAccepted, keys.KindArgs, keys.KindLease, keys.KindWaiting, keys.KindWaitingLogs, keys.KindUnfinishedByFunction,
	keys.KindDone, keys.KindResult, keys.KindLogs, keys.KindDoneByState, keys.KindDoneByFunction, keys.KindIdempotency, keys.KindOperation,
}

// ofExecution reports whether a tenant's key belongs to an execution.
func ofExecution(t testing.TB, key []byte) bool {
	t.Helper()
	_, rest, err := keys.CutText(key[1:])
	must(t, err)
	return bytes.IndexByte(executionKinds, rest[0]) >= 0
}

// checkExecutionInvariants derives all keys that should exist from the records of executions, and
// compares them with the keys that do.
func checkExecutionInvariants(t testing.TB, s *Store) {
	t.Helper()
	there := map[string]bool{}
	should := map[string]bool{}
	it, err := s.db.NewIter(nil)
	must(t, err)
	for ok := it.First(); ok; ok = it.Next() {
		key := it.Key()
		if key[0] == keys.SpaceTenants && ofExecution(t, key) {
			there[string(key)] = true
		}
		if key[0] != keys.SpaceTenants || !ofExecution(t, key) {
			continue
		}
		text, rest, err := keys.CutText(key[1:])
		must(t, err)
		tenant := runtime.Tenant(text)
		add := func(key []byte) { should[string(key)] = true }
		switch rest[0] {
		case keys.KindAccepted:
			id, err := keys.DecodeID(nil, rest[1:])
			must(t, err)
			u, err := readUnfinished(s.db, tenant, id)
			must(t, err)
			add(key)
			add(keys.UnfinishedOfFunction(tenant, u.accepted.Function, id))
			if u.accepted.ArgsSize > record.InlineSize {
				add(keys.Execution(keys.KindArgs, tenant, id))
			}
			if u.Lease != nil {
				add(keys.Execution(keys.KindLease, tenant, id))
				if u.Lease.Function != u.accepted.Function || u.Lease.ArgsSize != u.accepted.ArgsSize || u.Lease.Attempt < 1 {
					t.Fatalf("execution %s has the lease %+v, but was accepted as %+v", id, *u.Lease, u.accepted)
				}
			}
			if u.Waiting != nil {
				add(keys.Execution(keys.KindWaiting, tenant, id))
				if u.Waiting.LogsSize > 0 {
					add(keys.Execution(keys.KindWaitingLogs, tenant, id))
				}
				if _, _, err := s.GetLogs(tenant, id.String(), runtime.LogPosition{}); err != nil {
					t.Fatalf("execution %s has no logs of its previous attempt: %v", id, err)
				}
			}
			if _, err := readDone(s.db, tenant, id, true); err == nil {
				t.Fatalf("execution %s is both done and not done", id)
			}
			if args, err := s.GetArgs(tenant, id.String()); err != nil || uint64(len(args)) != u.accepted.ArgsSize {
				t.Fatalf("execution %s has args of %d bytes, want %d: %v", id, len(args), u.accepted.ArgsSize, err)
			}
		case keys.KindDone:
			id, err := keys.DecodeID(nil, rest[1:])
			must(t, err)
			r, err := record.DecodeDone(tenant, id, it.Value())
			must(t, err)
			state := record.StateCode(r.State)
			add(key)
			add(append(keys.DoneByState(tenant, state), id[:]...))
			add(append(keys.DoneByFunction(tenant, r.Function, state), id[:]...))
			if r.ResultBytes > record.InlineSize {
				add(keys.Execution(keys.KindResult, tenant, id))
			}
			if r.LogsBytes > record.InlineSize {
				add(keys.Execution(keys.KindLogs, tenant, id))
			}
			kept := 0
			if r.KeepsArgs() {
				kept = r.ArgsSize
			}
			if kept > record.InlineSize {
				add(keys.Execution(keys.KindArgs, tenant, id))
			}
			if args, err := s.GetArgs(tenant, id.String()); err != nil || len(args) != kept {
				t.Fatalf("execution %s has kept args of %d bytes, want %d: %v", id, len(args), kept, err)
			}
		case keys.KindOperation:
			id, err := keys.DecodeID(nil, rest[1:])
			must(t, err)
			_, err = record.DecodeOperation(tenant, id.String(), it.Value())
			must(t, err)
			add(key)
		case keys.KindIdempotency:
			_, err := record.DecodeIdempotency(it.Value())
			must(t, err)
			add(key)
		}
	}
	must(t, it.Error())
	must(t, it.Close())
	var stored attempts
	must(t, stored.load(s.db))
	if diff := cmp.Diff(stored.all, s.attempts.all, cmp.AllowUnexported(executionRef{}, record.Attempt{}, record.Lease{}, record.Waiting{}, record.Failures{})); diff != "" {
		t.Fatalf("the attempts in memory differ from the stored ones: %s", diff)
	}
	if !maps.Equal(there, should) {
		for _, key := range slices.Sorted(maps.Keys(there)) {
			if !should[key] {
				t.Errorf("key %q leads to nothing", key)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(should)) {
			if !there[key] {
				t.Errorf("there is no key %q", key)
			}
		}
		t.FailNow()
	}
}
