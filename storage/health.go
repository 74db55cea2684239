package storage

import (
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// slowDisk is how long one operation of the disk may take before the disk
	// counts as slow, and slowFor how long it counts as slow afterwards.
	slowDisk = 5 * time.Second
	slowFor  = 30 * time.Second
	// unavailableRetry is what callers are told to wait.
	unavailableRetry = 10 * time.Second
)

// health is what is known about the state of the disk.
type health struct {
	log     *slog.Logger
	now     func() time.Time
	minFree uint64 // bytes

	mu         sync.Mutex
	corruption string        // what was found damaged first
	stalled    string        // why writes have to wait now
	stuck      func(error)   // is told, while the store is opened, of failures that Pebble does not stop at
	broken     func(error)   // is told, once the store is open, of a log that fails
	failures   int           // of flushes and compactions, in a row
	background error         // the last flush or compaction failed
	failure    error         // the last failure of one
	failed     chan struct{} // closed at the next failure; nil: nobody waits for it
	slow       time.Time     // when the disk was slow last
}

// usage tells the free bytes of the disk; ok is false where that is unknown.
type usage func() (free uint64, ok bool)

// Health tells what is wrong with the store or its disk, as a CodeUnavailable
// error, or nil.
func (s *Store) Health() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.life.RUnlock()
	if err := s.health.writable(true, s.full); err != nil {
		return err
	}
	if err := s.health.roomy(s.usage); err != nil {
		return err
	}
	return s.health.slowness()
}

func (s *Store) usage() (free uint64, ok bool) {
	u, err := s.fs.GetDiskUsage(s.dir)
	return u.AvailBytes, err == nil
}

// full tells whether so much waits for a flush that a little more would have to
// wait, too. While flushes fail that would be without end, and with it would wait
// whoever reads what is written.
func (s *Store) full() bool {
	return s.db.Metrics().MemTable.Size >= (memTables-1)*memTableSize
}

// writable tells why a write cannot be taken now, whatever room there is. full is
// asked while flushes fail.
func (h *health) writable(takesRoom bool, full func() bool) error {
	h.mu.Lock()
	corruption, stalled, background := h.corruption, h.stalled, h.background
	h.mu.Unlock()
	switch {
	case corruption != "":
		return unavailable("a file of the store is damaged, so nothing is changed any more",
			"stop the server and restore its data folder from a backup: "+corruption)
	case stalled != "":
		return unavailable("the disk does not keep up with what is written: "+stalled,
			"look at the disk's load and free space")
	case background != nil && (takesRoom || full()):
		return unavailable("the store cannot put its files in order: "+background.Error(),
			"look at the disk's state and free space")
	}
	return nil
}

// roomy tells why what takes room cannot be taken, if the disk is nearly full.
func (h *health) roomy(disk usage) error {
	if free, ok := disk(); ok && free < h.minFree {
		return unavailable("the disk is nearly full, so nothing new is kept",
			"free some space on the disk of the server's data folder, or delete functions")
	}
	return nil
}

func (h *health) slowness() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.slow.IsZero() && h.now().Sub(h.slow) < slowFor {
		return unavailable("the disk is very slow: one operation took more than "+slowDisk.String(),
			"look at the disk's load and state")
	}
	return nil
}

func unavailable(message, hint string) error {
	err := runtime.Errorf(runtime.CodeUnavailable, "%s", message).WithHint(hint)
	err.RetryAfter = unavailableRetry
	return err
}

// listen gives what Pebble is to tell about.
func (h *health) listen() *pebble.EventListener {
	recovered := func(err error) {
		if err == nil && h.failing() {
			h.log.Info("storage: flushes and compactions work again")
			h.set(func() { h.background, h.failures = nil, 0 })
		}
	}
	return &pebble.EventListener{
		BackgroundError: h.backgroundFailed,
		FlushEnd:        func(i pebble.FlushInfo) { recovered(i.Err) },
		CompactionEnd:   func(i pebble.CompactionInfo) { recovered(i.Err) },
		// Without this, Pebble would end the process on the first bad block,
		// though all else can still be read.
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			h.log.Error("storage: damaged file", "file", i.Path, "err", i.Details)
			h.set(func() {
				if h.corruption == "" {
					h.corruption = i.Path
				}
			})
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			h.log.Warn("storage: writes are stalled", "reason", i.Reason)
			h.set(func() { h.stalled = i.Reason })
		},
		WriteStallEnd: func() { h.set(func() { h.stalled = "" }) },
		DiskSlow:      h.diskSlow,
		WALCreated: func(i pebble.WALCreateInfo) {
			if i.Err != nil {
				h.logFailed(i.Err)
			}
		},
	}
}

// backgroundFailed is told of a flush or compaction that failed and is tried
// again. The log is told of the first one.
func (h *health) backgroundFailed(err error) {
	first := !h.failing()
	var stuck func(error)
	h.set(func() {
		h.background, h.failure = err, err
		if h.failures++; h.failures == flushFailures {
			stuck = h.stuck
		}
		if h.failed != nil {
			close(h.failed)
			h.failed = nil
		}
	})
	if stuck != nil {
		stuck(err)
	}
	if first {
		h.log.Error("storage: a flush or compaction failed, it is tried again until it succeeds", "err", err)
	}
}

// logFailed is told what fails with Pebble's log. While the store is opened,
// Pebble itself gives that as an error.
func (h *health) logFailed(err error) {
	var broken func(error)
	h.set(func() { broken = h.broken })
	if broken != nil {
		broken(err)
	}
}

// failing tells whether the last flush or compaction failed.
func (h *health) failing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.background != nil
}

// nextFailure gives a channel that is closed when a flush or compaction fails.
func (h *health) nextFailure() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed == nil {
		h.failed = make(chan struct{})
	}
	return h.failed
}

func (h *health) lastFailure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failure
}

// diskSlow must not block: it is called by what watches the disk.
func (h *health) diskSlow(i vfs.DiskSlowInfo) {
	h.set(func() { h.slow = h.now() })
	h.log.Warn("storage: the disk is slow", "operation", i.OpType.String(), "file", i.Path, "duration", i.Duration)
}

func (h *health) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}
