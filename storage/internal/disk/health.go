package disk

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// slowOperation is the time that one operation of the disk may take before the disk counts as
	// slow.
	slowOperation = 5 * time.Second
	// SlowFor is the time for which the disk counts as slow after a slow operation.
	SlowFor = 30 * time.Second
	// retryAfter is the time after which a refused caller should retry.
	retryAfter = 10 * time.Second
)

// Health is the known state of the disk.
type Health struct {
	log     *slog.Logger
	now     func() time.Time
	minFree uint64 // bytes

	mu         sync.Mutex
	damage     error         // the last damage that was found
	damaged    func(error)   // called for a damaged file
	stalled    bool          // writes have to wait now
	patient    bool          // writes to the log wait while the disk is full
	logWaits   bool          // such a write waits
	stuck      func(error)   // called for failures that Pebble retries without end
	broken     func(error)   // called when a log fails
	failures   int           // flushes and compactions that failed in a row
	background error         // the error of the last flush or compaction, nil if it succeeded
	failure    error         // the error of the last failure of one
	failed     chan struct{} // closed at the next failure; nil: nothing waits for it
	slow       time.Time     // the last time at which the disk was slow
	low        bool          // the log says that the disk is nearly full
}

// NewHealth returns the state of a disk before its first event. The disk counts as nearly full
// below minFree bytes of free space.
func NewHealth(log *slog.Logger, now func() time.Time, minFree uint64) *Health {
	return &Health{log: log, now: now, minFree: minFree}
}

// Watch wraps a file system, so that its failures and slow operations change h. When an operation
// finds the disk full, release is called, which may free some room. The caller must close the
// watcher.
func (h *Health) Watch(fs vfs.FS, release func() bool) (watched vfs.FS, watcher io.Closer) {
	watched, watcher = vfs.WithDiskHealthChecks(vfs.OnDiskFull(fs, func() { release() }), slowOperation, nil, h.diskSlow)
	return logFS{tableFS{watched, h}, h.logFailed, h.waitForRoom, h.roomAgain}, watcher
}

// waitForRoom is called when the disk has no room for a log. It reports whether to wait for room:
// only while the store is open.
func (h *Health) waitForRoom() bool {
	h.mu.Lock()
	first, wait := !h.logWaits, h.patient
	h.logWaits = wait
	h.mu.Unlock()
	if first && wait {
		h.log.Error("storage: the disk is full; changes wait until there is room")
	}
	return wait
}

func (h *Health) roomAgain() {
	h.set(func() { h.logWaits = false })
	h.log.Info("storage: the disk has room again")
}

// SetPatient sets whether writes to the log wait while the disk is full. If not, they fail.
func (h *Health) SetPatient(patient bool) { h.set(func() { h.patient = patient }) }

// SetDamaged sets the function that is called for a damaged file. It must not return. If damage was
// found before, SetDamaged returns it.
func (h *Health) SetDamaged(damaged func(error)) (found error) {
	h.set(func() { h.damaged, found = damaged, h.damage })
	return found
}

// SetStuck sets the function that is called when flushes fail again and again, while Pebble opens
// the store and retries without end. Nil: nothing.
func (h *Health) SetStuck(stuck func(error)) { h.set(func() { h.stuck = stuck }) }

// SetBroken sets the function that is called when Pebble's log fails. It must not return. Until it
// is set nothing is called: while Pebble opens the store, Pebble itself returns these errors.
func (h *Health) SetBroken(broken func(error)) { h.set(func() { h.broken = broken }) }

// Writable returns why writes are refused now, regardless of the free space, or nil.
func (h *Health) Writable(newWork bool) error {
	h.mu.Lock()
	stalled, waits, background := h.stalled, h.logWaits, h.background
	h.mu.Unlock()
	switch {
	case waits:
		return h.Full()
	case stalled:
		return unavailable("the disk does not keep up with the writes", "check the disk's load and free space")
	case background != nil && newWork:
		return unavailable("the store cannot compact its files", "check the disk's state and free space; the log of the server has the reason")
	}
	return nil
}

// Full returns the error of a write that the disk, or the memory for what it does not take, has no
// room for.
func (h *Health) Full() error {
	h.mu.Lock()
	background := h.background
	h.mu.Unlock()
	switch {
	case background != nil && !IsFull(background):
		return unavailable("the store cannot write its files", "check the disk's state and free space; the log of the server has the reason")
	case background != nil:
		return unavailable("the disk is full", "free some space on the disk of the server's data folder")
	}
	return unavailable("the disk is full, or does not keep up with the writes", "free some space on the disk of the server's data folder, and check its load")
}

