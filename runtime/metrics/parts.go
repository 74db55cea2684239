package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// parts collects the figures of the parts of the server.
type parts struct {
	sources Sources
	figures []figure
	memory  *prometheus.Desc
	syncs   *prometheus.Desc
}

// reading is what one scrape has read.
type reading struct {
	budget   *memory.Budget
	store    runtime.StoreFigures
	engine   runtime.EngineFigures
	server   runtime.ServerFigures
	workers  []runtime.WorkerStatus
	traces   runtime.TraceFigures
	restarts int
	idle     int  // interpreters
	busy     int  // interpreters
	remote   int  // runs in workers
	running  bool // there is an engine
}

// figure is one series of a metric.
type figure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*reading) float64
}

func newParts(s Sources) *parts {
	p := &parts{
		sources: s,
		memory:  prometheus.NewDesc("faaspot_memory_held_bytes", "Memory that each kind of holder has of the budget.", []string{"holder"}, nil),
		syncs:   prometheus.NewDesc("faaspot_store_sync_seconds", "Time of the syncs of the store's log, one for each group of commits.", nil, nil),
	}
	p.add(prometheus.GaugeValue, "faaspot_info", "The version of the server.", "version", s.Version, func(*reading) float64 { return 1 })
	p.addEngine()
	p.addServer()
	p.addStore()
	return p
}

// add adds a series. label may be empty.
func (p *parts) add(kind prometheus.ValueType, name, help, label, labelValue string, value func(*reading) float64) {
	var labels prometheus.Labels
	if label != "" {
		labels = prometheus.Labels{label: labelValue}
	}
	p.figures = append(p.figures, figure{prometheus.NewDesc(name, help, nil, labels), kind, value})
}

func (p *parts) gauge(name, help string, value func(*reading) float64) {
	p.add(prometheus.GaugeValue, name, help, "", "", value)
}

func (p *parts) counter(name, help string, value func(*reading) float64) {
	p.add(prometheus.CounterValue, name, help, "", "", value)
}

// states adds a gauge with a series for each state.
func (p *parts) states(name, help string, of map[string]func(*reading) float64) {
	for state, value := range of {
		p.add(prometheus.GaugeValue, name, help, "state", state, value)
	}
}

func (p *parts) addEngine() {
	p.states("faaspot_queue_runs", "Runs in the background that have no attempt: waiting for their turn, delayed until their next attempt, or held by others of their job's execution, or of functions that are paused.",
		map[string]func(*reading) float64{
			"waiting": func(r *reading) float64 { return float64(r.engine.Waiting) },
			"delayed": func(r *reading) float64 { return float64(r.engine.Delayed) },
			"held":    func(r *reading) float64 { return float64(r.engine.Held) },
			"paused":  func(r *reading) float64 { return float64(r.engine.Paused) },
		})
	p.gauge("faaspot_queue_oldest_seconds", "Age of the oldest run that waits for its turn; 0 if none does.", func(r *reading) float64 { return r.engine.Oldest.Seconds() })
	p.states("faaspot_runs", "Runs that have started: computing, waiting for something in an interpreter, or parked without one.",
		map[string]func(*reading) float64{
			"computing": func(r *reading) float64 { return float64(r.engine.Running - r.engine.WaitingRuns) },
			"waiting":   func(r *reading) float64 { return float64(r.engine.WaitingRuns - r.engine.Parked) },
			"parked":    func(r *reading) float64 { return float64(r.engine.Parked) },
		})
	p.gauge("faaspot_blocked_callers", "Callers whose run waits for memory.", func(r *reading) float64 { return float64(r.engine.BlockedCallers) })
	p.gauge("faaspot_away_runs", "Runs that other nodes of the cluster run for this one, which owns the data.", func(r *reading) float64 { return float64(r.engine.Away) })
	const away, awayHelp = "faaspot_away_attempts_total", "Attempts that were sent to other nodes, that came back because these did not begin them, that were lost with their nodes, and that were adopted from an earlier owner of the data."
	p.add(prometheus.CounterValue, away, awayHelp, "event", "sent", func(r *reading) float64 { return float64(r.engine.SentAway) })
	p.add(prometheus.CounterValue, away, awayHelp, "event", "returned", func(r *reading) float64 { return float64(r.engine.Returned) })
	p.add(prometheus.CounterValue, away, awayHelp, "event", "lost", func(r *reading) float64 { return float64(r.engine.LostAway) })
	p.add(prometheus.CounterValue, away, awayHelp, "event", "adopted", func(r *reading) float64 { return float64(r.engine.Adopted) })
	p.gauge("faaspot_lent_runs", "Runs for the node that owns the data, which faaspot_runs includes.", func(r *reading) float64 { return float64(r.engine.Lent) })
	p.gauge("faaspot_lendable_places", "Runs that the node that owns the data could have here besides.", func(r *reading) float64 { return float64(r.engine.LendPlaces) })
	p.gauge("faaspot_lendable_bytes", "Memory that these could use.", func(r *reading) float64 { return float64(r.engine.LendBytes) })
	p.gauge("faaspot_followers", "Requests that follow executions.", func(r *reading) float64 { return float64(r.engine.Followers) })
	p.gauge("faaspot_callbacks_waiting", "Callbacks that are not delivered.", func(r *reading) float64 { return float64(r.engine.Callbacks) })
	const posts, help = "faaspot_callback_posts_total", "Posts of callbacks, by whether the receiver accepted them."
	p.add(prometheus.CounterValue, posts, help, "outcome", "accepted", func(r *reading) float64 { return float64(r.engine.Delivered) })
	p.add(prometheus.CounterValue, posts, help, "outcome", "failed", func(r *reading) float64 { return float64(r.engine.FailedPosts) })
	p.counter("faaspot_dead_letters_total", "Callbacks that became dead letters.", func(r *reading) float64 { return float64(r.engine.DeadLetters) })
}

