package storage

import (
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/faaspot/faaspot/runtime"
)

// Figures returns figures of the store for operators. After Close they are zero.
func (s *Store) Figures() (f runtime.StoreFigures) {
	disk := s.Disk()
	if err := s.enter(); err != nil {
		return f
	}
	defer s.life.RUnlock()
	m := s.db.Metrics()
	total := m.Total()
	f = runtime.StoreFigures{
		Bytes:          m.DiskSpaceUsage(),
		LogBytes:       m.WAL.PhysicalSize,
		Unflushed:      m.MemTable.Size,
		Debt:           m.Compact.EstimatedDebt,
		Sublevels:      int(m.Levels[0].Sublevels),
		Flushes:        uint64(m.Flush.Count),
		Compactions:    uint64(m.Compact.Count),
		CompactionTime: m.Compact.Duration,
		LogWritten:     m.WAL.BytesWritten,
		Flushed:        total.TableBytesFlushed,
		Compacted:      total.TableBytesCompacted,
		CacheHits:      uint64(m.BlockCache.Hits),
		CacheMisses:    uint64(m.BlockCache.Misses),
		Disk:           disk,
	}
	if m.LogWriter.FsyncLatency != nil {
		var metric dto.Metric
		if m.LogWriter.FsyncLatency.Write(&metric) == nil {
			f.Syncs = syncs(metric.GetHistogram())
		}
	}
	f.Executions, f.ExecutionBytes = s.usage.total()
	return f
}

// syncBounds are the bounds of the times of syncs that are reported. Each is one of Pebble's, or a little
// more than one.
var syncBounds = [...]time.Duration{
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond,
}

// syncs returns the times of syncs that Pebble has counted in nanoseconds, in fewer buckets: a bucket of
// Pebble's counts in the first one that has all of it.
func syncs(h *dto.Histogram) runtime.Histogram {
	r := runtime.Histogram{Count: h.GetSampleCount(), Sum: h.GetSampleSum() / float64(time.Second), Buckets: make(map[float64]uint64)}
	for _, bound := range syncBounds {
		var below uint64
		for _, b := range h.GetBucket() {
			if b.GetUpperBound() <= float64(bound) {
				below = b.GetCumulativeCount()
			}
		}
		r.Buckets[bound.Seconds()] = below
	}
	return r
}
