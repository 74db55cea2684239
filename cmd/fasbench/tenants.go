package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage"
)

// manyTenants is the number of tenants of a server with many.
const manyTenants = 10_000

// allLimits are flags that set every limit that tenants can have, none of which is reached.
var allLimits = []string{
	"--tenant-requests", "1000000", "--tenant-runs", "100000", "--tenant-queued", "1000000", "--tenant-functions", "100000",
	"--tenant-code-bytes", "100GB", "--tenant-stored-bytes", "100GB", "--tenant-egress-bytes", "100GB", "--tenant-egress-hosts", "*.example.com:443",
	"--tenant-processor-share", "100", "--tenant-memory-bytes", "100GB", "--tenant-image-bytes", "100GB",
}

var tenantsBench = bench{
	name: "tenants",
	how: "A store with 10,000 tenants that have a function each. Idle: the memory as in the row of an idle server, 5 s after the start. Limits: processor time of the " +
		"server per blocking run, with every limit that tenants can have and without any, two servers by turns as in `fasbench compare`. Secrets are encrypted in both.",
	rows: []row{
		{what: "server start with 10,000 tenants with a function each", part: "start", of: "median", goal: "at most 5 s", holds: timeAtMost(5 * time.Second), limit: "reading tenants and counting what each has"},
		{what: "memory: idle server with 10,000 tenants with a function each", part: "idle", of: "resident", goal: "at most 400 MB", holds: bytesAtMost(400 * mb), limit: "the tenants in memory"},
		{what: "processor time of a blocking run with all limits of tenants / without limits", part: "limits", of: "with limits", peer: "without", goal: "at most 1.05x", holds: ratioAtMost(1.05), limit: "one processor"},
	},
	measure: measureTenants,
}

// measureTenants measures what many tenants cost, and what limits cost each run.
func measureTenants(ctx context.Context, l *lab) ([]measured, error) {
	data, err := l.tenantData(ctx)
	if err != nil {
		return nil, err
	}
	var times []time.Duration
	for range l.rounds(5, 2) {
		began := time.Now()
		s, err := l.serveIn(ctx, data)
		if err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
		s.stop()
	}
	s, err := l.serveIn(ctx, data)
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(restTime):
	case <-ctx.Done():
		s.stop()
		return nil, context.Cause(ctx)
	}
	idle, err := s.memory()
	s.stop()
	if err != nil {
		return nil, err
	}
	limits, err := l.cpuWith(ctx, allLimits...)
	if err != nil {
		return nil, err
	}
	return []measured{
		{value: elapsed(median(times)), notes: []string{fmt.Sprintf("start: %d starts", len(times))}},
		{value: quantity{idle.total(), inBytes}, notes: []string{"idle: " + idle.String()}},
		limits,
	}, nil
}

var workersBench = bench{
	name: "workers",
	how:  "Processor time per blocking run of all processes of a server with `--workers 1`, and of one without workers, by turns as in `fasbench compare`.",
	rows: []row{{
		what: "processor time of a blocking run in a worker process / in the server",
		of:   "worker", peer: "server", goal: "at most 15 µs more", holds: atMostMore(15 * time.Microsecond),
		limit: "waking the other process, twice for each run",
	}},
	measure: measureWorkers,
}

// measureWorkers measures what runs in a worker process cost.
func measureWorkers(ctx context.Context, l *lab) ([]measured, error) {
	m, err := l.cpuWith(ctx, "--workers", "1")
	return []measured{m}, err
}

// atMostMore returns a condition for row.holds: the value exceeds the peer's by a time at most.
func atMostMore(d time.Duration) func(measured) bool {
	return func(m measured) bool { return m.value.n-m.peer.n <= d.Seconds() }
}

// cpuWith returns the processor time of a blocking run in a server with flags, and in one without, as the
// comparison of revisions measures it; see comparer.round.
func (l *lab) cpuWith(ctx context.Context, flags ...string) (measured, error) {
	c := comparer{base: l, change: l, rows: comparisons[:1], flags: flags, problems: map[string]error{}}
	for i := range c.samples {
		c.samples[i] = map[string][]time.Duration{}
	}
	for round := range l.rounds(10, 4) {
		if err := c.round(ctx, round); err != nil {
			return measured{}, err
		}
	}
	row := c.rows[0].name
	if err := c.problems[row]; err != nil {
		return measured{}, err
	}
	base, change := c.samples[0][row], c.samples[1][row]
	r := pairedRatio(base, change)
	return measured{
		value: elapsed(geometricMean(change)), peer: elapsed(geometricMean(base)),
		notes: []string{fmt.Sprintf("%d rounds, 95 %% interval of the ratio %.3f to %.3f", len(base), r.low, r.high)},
	}, nil
}

// tenantData creates a data folder that holds the compiled guest, and tenants with a function each.
func (l *lab) tenantData(ctx context.Context) (string, error) {
	data, err := l.compiledData(ctx)
	if err != nil {
		return "", err
	}
	l.say("writing %d tenants", manyTenants)
	store, err := storage.Open(storage.Options{Dir: filepath.Join(data, "store"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	for i := range manyTenants {
		if err := makeTenant(store, runtime.Tenant(fmt.Sprintf("tenant-%d", i)), now); err != nil {
			return "", err
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
	}
	return data, store.Close()
}

// makeTenant stores a tenant with a function.
func makeTenant(store *storage.Store, name runtime.Tenant, now time.Time) error {
	if err := store.PutTenant(runtime.TenantRecord{Name: name, Created: now}, nil); err != nil {
		return err
	}
	id := uuid.Must(uuid.NewV7()).String()
	x := past(0, fewExecutions, now)
	x.ID, x.Tenant, x.Kind, x.FunctionID, x.Function, x.Version = idAt(now), name, runtime.KindCreate, id, "hello", 1
	return store.CreateFunction(
		runtime.Function{ID: id, Tenant: name, Name: "hello", Version: 1, Created: now, Updated: now},
		runtime.Version{FunctionID: id, Number: 1, Name: "hello", Source: []byte(helloCode()), Created: now},
		runtime.Change{Execution: x},
	)
}