func (p *parts) addServer() {
	p.gauge("faaspot_ready", "1 once the server runs functions, else 0.", func(r *reading) float64 { return flag(r.running) })
	p.gauge("faaspot_memory_budget_bytes", "The memory budget.", func(r *reading) float64 { return float64(r.budget.Total()) })
	p.gauge("faaspot_memory_used_bytes", "Memory that is taken of the budget.", func(r *reading) float64 { return float64(r.budget.Used()) })
	p.gauge("faaspot_memory_resident_bytes", "Resident memory of the process; 0 where the system does not report it.", func(r *reading) float64 { return float64(r.budget.Resident()) })
	p.states("faaspot_slots", "Interpreters of the server itself, which has none if it has workers.", map[string]func(*reading) float64{
		"idle": func(r *reading) float64 { return float64(r.idle) },
		"busy": func(r *reading) float64 { return float64(r.busy) },
	})
	p.gauge("faaspot_workers", "Worker processes.", func(r *reading) float64 { return float64(len(r.workers)) })
	p.gauge("faaspot_worker_runs", "Runs in worker processes.", func(r *reading) float64 { return float64(r.remote) })
	p.gauge("faaspot_worker_restarts", "Processes that have ended before the present worker processes.", func(r *reading) float64 { return float64(r.restarts) })
	const spans, spansHelp = "faaspot_trace_spans_total", "Spans that the collector of traces has taken, and that were dropped."
	p.add(prometheus.CounterValue, spans, spansHelp, "outcome", "exported", func(r *reading) float64 { return float64(r.traces.Exported) })
	p.add(prometheus.CounterValue, spans, spansHelp, "outcome", "dropped", func(r *reading) float64 { return float64(r.traces.Dropped) })
	p.gauge("faaspot_trace_spans_waiting", "Spans that wait to be exported.", func(r *reading) float64 { return float64(r.traces.Waiting) })
	p.gauge("faaspot_http_connections", "Open connections to the API.", func(r *reading) float64 { return float64(r.server.Connections) })
	p.gauge("faaspot_http_waiting_requests", "Requests that wait for an execution, or follow logs or executions.", func(r *reading) float64 { return float64(r.server.Waiting) })
	for i, class := range []string{"1xx", "2xx", "3xx", "4xx", "5xx"} {
		p.add(prometheus.CounterValue, "faaspot_http_requests_total", "Requests to the API, by class of the status.", "class", class,
			func(r *reading) float64 { return float64(r.server.Requests[i]) })
	}
}

