package metrics

import (
	"bytes"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// Sources are the parts of the server that are read at each scrape. All must be set. They are called by
// one goroutine at a time.
type Sources struct {
	Version string
	Memory  *memory.Budget
	Store   func() runtime.StoreFigures
	// Engine returns false until there is an engine.
	Engine  func() (runtime.EngineFigures, bool)
	Server  func() runtime.ServerFigures
	Workers func() []runtime.WorkerStatus // none: runs happen in the server
	Traces  func() runtime.TraceFigures
	// Slots returns the numbers of idle interpreters of the server, and of those in use.
	Slots func() (idle, busy int)
}

// Metrics are the figures of one server. All methods may be called concurrently.
type Metrics struct {
	registry *prometheus.Registry
	runs     *runs
	scrape   sync.Mutex
}

// New returns Metrics that have counted no run yet.
func New(s Sources) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), runs: newRuns()}
	m.registry.MustRegister(m.runs.collectors...)
	m.registry.MustRegister(newParts(s), collectors.NewGoCollector())
	return m
}

// OnEnd counts a run that has ended.
func (m *Metrics) OnEnd(x *runtime.Execution, blocking bool) { m.runs.count(x, blocking) }

// Text returns all figures in the text format of Prometheus. Scrapes wait for each other.
func (m *Metrics) Text() ([]byte, error) {
	m.scrape.Lock()
	defer m.scrape.Unlock()
	families, err := m.registry.Gather()
	if err != nil {
		return nil, runtime.Internal("metrics.gather", err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			return nil, runtime.Internal("metrics.encode", err)
		}
	}
	return text.Bytes(), nil
}
