package storage

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

var jobKinds = []byte{
	keys.KindJobName, keys.KindJob, keys.KindRevision, keys.KindTick, keys.KindJobCount, keys.KindJobAccepted, keys.KindJobProgress, keys.KindUnfinishedByJob, keys.KindJobDone, keys.KindDoneByJob,
	keys.KindJobExecutionName, keys.KindDelivery, keys.KindDeadLetter, keys.KindCallbackBody,
}

// ofJob reports whether a tenant's key belongs to a job.
func ofJob(t testing.TB, key []byte) bool {
	t.Helper()
	_, rest, err := keys.CutText(key[1:])
	must(t, err)
	return bytes.IndexByte(jobKinds, rest[0]) >= 0
}

// checkJobInvariants derives all keys that should exist from the records of jobs and of their
// executions, compares them with the keys that do, and counts tasks.
func checkJobInvariants(t testing.TB, s *Store) {
	t.Helper()
	there, should := map[string]bool{}, map[string]bool{}
	counts := map[jobRef]uint64{}
	var ticks [][]byte
	add := func(key []byte) { should[string(key)] = true }
	must(t, kv.EachKey(s.db, []byte{keys.SpaceTenants}, func(key, value []byte) error {
		if !ofJob(t, key) {
			return nil
		}
		there[string(key)] = true
		text, rest, err := keys.CutText(key[1:])
		must(t, err)
		tenant := runtime.Tenant(text)
		switch rest[0] {
		case keys.KindJob:
			id, _, err := keys.CutText(rest[1:])
			must(t, err)
			j, err := readJob(s.db, tenant, id)
			must(t, err)
			add(key)
			add(keys.JobName(tenant, j.Name))
			for n := range min(j.Revision, runtime.KeptRevisions) {
				add(keys.Revision(tenant, id, j.Revision-n))
			}
		case keys.KindTick:
			ticks = append(ticks, slices.Clone(key))
		case keys.KindDelivery, keys.KindDeadLetter:
			add(key)
			d, err := record.DecodeDelivery(value)
			must(t, err)
			if d.BodySize > 0 && len(d.Body) == 0 {
				id, err := keys.DecodeID(nil, rest[1:])
				must(t, err)
				add(keys.Execution(keys.KindCallbackBody, tenant, id))
			}
		case keys.KindJobAccepted, keys.KindJobDone:
			id, err := keys.DecodeID(nil, rest[1:])
			must(t, err)
			x, err := readJobExecution(s.db, tenant, id)
			must(t, err)
			counts[jobRef{tenant, x.JobID}]++
			add(key)
			if x.Name != x.ID {
				add(keys.JobExecutionName(tenant, x.JobID, x.Name))
			}
			if rest[0] == keys.KindJobDone {
				add(append(keys.ExecutionsByJob(keys.KindDoneByJob, tenant, x.JobID), id[:]...))
				if _, _, _, err := readUnfinishedJob(s.db, tenant, id); !errors.Is(err, kv.ErrAbsent) || !x.State.Terminal() || x.Stats.Ended() != x.Stats.Total {
					t.Fatalf("execution %s of a job is both done and not done, %+v: %v", id, x, err)
				}
				return nil
			}
			add(append(keys.ExecutionsByJob(keys.KindUnfinishedByJob, tenant, x.JobID), id[:]...))
			if progress := keys.Execution(keys.KindJobProgress, tenant, id); s.absent(progress) != nil {
				add(progress)
			}
			checkTasks(t, s, x)
		}
		return nil
	}))
	for of, n := range counts {
		if _, err := readJobRecord(s.db, of.tenant, of.id); err != nil {
			continue
		}
		if got, err := kv.Find(s.db, keys.JobCount(of.tenant, of.id), record.DecodeNumber); err != nil || got == nil || *got != n {
			t.Fatalf("job %s has %d executions, its count is %v, %v", of.id, n, got, err)
		}
	}
	must(t, eachJobOf(s, func(tenant runtime.Tenant, id string) {
		if key := keys.JobCount(tenant, id); s.absent(key) != nil {
			add(key) // also if all executions were dropped
		}
		for _, key := range ticks {
			if bytes.HasPrefix(key, keys.Ticks(tenant, id)) {
				add(key)
			}
		}
	}))
	if maps.Equal(there, should) {
		return
	}
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

func eachJobOf(s *Store, do func(tenant runtime.Tenant, id string)) error {
	return s.EachJob(func(j runtime.Job) error { do(j.Tenant, j.ID); return nil })
}

// checkTasks compares the counts of a job's unfinished execution with its tasks: all tasks that are
// not done exist.
func checkTasks(t testing.TB, s *Store, x runtime.JobExecution) {
	t.Helper()
	left := 0
	for i := range x.Stats.Total {
		id, _ := keys.ParseID(runtime.TaskID(x.ID, i))
		u, err := readUnfinished(s.db, x.Tenant, id)
		if errors.Is(err, kv.ErrAbsent) {
			continue
		}
		must(t, err)
		left++
		if x.CancelRequested && u.Lease == nil {
			t.Fatalf("execution %s of a job is cancelled, but task %d is queued", x.ID, i)
		}
		if u.Lease != nil && x.Started.IsZero() {
			t.Logf("task %d of %s runs, but the execution has not started", i, x.ID)
		}
	}
	if left != x.Stats.Total-x.Stats.Ended() || left == 0 {
		t.Fatalf("execution %s of a job is %+v, but %d of its tasks are not done", x.ID, x, left)
	}
}