// roomSlack divides the floor of free space: the log says that there is room again when one part more
// than the floor is free.
const roomSlack = 8

// Roomy returns why a write that takes space is refused on a disk with free bytes left, or nil.
func (h *Health) Roomy(free uint64) error {
	h.logRoom(free)
	if free < h.minFree {
		return unavailable("the disk is nearly full, so nothing new is stored",
			"free some space on the disk of the server's data folder, or delete functions")
	}
	return nil
}

// logRoom logs when the free space falls below the floor, and when there is room again.
func (h *Health) logRoom(free uint64) {
	h.mu.Lock()
	was := h.low
	h.low = free < h.minFree || was && free < h.minFree+h.minFree/roomSlack
	low := h.low
	h.mu.Unlock()
	switch {
	case low && !was:
		h.log.Warn("storage: the disk is nearly full: nothing new is accepted", "free", free, "floor", h.minFree,
			"hint", "free some space on the disk of the data folder, or delete functions")
	case was && !low:
		h.log.Info("storage: the disk has room again: new work is accepted", "free", free, "floor", h.minFree)
	}
}

// Slowness returns an error if an operation of the disk was slow within the last SlowFor.
func (h *Health) Slowness() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.slow.IsZero() && h.now().Sub(h.slow) < SlowFor {
		return unavailable("the disk is very slow: one operation took more than "+slowOperation.String(),
			"check the disk's load and state")
	}
	return nil
}

// unavailable returns the error of a write or a check that is refused. Clients see its texts: they have
// nothing of Pebble's, which the log has.
func unavailable(message, hint string) error {
	err := runtime.Errorf(runtime.CodeUnavailable, "%s", message).WithHint(hint)
	err.RetryAfter = retryAfter
	return err
}

// Listener returns the events of Pebble that change h.
func (h *Health) Listener() *pebble.EventListener {
	recovered := func(err error) {
		if err == nil && h.Failing() {
			h.log.Info("storage: flushes and compactions work again")
			h.set(func() { h.background, h.failures = nil, 0 })
		}
	}
	return &pebble.EventListener{
		BackgroundError: h.backgroundFailed,
		FlushEnd:        func(i pebble.FlushInfo) { recovered(i.Err) },
		CompactionEnd:   func(i pebble.CompactionInfo) { recovered(i.Err) },
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			h.log.Error("storage: damaged file", "file", i.Path, "err", i.Details)
			err := fmt.Errorf("file %s: %w", i.Path, i.Details)
			var damaged func(error)
			h.set(func() { damaged, h.damage = h.damaged, err })
			if damaged != nil {
				damaged(err)
			}
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			h.log.Warn("storage: writes are stalled", "reason", i.Reason)
			h.set(func() { h.stalled = true })
		},
		WriteStallEnd: func() { h.set(func() { h.stalled = false }) },
		DiskSlow:      h.diskSlow,
		WALCreated: func(i pebble.WALCreateInfo) {
			if i.Err != nil {
				h.logFailed(i.Err)
			}
		},
	}
}

// backgroundFailed is called when a flush or compaction has failed; Pebble retries it. Only the
// first failure in a row is logged.
func (h *Health) backgroundFailed(err error) {
	first := !h.Failing()
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
		h.log.Error("storage: a flush or compaction failed; it is retried until it succeeds", "err", err)
	}
}

// logFailed is called when an operation on Pebble's log has failed.
func (h *Health) logFailed(err error) {
	var broken func(error)
	h.set(func() { broken = h.broken })
	if broken != nil {
		broken(err)
	}
}

// Failing reports whether the last flush or compaction failed.
func (h *Health) Failing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.background != nil
}

// nextFailure returns a channel that is closed when the next flush or compaction fails.
func (h *Health) nextFailure() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed == nil {
		h.failed = make(chan struct{})
	}
	return h.failed
}

func (h *Health) lastFailure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failure
}

// diskSlow is called by the watcher of the disk, so it must not block.
func (h *Health) diskSlow(i vfs.DiskSlowInfo) {
	h.set(func() { h.slow = h.now() })
	h.log.Warn("storage: the disk is slow", "operation", i.OpType.String(), "file", i.Path, "duration", i.Duration)
}

// set calls change with the lock held.
func (h *Health) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}
