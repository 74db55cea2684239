package engine

import (
	"log/slog"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// maxRecordBytes bounds the executions that wait to be recorded, in bytes; with a small memory
// budget, the bound is its recordShare. Beyond it callers record their executions themselves, which
// slows down callers that are faster than the store.
const (
	maxRecordBytes = 16 * runtime.MiB
	recordShare    = 32
)

// Recording a batch costs the store far less than recording one by one, because the executions
// of a batch share keys. So the recorder waits for recordLinger after the first execution,
// unless a batch is full before, or a reader needs the executions.
const (
	recordLinger     = 10 * time.Millisecond
	recordBatch      = 512 // executions
	recordBatchBytes = 1 * runtime.MiB
)

// If the store cannot write for the moment, the recorder retries every recordPause. After
// recordPatience it drops the executions, and does not retry again until a write succeeds.
const (
	recordPatience = time.Second
	recordPause    = 5 * time.Millisecond
)

// A recorder that follows waits for the process that records for as long as it takes, with pauses from followPause to maxFollowPause, also when it is
// stopped, until giveUp is called. It has room for maxFollowBytes, or the followShare of a small memory budget. Callers never wait for that process: what finds
// no room is dropped.
const (
	followPause    = 100 * time.Millisecond
	maxFollowPause = 500 * time.Millisecond
	maxFollowBytes = 64 * runtime.MiB
	followShare    = 16
)

// recorder stores executions after their callers have received the results. All methods may be
// called concurrently.
type recorder struct {
	record  func([]runtime.Execution) error
	follows func() bool                    // another process records
	keep    func([]runtime.Execution) bool // keeps what cannot be recorded by this recorder any more
	log     *slog.Logger

	mu    sync.Mutex
	queue recordQueue    // guarded by mu
	group sync.WaitGroup // of recordAll
}

func newRecorder(record func([]runtime.Execution) error, follows func() bool, b *memory.Budget, log *slog.Logger) *recorder {
	r := &recorder{record: record, follows: follows, keep: func([]runtime.Execution) bool { return false }, log: log}
	r.queue.limit = min(maxRecordBytes, b.Total()/recordShare)
	if follows() {
		r.queue.limit = min(maxFollowBytes, b.Total()/followShare)
	}
	r.queue.memory = b.Open(memory.Options{Name: "executions to record", Heap: true})
	r.queue.changed.L = &r.mu
	return r
}

// recordQueue holds the executions that wait to be recorded. Its methods take no lock; the
// recorder's mutex guards it.
type recordQueue struct {
	waiting  []runtime.Execution
	bytes    int64 // their size
	writing  int64 // bytes of the executions that are being written
	limit    int64 // of bytes
	memory   *memory.Account
	added    uint64 // executions added so far
	recorded uint64 // executions recorded so far
	due      bool   // waiting must be recorded now
	failing  bool   // the last write failed
	stopped  bool
	late     bool      // a reader has waited in vain since the last write
	gaveUp   bool      // giveUp was called
	changed  sync.Cond // one of the fields above has changed; L is the recorder's mutex
}

// add adds an execution, and returns false if there is no room.
func (q *recordQueue) add(x *runtime.Execution) bool {
	weight := x.Weight()
	if q.bytes+weight > q.limit || q.stopped {
		return false
	}
	q.push(x, weight)
	return true
}

// push adds an execution although there may be no room.
func (q *recordQueue) push(x *runtime.Execution, weight int64) {
	q.waiting = append(q.waiting, *x)
	q.bytes += weight
	q.memory.Add(weight)
	q.added++
	if len(q.waiting) == 1 || q.full() {
		q.changed.Broadcast()
	}
}

// hasRoom reports whether there is room for an execution besides those that are being written, which may take long.
func (q *recordQueue) hasRoom(x *runtime.Execution) bool {
	return q.bytes+q.writing+x.Weight() <= q.limit
}

// full reports whether a batch waits.
func (q *recordQueue) full() bool {
	return len(q.waiting) >= recordBatch || q.bytes >= recordBatchBytes
}

// flushSoon ends the wait for a full batch.
func (q *recordQueue) flushSoon() {
	if !q.due {
		q.due = true
		q.changed.Broadcast()
	}
}

// take removes what waits, and reuses the memory of spare for the executions to come.
func (q *recordQueue) take(spare []runtime.Execution) []runtime.Execution {
	all := q.waiting
	q.writing = q.bytes
	q.waiting, q.bytes, q.due = spare[:0], 0, false
	return all
}

// done counts n executions as recorded.
func (q *recordQueue) done(n int) {
	q.recorded += uint64(n)
	q.memory.Give(q.writing)
	q.writing = 0
	q.changed.Broadcast()
}

// stop ends the queue.
func (q *recordQueue) stop() {
	q.stopped = true
	q.changed.Broadcast()
}

// start begins to record.
func (r *recorder) start() { r.group.Go(r.recordAll) }

// add records an execution, now or soon. Its slices must not change any more.
func (r *recorder) add(x *runtime.Execution) {
	r.mu.Lock()
	queued := (!r.follows() || r.queue.hasRoom(x)) && r.queue.add(x)
	r.mu.Unlock()
	switch {
	case queued:
	case r.follows():
		r.note(x, 1, errNoRoom)
	default:
		r.write([]runtime.Execution{*x})
	}
}

// restore records executions that another recorder has kept, whether or not there is room for them.
func (r *recorder) restore(all []runtime.Execution) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range all {
		r.queue.push(&all[i], all[i].Weight())
	}
}

