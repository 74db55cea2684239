package storage

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// unpack copies a kept folder to a new directory.
func unpack(t *testing.T, archive string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "store")
	must(t, os.Mkdir(dir, 0o700))
	f, err := os.Open(archive)
	must(t, err)
	defer f.Close()
	zipped, err := gzip.NewReader(f)
	must(t, err)
	files := tar.NewReader(zipped)
	for {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		must(t, err)
		if head.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(files)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, filepath.Base(head.Name)), content, 0o600))
	}
}

// heldBy describes all that a store holds for the default tenant, as callers read it.
func heldBy(t *testing.T, s *Store) string {
	t.Helper()
	const tenant = runtime.DefaultTenant
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	functions, err := s.ListFunctions(tenant, "", 100)
	must(t, err)
	for _, f := range functions {
		line("function %s: version %d", f.Name, f.Version)
		numbers, err := s.ListVersions(tenant, f.ID)
		must(t, err)
		for _, n := range numbers {
			v, err := s.GetVersion(tenant, f.ID, n)
			must(t, err)
			line("  version %d of %s: %d bytes, context %s, %+v, %d retries", n, v.Name, len(v.Source), v.Context, v.Limits, v.Retries)
			if b := v.Bundle; !b.IsZero() {
				wantBundle(t, s, tenant, b)
				line("    bundle %s of %d bytes", b.ID, b.Bytes)
			}
		}
		found, _, err := s.SearchExecutions(tenant, runtime.SearchScan{ID: f.ID, End: time.Now().Add(time.Hour), Limit: 1000})
		must(t, err)
		seen := map[string]bool{}
		for _, x := range found {
			if seen[x.ID] {
				t.Errorf("a search finds %s twice", x.ID)
			}
			seen[x.ID] = true
		}
		line("  a search finds %d executions", len(found))
	}
	states := map[string]int{}
	must(t, s.EachUnfinished(func(x runtime.Execution) error {
		states[fmt.Sprintf("%s %s, a task %v, attempt %d", x.State, x.Function, x.Task != nil, x.Attempt)]++
		if args, err := s.GetArgs(tenant, x.ID); err != nil || len(args) == 0 {
			t.Errorf("args of %s: %s, %v", x.ID, args, err)
		}
		return nil
	}))
	for _, state := range slices.Sorted(maps.Keys(states)) {
		line("unfinished: %d %s", states[state], state)
	}
	all, err := s.ListExecutions(tenant, runtime.ExecutionFilter{}, "", 1000)
	must(t, err)
	for i := len(all) - 1; i >= 0; i-- {
		if x := &all[i]; x.State.Terminal() {
			_, page, err := s.GetLogs(tenant, x.ID, runtime.LogPosition{})
			must(t, err)
			if x.ResultSize > len(x.Result) { // a list has no large results
				whole, err := s.GetExecution(tenant, x.ID)
				must(t, err)
				x.Result = fmt.Appendf(nil, "%d bytes, from %.10q to %q", len(whole.Result), whole.Result, whole.Result[len(whole.Result)-10:])
			}
			failure := ""
			if x.Failure != nil {
				failure = x.Failure.Type
			}
			line("%s %s of %s version %d by %q: %s %s, logs %q", x.State, x.Kind, x.Function, x.Version, x.Caller.UserID, x.Result, failure, page.Logs.Data)
		}
	}
	must(t, s.EachJob(func(j runtime.Job) error {
		line("job %s: revision %d of %s, bound %v, %d triggers, %+v", j.Name, j.Revision, j.Spec.Function, j.Spec.FunctionID != "", len(j.Spec.Triggers), j.Spec.Env)
		return nil
	}))
	for _, name := range []string{"j", "long"} {
		j, err := s.GetJobByName(tenant, name)
		if runtime.CodeOf(err) == runtime.CodeNotFound {
			continue
		}
		must(t, err)
		revisions, err := s.ListJobRevisions(tenant, j.ID)
		must(t, err)
		page, err := s.ListJobExecutions(tenant, j.ID, runtime.PageRequest{Sort: runtime.SortCreatedAsc, Limit: 100})
		must(t, err)
		line("job %s: %d revisions", name, len(revisions))
		for _, x := range page.Items {
			line("  %s %q: %+v", x.State, x.Trigger, x.Stats)
		}
	}
	must(t, s.EachDelivery(func(d runtime.Delivery) error {
		whole, err := s.GetDelivery(d.Tenant, d.ID)
		must(t, err)
		line("delivery of %s to %s: attempts %v, body %v", d.Job, d.Callback.URL, d.Attempts > 0, len(whole.Body) > 0)
		return nil
	}))
	letters, err := s.ListDeadLetters(tenant, "", 100)
	must(t, err)
	for _, d := range letters {
		whole, err := s.GetDeadLetter(tenant, d.ID)
		must(t, err)
		line("dead letter of %s to %s: %d attempts, body %v of %d bytes", d.Job, d.Callback.URL, d.Attempts, len(whole.Body) == d.BodySize, d.BodySize)
	}
	return b.String()
}

// TestFoldersOfEarlierCommits opens a folder of each stored format since the first commit, as a server
// left it that was killed, and checks what it holds. Each keeps its content when it is opened again,
// and takes writes. CONTRIBUTING.md says how to add a folder.
func TestFoldersOfEarlierCommits(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob(filepath.Join("testdata", "folders", "*.tar.gz"))
	must(t, err)
	if len(archives) < 10 {
		t.Fatalf("there are %d folders", len(archives))
	}
	for _, archive := range archives {
		name := strings.TrimSuffix(filepath.Base(archive), ".tar.gz")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := unpack(t, archive)
			s, err := Open(Options{Dir: dir, Log: options(nil, "").Log})
			must(t, err)
			got := heldBy(t, s)
			checkInvariants(t, s)
			golden := filepath.Join("testdata", "folders", name+".golden")
			if *update {
				must(t, os.WriteFile(golden, []byte(got), 0o600))
			}
			want, err := os.ReadFile(golden)
			must(t, err)
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("the folder holds something else than when it was added:\n%s", diff)
			}
			must(t, s.Close())

			s, err = Open(Options{Dir: dir, Log: options(nil, "").Log})
			must(t, err)
			if again := heldBy(t, s); again != got {
				t.Errorf("opened again, it holds something else:\n%s", cmp.Diff(strings.Split(got, "\n"), strings.Split(again, "\n")))
			}
			must(t, s.Expire(time.Now(), runtime.Retention{Age: time.Hour, Count: 1}))
			checkInvariants(t, s)
			must(t, s.Close())
		})
	}
}

// TestFoldersOfLaterReleases: a folder whose format this release does not know is refused, unchanged,
// with what to type.
func TestFoldersOfLaterReleases(t *testing.T) {
	for _, format := range []uint64{0, formatVersion + 1} {
		dir := unpack(t, filepath.Join("testdata", "folders", "10-bodies-inline.tar.gz"))
		s, err := Open(Options{Dir: dir, Log: options(nil, "").Log})
		must(t, err)
		must(t, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error { return b.Set(keys.Format(), record.EncodeNumber(format), nil) }))
		must(t, s.Close())
		_, err = Open(Options{Dir: dir, Log: options(nil, "").Log})
		known, ok := runtime.AsError(err)
		if !ok || known.Code != runtime.CodeUnavailable || !strings.Contains(known.Message, fmt.Sprint("format is ", format)) || !strings.Contains(known.Hint, "fas --version") {
			t.Errorf("format %d: %v", format, err)
		}
	}
}
