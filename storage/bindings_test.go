package storage

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// Jobs that know their functions by name alone are bound when the store is opened: to the functions
// that have the names then, or to none.
func TestJobsAreBoundAtOpen(t *testing.T) {
	fs := vfs.NewMem()
	s, err := Open(options(fs, "store"))
	must(t, err)
	f := runtime.Function{ID: "id", Tenant: "t", Name: "f", Version: 1, Created: start, Updated: start}
	change := func(x runtime.Execution) runtime.Change { return runtime.Change{Execution: x} }
	done := func(kind runtime.Kind) runtime.Execution {
		return runtime.Execution{
			ID: runtime.NewID(), Tenant: "t", Kind: kind, FunctionID: f.ID, Function: "f", Version: 1, State: runtime.StateSucceeded,
			Created: start, Started: start, Finished: start,
		}
	}
	must(t, s.CreateFunction(f, runtime.Version{FunctionID: f.ID, Number: 1, Name: "f", Source: []byte("s"), Created: start}, change(done(runtime.KindCreate))))
	var ids []string
	for _, name := range []string{"f", "none"} {
		j := runtime.Job{ID: runtime.NewID(), Tenant: "t", Name: "job-" + name, Revision: 1, Created: start, Updated: start, Spec: runtime.JobSpec{Function: name}}
		must(t, s.CreateJob(j))
		j.Revision, j.Spec.Disabled = 2, true
		must(t, s.UpdateJob(j))
		ids = append(ids, j.ID)
	}
	must(t, s.Close())
	for range 2 {
		s, err = Open(options(fs, "store"))
		must(t, err)
		for i, want := range []string{"id", ""} {
			j, err := s.GetJobByID("t", ids[i])
			if err != nil || j.Spec.FunctionID != want {
				t.Errorf("%s is bound to %q, %v", j.Name, j.Spec.FunctionID, err)
			}
			revisions, err := s.ListJobRevisions("t", j.ID)
			if err != nil || len(revisions) != 2 || revisions[1].Spec.FunctionID != want {
				t.Errorf("the revisions of %s are %+v, %v", j.Name, revisions, err)
			}
		}
		must(t, s.Close())
	}
	// A job follows the name of its function; the name of a deleted one stays.
	s = openOn(t, fs, "store")
	f.Name, f.Updated = "g", start.Add(time.Second)
	must(t, s.UpdateFunction(f, nil, change(done(runtime.KindUpdate))))
	if j, err := s.GetJobByName("t", "job-f"); err != nil || j.Spec.Function != "g" {
		t.Errorf("the job is %+v, %v", j, err)
	}
	must(t, s.DeleteFunction("t", "id", change(done(runtime.KindDelete))))
	if j, err := s.GetJobByName("t", "job-f"); err != nil || j.Spec.Function != "f" || j.Spec.FunctionID != "id" {
		t.Errorf("the job is %+v, %v", j, err)
	}
	// A damaged revision is found.
	must(t, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error {
		return b.Set(keys.Revision("t", ids[1], 1), record.EncodeRaw("x"), nil)
	}))
	if err := s.bindJobs(); err == nil {
		t.Error("a damaged revision was bound")
	}
	must(t, errors.Join(s.commits.Write(commit.NewWork, func(b *pebble.Batch) error { return b.Delete(keys.Revision("t", ids[1], 1), nil) })))
}
