package storage

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// ofKept reports whether a tenant's key is one of the order in which executions are dropped.
func ofKept(t testing.TB, key []byte) bool {
	t.Helper()
	_, rest, err := keys.CutText(key[1:])
	must(t, err)
	return bytes.IndexByte([]byte{keys.KindKept, keys.KindKeptTasks}, rest[0]) >= 0
}

// keptOne is an execution as retention knows it.
type keptOne struct {
	FunctionID, Function string
	Job                  string // the job's execution that it is a task of
	record.KeptEntry
}

// checkKept derives what retention must know from the records of what is done, compares it with what
// it knows, and compares the sums in memory with the stored ones.
func checkKept(t testing.TB, s *Store) {
	t.Helper()
	should, there := map[string]keptOne{}, map[string]keptOne{}
	must(t, kv.EachTenant(s.db, func(tenant runtime.Tenant) error {
		name := func(id keys.ID) string { return string(tenant) + "/" + id.String() }
		each := func(kind byte, do func(id keys.ID, value []byte)) {
			prefix := keys.OfKind(tenant, kind)
			must(t, kv.EachKey(s.db, prefix, func(key, value []byte) error {
				id, err := keys.DecodeID(prefix, key)
				must(t, err)
				do(id, value)
				return nil
			}))
		}
		each(keys.KindDone, func(id keys.ID, value []byte) {
			r, err := record.DecodeDone(tenant, id, value)
			must(t, err)
			one := keptOne{FunctionID: r.FunctionID, Function: r.Function}
			one.ID, one.State, one.Size = id, record.StateCode(r.State), uint64(len(value)+keptOverhead)
			if one.Result = r.ResultBytes > record.InlineSize; one.Result {
				one.Size += r.ResultBytes
			}
			if one.Logs = r.LogsBytes > record.InlineSize; one.Logs {
				one.Size += r.LogsBytes
			}
			if one.Args = r.KeepsArgs() && r.ArgsSize > record.InlineSize; one.Args {
				one.Size += uint64(r.ArgsSize)
			}
			one.Traced = r.Kind == runtime.KindRun && r.Caller.TraceID != "" && r.Caller.TraceID != keys.OwnTrace(id)
			if r.Task != nil {
				one.Job = r.Task.JobExecution
			}
			should[name(id)] = one
		})
		each(keys.KindJobDone, func(id keys.ID, value []byte) {
			x, err := record.DecodeJobExecution(tenant, id, value)
			must(t, err)
			one := keptOne{FunctionID: x.FunctionID, Function: x.Function}
			one.ID, one.Size = id, uint64(len(value)+keptOverhead)
			should[name(id)] = one
		})
		found := func(functionID, job string, value []byte) {
			kept, err := record.DecodeKept(value)
			must(t, err)
			for _, e := range kept.Entries {
				if _, twice := there[name(e.ID)]; twice {
					t.Fatalf("execution %s is kept twice", name(e.ID))
				}
				there[name(e.ID)] = keptOne{functionID, kept.Function, job, e}
			}
		}
		must(t, kv.EachKey(s.db, keys.OfKind(tenant, keys.KindKept), func(key, value []byte) error {
			functionID, _, err := keys.ParseKept(tenant, key)
			found(functionID, "", value)
			return err
		}))
		return kv.EachKey(s.db, keys.OfKind(tenant, keys.KindKeptTasks), func(key, value []byte) error {
			job, functionID, err := keys.ParseKeptTasks(tenant, key)
			found(functionID, job.String(), value)
			return err
		})
	}))
	if diff := cmp.Diff(should, there); diff != "" {
		t.Fatalf("retention knows other executions than there are: %s", diff)
	}
	var stored usage
	must(t, stored.load(s.db))
	sums := func(u *usage) map[string]held {
		all := map[string]held{}
		for tenant, functions := range u.all {
			for id, h := range functions {
				all[string(tenant)+"/"+id] = h.held
			}
		}
		return all
	}
	if diff := cmp.Diff(sums(&stored), sums(&s.usage), cmp.AllowUnexported(held{})); diff != "" {
		t.Fatalf("the sums in memory differ from the stored ones: %s", diff)
	}
}
