package server

import (
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/metrics"
)

// newMetrics returns the metrics of a server whose store and budget are open.
func (s *server) newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Sources{
		Version: s.Version,
		Memory:  s.memory,
		Store:   s.store.Figures,
		Engine: func() (runtime.EngineFigures, bool) {
			e := s.measured.Load()
			if e == nil {
				return runtime.EngineFigures{}, false
			}
			return e.Figures(), true
		},
		Server:  func() runtime.ServerFigures { return s.web.Figures() }, // it serves the scrape
		Workers: s.workerStatus,
		Traces:  s.traceFigures,
		Slots: func() (idle, busy int) {
			if box := s.own.Load(); box != nil {
				return box.Slots()
			}
			return 0, 0
		},
	})
}
