package storage

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/disk"
)

// The limits of what was written and is not flushed to tables, in bytes. Pebble stalls all writes
// at memTables*memTableSize, and readers wait for the writes that they can see, so no write may
// begin that could stall. Deletions and cancellations have room that nothing else uses.
const (
	unflushedLimit  = 3 * memTableSize
	unflushedRelief = (memTables-1)*memTableSize + memTableSize/2
)

const (
	// outcomePart divides MinFree: the ends of accepted work leave that part of it free, besides
	// the tables that they are flushed to.
	outcomePart = 4
	// fullDisk is the free space, in bytes, below which the log might not be written: deletions
	// and cancellations are refused, too.
	fullDisk = 1 << 20
	// memoryPatience is how long a write waits for flushes that make progress.
	memoryPatience = 10 * time.Second
)

// gate refuses writes for the state of the disk and of the memory.
type gate struct{ *Store }

// Writable returns why writes are refused now, regardless of the free space, or nil.
func (g gate) Writable(need commit.Need) error {
	if err := g.replica.writable(need); err != nil {
		return err
	}
	return g.health.Writable(need == commit.NewWork)
}

// Room returns the room that the disk and the memory have now.
func (g gate) Room() commit.Room {
	r := &room{gate: g}
	if u, err := g.fs.GetDiskUsage(g.dir); err == nil {
		r.known, r.free = true, u.AvailBytes
	}
	return r
}

// room is the room that one round of writes has.
type room struct {
	gate
	known    bool   // free is known
	free     uint64 // bytes on the disk
	admitted int64  // bytes of the round
	limit    int64  // of the unflushed bytes, for the round
}

// Admit returns why a write is refused, or nil.
func (r *room) Admit(need commit.Need, bytes int) error {
	limit := int64(unflushedLimit)
	if need == commit.Relief {
		limit = unflushedRelief
	}
	all := r.admitted + int64(bytes)
	if r.known {
		if err := r.roomy(need, uint64(all)); err != nil {
			return err
		}
	}
	if r.health.Failing() && !r.memory.Fits(all, limit) {
		return r.health.Full()
	}
	r.admitted, r.limit = all, max(r.limit, limit)
	return nil
}

// roomy returns why the disk has no room for a round of some bytes, or nil. Each byte is written
// twice: to the log, and to a table.
func (r *room) roomy(need commit.Need, bytes uint64) error {
	switch need {
	case commit.NewWork:
		if err := r.health.Roomy(r.free); err != nil {
			return err
		}
		fallthrough
	case commit.Outcome:
		rest := r.minFree/outcomePart + 2*bytes
		if r.free < rest+uint64(r.memory.Unflushed()) && r.free < rest+uint64(r.memory.Remeasure()) {
			return r.health.Full()
		}
	default:
		if r.free < fullDisk+2*bytes {
			if r.ballast.Release() {
				r.free = r.freeNow()
			}
			if r.free < fullDisk+2*bytes {
				return r.health.Full()
			}
		}
	}
	return nil
}

func (r *room) freeNow() uint64 {
	u, err := r.fs.GetDiskUsage(r.dir)
	if err != nil {
		return r.free
	}
	return u.AvailBytes
}

// Enter waits until memory has room for the round.
func (r *room) Enter() (leave func(), err error) {
	var until time.Time
	leave, ok := r.memory.Enter(r.admitted, r.limit, func() bool {
		now := time.Now()
		if until.IsZero() {
			until = now.Add(memoryPatience)
		}
		return r.health.Failing() || now.After(until)
	})
	if !ok {
		return nil, r.health.Full()
	}
	return leave, nil
}

// unflushed returns what the memory for writes holds, and the sublevels of level 0.
func (s *Store) unflushed() (bytes int64, sublevels int) {
	m := s.db.Metrics()
	return int64(m.MemTable.Size), int(m.Levels[0].Sublevels)
}

// prepareRoom removes the ballast if the disk might not have room for the tables of the logs that
// an earlier process has left.
func prepareRoom(fs vfs.FS, dir string, ballast *disk.Ballast) error {
	u, err := fs.GetDiskUsage(dir)
	if err != nil {
		return nil // the free space is not known
	}
	files, err := fs.List(dir)
	if err != nil {
		return err
	}
	need := uint64(memTableSize)
	for _, file := range files {
		if !disk.IsLog(file) {
			continue
		}
		info, err := fs.Stat(fs.PathJoin(dir, file))
		if err != nil {
			return fmt.Errorf("the log %s: %w", file, err)
		}
		need += uint64(info.Size())
	}
	if u.AvailBytes < need {
		ballast.Release()
	}
	return nil
}
