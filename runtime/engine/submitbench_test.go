package engine_test

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/storage"
)

func diskEngine(b *testing.B) *engine.Engine {
	b.Helper()
	store, err := storage.Open(storage.Options{Dir: b.TempDir() + "/store", FS: vfs.Default, Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	e := newEngine(b, engine.Options{Store: store})
	create(b, e, spec("hello", `"hello"`))
	return e
}

// BenchmarkRunRecorded measures a blocking run with its record on a real disk; the sandbox takes
// no time.
func BenchmarkRunRecorded(b *testing.B) {
	e := diskEngine(b)
	r := runtime.RunRequest{Tenant: tenant, Function: "hello", Args: []byte(`{"name":"you"}`)}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := e.Run(context.Background(), r); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkBulk measures 10,000 runs from their acceptance to the last end, on a real disk; the
// sandbox takes no time.
func BenchmarkBulk(b *testing.B) {
	e := diskEngine(b)
	args := many(runtime.MaxBulk)
	b.ReportAllocs()
	for b.Loop() {
		a, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: args})
		if err != nil {
			b.Fatal(err)
		}
		for _, id := range a.IDs {
			if _, err := e.AwaitExecution(context.Background(), tenant, id); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*runtime.MaxBulk/b.Elapsed().Seconds(), "runs/s")
}

// BenchmarkSubmit64 measures acceptance by 64 concurrent callers, on a real disk.
func BenchmarkSubmit64(b *testing.B) {
	e := diskEngine(b)
	r := runtime.SubmitRequest{Tenant: tenant, Function: "hello", Args: []byte(`{"name":"you"}`)}
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := e.Submit(context.Background(), r); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkAcceptanceToStart measures one run at a time on an idle server, from the moment when
// it is on disk to its begin.
func BenchmarkAcceptanceToStart(b *testing.B) {
	began := make(chan struct{}, 1)
	store, err := storage.Open(storage.Options{Dir: b.TempDir() + "/store", FS: vfs.Default, Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	e := engineOn(b, store, engine.Options{Sandbox: &fakeSandbox{
		run: func(_ context.Context, p runtime.Program, _, _ []byte) (runtime.Outcome, error) {
			began <- struct{}{}
			return runtime.Outcome{Result: p.Source}, nil
		},
	}})
	defer e.Close(context.Background())
	create(b, e, spec("hello", `"hello"`))
	for b.Loop() {
		b.StopTimer()
		id := submit(b, e, runtime.SubmitRequest{})
		b.StartTimer()
		<-began
		b.StopTimer()
		await(b, e, id)
		b.StartTimer()
	}
}

// queueStore starts nothing: queued executions stay queued.
type queueStore struct{ runtime.Store }

func (queueStore) Start([]runtime.Lease) ([]error, error) {
	return nil, runtime.Errorf(runtime.CodeUnavailable, "nothing starts")
}

// BenchmarkStartWithBacklog opens and closes an engine with 100,000 queued executions.
func BenchmarkStartWithBacklog(b *testing.B) {
	store, err := storage.Open(storage.Options{Dir: b.TempDir() + "/store", FS: vfs.Default, Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	options := engine.Options{Sandbox: &fakeSandbox{}}
	e := engineOn(b, queueStore{store}, options)
	create(b, e, spec("hello", `"hello"`))
	for range 10 {
		if _, err := e.SubmitBulk(context.Background(), runtime.BulkRequest{Tenant: tenant, Function: "hello", Args: many(runtime.MaxBulk)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := e.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		e := engineOn(b, queueStore{store}, options)
		if err := e.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJob measures an execution of a job with 10,000 tasks from its acceptance to its end,
// as BenchmarkBulk does for a bulk.
func BenchmarkJob(b *testing.B) {
	e := diskEngine(b)
	if _, err := e.CreateJob(context.Background(), job(runtime.JobSpec{})); err != nil {
		b.Fatal(err)
	}
	all := tasks(runtime.MaxTasks)
	b.ReportAllocs()
	for b.Loop() {
		awaitJob(b, e, startJob(b, e, runtime.JobStartRequest{Tasks: all}))
	}
	b.ReportMetric(float64(b.N)*runtime.MaxTasks/b.Elapsed().Seconds(), "runs/s")
}