func (p *parts) addStore() {
	p.gauge("faaspot_disk_free_bytes", "Free space on the disk of the data folder; 0 if it is not known.", func(r *reading) float64 { return float64(r.store.Disk.Free) })
	p.gauge("faaspot_disk_total_bytes", "Size of the disk of the data folder; 0 if it is not known.", func(r *reading) float64 { return float64(r.store.Disk.Total) })
	p.gauge("faaspot_disk_floor_bytes", "Free space below which nothing new is accepted.", func(r *reading) float64 { return float64(r.store.Disk.Floor) })
	p.gauge("faaspot_store_accepting", "1 if the store accepts new work, else 0.", func(r *reading) float64 { return flag(r.store.Disk.Problem == nil) })
	p.gauge("faaspot_store_bytes", "Size of the store on disk, its log included.", func(r *reading) float64 { return float64(r.store.Bytes) })
	p.gauge("faaspot_store_log_bytes", "Size of the store's log on disk.", func(r *reading) float64 { return float64(r.store.LogBytes) })
	p.gauge("faaspot_store_unflushed_bytes", "Data in memory that is not in tables.", func(r *reading) float64 { return float64(r.store.Unflushed) })
	p.gauge("faaspot_store_compaction_debt_bytes", "Estimate of what compactions have to write.", func(r *reading) float64 { return float64(r.store.Debt) })
	p.gauge("faaspot_store_sublevels", "Sublevels of the newest tables; many slow down reads.", func(r *reading) float64 { return float64(r.store.Sublevels) })
	p.gauge("faaspot_store_executions", "Executions that have ended and are kept.", func(r *reading) float64 { return float64(r.store.Executions) })
	p.gauge("faaspot_store_execution_bytes", "Size of the executions that have ended and are kept.", func(r *reading) float64 { return float64(r.store.ExecutionBytes) })
	p.counter("faaspot_store_flushes_total", "Flushes of memory into tables.", func(r *reading) float64 { return float64(r.store.Flushes) })
	p.counter("faaspot_store_compactions_total", "Compactions of tables.", func(r *reading) float64 { return float64(r.store.Compactions) })
	p.counter("faaspot_store_compaction_seconds_total", "Time of compactions.", func(r *reading) float64 { return r.store.CompactionTime.Seconds() })
	p.counter("faaspot_store_log_written_bytes_total", "Bytes written to the log.", func(r *reading) float64 { return float64(r.store.LogWritten) })
	p.counter("faaspot_store_flushed_bytes_total", "Bytes written by flushes.", func(r *reading) float64 { return float64(r.store.Flushed) })
	p.counter("faaspot_store_compacted_bytes_total", "Bytes written by compactions.", func(r *reading) float64 { return float64(r.store.Compacted) })
	p.counter("faaspot_store_cache_hits_total", "Blocks that were read from the cache.", func(r *reading) float64 { return float64(r.store.CacheHits) })
	p.counter("faaspot_store_cache_misses_total", "Blocks that were read from the disk.", func(r *reading) float64 { return float64(r.store.CacheMisses) })
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// Describe implements [prometheus.Collector].
func (p *parts) Describe(ch chan<- *prometheus.Desc) {
	for i := range p.figures {
		ch <- p.figures[i].desc
	}
	ch <- p.memory
	ch <- p.syncs
}

// Collect implements [prometheus.Collector].
func (p *parts) Collect(ch chan<- prometheus.Metric) {
	r := reading{budget: p.sources.Memory, store: p.sources.Store(), server: p.sources.Server(), workers: p.sources.Workers(), traces: p.sources.Traces()}
	r.engine, r.running = p.sources.Engine()
	r.idle, r.busy = p.sources.Slots()
	for i := range r.workers {
		r.restarts += r.workers[i].Restarts
		r.remote += r.workers[i].Runs
	}
	for i := range p.figures {
		f := &p.figures[i]
		ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(&r))
	}
	for _, h := range p.sources.Memory.Holders() {
		ch <- prometheus.MustNewConstMetric(p.memory, prometheus.GaugeValue, float64(h.Bytes), h.Name)
	}
	ch <- prometheus.MustNewConstHistogram(p.syncs, r.store.Syncs.Count, r.store.Syncs.Sum, r.store.Syncs.Buckets)
}
