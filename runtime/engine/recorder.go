package engine

import (
	"log/slog"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// maxRecordBytes is how many bytes of executions may wait to be recorded.
// Beyond it their callers record them themselves, which slows down who is
// faster than the store.
const maxRecordBytes = 16 * runtime.MiB

// What is recorded in one go costs the store far less than one by one: its keys
// are shared. So the recorder waits for recordLinger from the first on, unless
// there are recordBatch before or somebody wants to read.
const (
	recordLinger     = 10 * time.Millisecond
	recordBatch      = 512
	recordBatchBytes = 1 * runtime.MiB
)

// A store that does not keep up is waited for, and so are, beyond
// maxRecordBytes, those who are faster than it. One that has not come back after
// recordPatience is not waited for again until it works.
const (
	recordPatience = 5 * time.Second
	recordPause    = 5 * time.Millisecond
)

// recorder keeps executions that somebody waited for, behind the answer.
type recorder struct {
	record func([]runtime.Execution) error
	log    *slog.Logger

	mu      sync.Mutex
	change  sync.Cond // of what is below; L is mu
	waiting []runtime.Execution
	bytes   int64
	put     uint64 // how many were added
	done    uint64 // how many of them are recorded
	due     bool   // what waits is to be recorded now
	failing bool   // the last could not be recorded
	ending  bool
	group   sync.WaitGroup
}

func newRecorder(record func([]runtime.Execution) error, log *slog.Logger) *recorder {
	r := &recorder{record: record, log: log}
	r.change.L = &r.mu
	return r
}

// start begins to record.
func (r *recorder) start() { r.group.Go(r.recordAll) }

// add has an execution recorded. Its slices must not change any more.
func (r *recorder) add(x *runtime.Execution) {
	weight := x.Weight()
	r.mu.Lock()
	if r.bytes+weight > maxRecordBytes || r.ending {
		r.mu.Unlock()
		r.write([]runtime.Execution{*x})
		return
	}
	r.waiting = append(r.waiting, *x)
	r.bytes += weight
	r.put++
	if len(r.waiting) == 1 || r.full() {
		r.change.Broadcast()
	}
	r.mu.Unlock()
}

// full tells whether there is enough for a batch. The lock is held.
func (r *recorder) full() bool { return len(r.waiting) >= recordBatch || r.bytes >= recordBatchBytes }

// hurry has what waits recorded now. The lock is held.
func (r *recorder) hurry() {
	if !r.due {
		r.due = true
		r.change.Broadcast()
	}
}

// settle returns when all that was added before is recorded.
func (r *recorder) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for all := r.put; r.done < all; {
		r.hurry()
		r.change.Wait()
	}
}

// end records what was added and stops.
func (r *recorder) end() {
	r.mu.Lock()
	r.ending = true
	r.change.Broadcast()
	r.mu.Unlock()
	r.group.Wait()
}

// patient tells whether to wait for the store.
func (r *recorder) patient() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.failing && !r.ending
}

func (r *recorder) recordAll() {
	var spare []runtime.Execution
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		for len(r.waiting) == 0 && !r.ending {
			r.change.Wait()
		}
		if len(r.waiting) == 0 {
			return
		}
		r.linger()
		all := r.waiting
		r.waiting, r.bytes, r.due = spare[:0], 0, false
		r.mu.Unlock()
		r.writeAll(all)
		clear(all)
		spare = all
		r.mu.Lock()
		r.done += uint64(len(all))
		r.change.Broadcast()
	}
}

// linger waits until what waits is worth a batch. The lock is held.
func (r *recorder) linger() {
	timer := time.AfterFunc(recordLinger, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hurry()
	})
	defer timer.Stop()
	for !r.due && !r.full() && !r.ending {
		r.change.Wait()
	}
}

// writeAll records all in batches.
func (r *recorder) writeAll(all []runtime.Execution) {
	for len(all) > 0 {
		n, bytes := 0, int64(0)
		for n < min(len(all), recordBatch) && bytes < recordBatchBytes {
			bytes += all[n].Weight()
			n++
		}
		r.write(all[:n])
		all = all[n:]
	}
}

// write records some. Their callers have the answers already: what cannot be
// recorded is told to the log, once until it works again.
func (r *recorder) write(batch []runtime.Execution) {
	err := r.record(batch)
	for waited := time.Duration(0); runtime.CodeOf(err) == runtime.CodeUnavailable && waited < recordPatience && r.patient(); waited += recordPause {
		time.Sleep(recordPause)
		err = r.record(batch)
	}
	if err != nil && len(batch) > 1 && runtime.CodeOf(err) != runtime.CodeUnavailable {
		// One of them may be what the store fails with.
		for i := range batch {
			r.write(batch[i : i+1])
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && !r.failing {
		r.log.Error("engine: executions cannot be recorded: they will not be found later", "execution", batch[0].ID, "executions", len(batch), "error", err)
	}
	r.failing = err != nil
}