// errNoRoom reports that as many executions as may wait for the process that records.
var errNoRoom = runtime.Errorf(runtime.CodeUnavailable, "too many of them wait for the node that owns the data")

// flush waits until all executions that were added before are recorded.
func (r *recorder) flush() { r.flushUntil(time.Time{}) }

// flushUntil is like flush, but waits at most until a time, unless that is zero: then it does not wait either after it has
// waited in vain, until something is recorded.
func (r *recorder) flushUntil(end time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queue.recorded == r.queue.added || !end.IsZero() && r.queue.late {
		return
	}
	if !end.IsZero() {
		timer := time.AfterFunc(time.Until(end), func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.queue.changed.Broadcast()
		})
		defer timer.Stop()
	}
	all := r.queue.added
	for r.queue.recorded < all && (end.IsZero() || time.Now().Before(end)) {
		r.queue.flushSoon()
		r.queue.changed.Wait()
	}
	if !end.IsZero() && r.queue.recorded < all {
		r.queue.late = true
	}
}

// stop records what waits, and ends the recorder.
func (r *recorder) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue.stop()
}

// giveUp makes a recorder that follows, and is stopped, drop what the process that records does not take.
func (r *recorder) giveUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue.gaveUp = true
}

// wait waits until the recorder has ended. It is called after stop.
func (r *recorder) wait() { r.group.Wait() }

// isPatient reports whether to retry a write that the store refuses.
func (r *recorder) isPatient() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.queue.failing && !r.queue.stopped
}

// goesOn reports whether the recorder waits for the process that records.
func (r *recorder) goesOn() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.queue.gaveUp
}

// recordAll records until the recorder ends.
func (r *recorder) recordAll() {
	var spare []runtime.Execution
	for all := r.next(spare); len(all) > 0; all = r.next(spare) {
		r.writeAll(all)
		r.mu.Lock()
		r.queue.done(len(all))
		r.mu.Unlock()
		clear(all)
		spare = all
	}
}

// next waits until a batch is full, due, or has waited for recordLinger, and returns what waits
// then. It returns nothing after the end of the recorder.
func (r *recorder) next(spare []runtime.Execution) []runtime.Execution {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue.waiting) == 0 {
		if r.queue.stopped {
			return nil
		}
		r.queue.changed.Wait()
	}
	timer := time.AfterFunc(recordLinger, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.queue.flushSoon()
	})
	defer timer.Stop()
	for !r.queue.due && !r.queue.full() && !r.queue.stopped {
		r.queue.changed.Wait()
	}
	return r.queue.take(spare)
}

// writeAll records executions in batches.
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

// write records a batch. The callers have their results already, so a failure is only logged:
// the first one, until a write succeeds.
func (r *recorder) write(batch []runtime.Execution) {
	err := r.record(batch)
	pause := followPause
	for waited := time.Duration(0); runtime.CodeOf(err) == runtime.CodeUnavailable; {
		if r.follows() && r.goesOn() {
			time.Sleep(pause)
			pause = min(2*pause, maxFollowPause)
		} else if r.keep(batch) {
			err = nil
			break
		} else if waited < recordPatience && r.isPatient() {
			time.Sleep(recordPause)
			waited += recordPause
		} else {
			break
		}
		err = r.record(batch)
	}
	if err != nil && len(batch) > 1 && runtime.CodeOf(err) != runtime.CodeUnavailable {
		// One of them may be the cause of the failure.
		for i := range batch {
			r.write(batch[i : i+1])
		}
		return
	}
	r.note(&batch[0], len(batch), err)
}

// note notes whether executions, of which x is the first, are recorded.
func (r *recorder) note(x *runtime.Execution, executions int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && !r.queue.failing {
		r.log.Error("engine: executions cannot be recorded: they will not be found later", "execution", x.ID, "executions", executions, "error", err)
	}
	r.queue.failing = err != nil
	if err == nil {
		r.queue.late = false
	}
}
