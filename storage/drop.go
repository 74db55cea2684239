package storage

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/internal/search"
)

const (
	// dropBatch is the number of executions that one batch drops, if they are not tasks of jobs.
	// Ends of executions as old wait while a batch is made.
	dropBatch = 5_000
	// minRange and minRangeBytes are the number and the size of neighbouring executions that are
	// dropped as one range. Fewer are dropped one by one: a range has a cost until it is compacted.
	// But tables that lie in a range are removed without a compaction, which frees the disk soon.
	minRange      = 32
	minRangeBytes = 1 << 20
	// bodyPatience is how long at least an execution of a job waits for the body of its callback
	// after its end, and after the store was opened; all attempts to render one take less.
	bodyPatience = time.Hour
)

// drop is one batch of executions of one function to drop.
type drop struct {
	s *Store
	*target
	from    []byte // the key at which the batch before ended; nil: there is none
	victims []victim
	jobs    []jobVictim
	chunks  map[string][]byte // keys of record.Kept with their new values; nil: delete
	freed   map[freedFrom]held
}

type victim struct {
	record.KeptEntry
	function string
}

type jobVictim struct {
	runtime.JobExecution
	id keys.ID
}

type freedFrom struct{ functionID, name string }

// free counts an execution as dropped.
func (d *drop) free(functionID, name string, e *record.KeptEntry) {
	f := d.freed[freedFrom{functionID, name}]
	f.count++
	f.bytes += int64(e.Size)
	d.freed[freedFrom{functionID, name}] = f
	if functionID == d.functionID {
		d.now.count--
		d.now.bytes -= int64(e.Size)
	}
}

// collect chooses what to drop: of all that ended before the least age, the oldest first, while
// there is too much or it is too old. What seems to end after now, which is some time ago, ended
// under a clock that was wrong: it has no least age, or it would fill the disk until that time comes.
// more reports that there may be more to drop.
func (d *drop) collect(now time.Time, ago time.Duration, r runtime.Retention) (more bool, err error) {
	d.chunks, d.freed = make(map[string][]byte), make(map[freedFrom]held)
	prefix := keys.Kept(d.tenant, d.functionID)
	lower := prefix
	if d.from != nil {
		lower = d.from
	}
	it, err := d.s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: keys.PrefixEnd(prefix)})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, it.Error(), it.Close()) }()
	spare, future := now.Add(-r.MinAge), now.Add(max(r.MinAge, time.Minute)+ago)
	for ok := it.First(); ok; ok = it.Next() {
		_, end, err := keys.ParseKept(d.tenant, it.Key())
		if err != nil {
			return false, kv.Damaged("key %x: %v", it.Key(), err)
		}
		age := now.Add(-r.Ahead).Sub(end)
		old := r.Age > 0 && age > r.Age
		if !old && d.fits() {
			return false, nil
		}
		if !old && end.After(spare) && !end.After(future) {
			if !it.SeekGE(keys.KeptAt(d.tenant, d.functionID, future, keys.LastID)) {
				return false, nil
			}
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return false, err
		}
		kept, err := record.DecodeKept(value)
		if err != nil {
			return false, kv.Damaged("key %x: %v", it.Key(), err)
		}
		n, waits := 0, false
		for ; n < len(kept.Entries) && (old || !d.fits()) && !d.full(); n++ {
			if age <= max(r.Age, bodyPatience) || time.Since(d.s.opened) < bodyPatience {
				if waits, err = d.waits(&kept.Entries[n]); err != nil || waits {
					break
				}
			}
			if err := d.take(kept.Entries[n], kept.Function); err != nil {
				return false, err
			}
		}
		if err != nil || waits && n == 0 {
			return false, err
		}
		var rest []byte
		if kept.Entries = kept.Entries[n:]; len(kept.Entries) > 0 {
			rest = kept.Encode()
		}
		d.from = bytes.Clone(it.Key())
		d.chunks[string(d.from)] = rest
		if waits || d.full() {
			return !waits, nil
		}
	}
	return false, nil
}

// full reports whether a batch has enough. It may exceed dropBatch by the tasks of one execution.
func (d *drop) full() bool { return len(d.victims)+len(d.jobs) >= dropBatch }

// waits reports whether an execution, and what ended after it, must be kept for now: it is of a job
// whose callback has no body yet.
func (d *drop) waits(e *record.KeptEntry) (bool, error) {
	if e.State != 0 {
		return false, nil
	}
	delivery, err := kv.Find(d.s.db, keys.Execution(keys.KindDelivery, d.tenant, e.ID), record.DecodeDelivery)
	return delivery != nil && delivery.BodySize == 0, err
}

// fits reports whether the function holds no more than it may.
func (d *drop) fits() bool { return d.now.count <= d.most.count && d.now.bytes <= d.most.bytes }

// take adds an execution to what is dropped, with its tasks.
func (d *drop) take(e record.KeptEntry, function string) error {
	d.free(d.functionID, function, &e)
	if e.State != 0 {
		d.victims = append(d.victims, victim{e, function})
		return nil
	}
	x, err := readJobDone(d.s.db, d.tenant, e.ID)
	if err != nil {
		return fmt.Errorf("execution %s of a job: %w", e.ID, err)
	}
	d.jobs = append(d.jobs, jobVictim{x, e.ID})
	return kv.EachKey(d.s.db, keys.KeptTasks(d.tenant, e.ID), func(key, value []byte) error {
		_, functionID, err := keys.ParseKeptTasks(d.tenant, key)
		if err != nil {
			return kv.Damaged("key %x: %v", key, err)
		}
		kept, err := record.DecodeKept(value)
		if err != nil {
			return kv.Damaged("key %x: %v", key, err)
		}
		for i := range kept.Entries {
			d.free(functionID, kept.Function, &kept.Entries[i])
			d.victims = append(d.victims, victim{kept.Entries[i], kept.Function})
		}
		d.chunks[string(key)] = nil
		return nil
	})
}

// apply drops what was collected. No execution as old ends in between: its records could be in a
// range that is dropped.
func (d *drop) apply() error {
	if len(d.chunks) == 0 {
		return nil
	}
	var newest keys.ID
	slices.SortFunc(d.victims, func(a, b victim) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	if n := len(d.victims); n > 0 {
		newest = d.victims[n-1].ID
	}
	refs := make([]jobRef, 0, len(d.jobs))
	for i := range d.jobs {
		refs = append(refs, jobRef{d.tenant, d.jobs[i].JobID})
		if newest.Before(d.jobs[i].id) {
			newest = d.jobs[i].id
		}
	}
	err := d.s.fence.drop(newest.Next(), func() error {
		defer d.s.lockJobs(refs)()
		return d.s.commits.Write(commit.Relief, d.fill)
	})
	if err != nil {
		return err
	}
	for from, f := range d.freed {
		d.s.usage.add(d.tenant, from.functionID, from.name, held{-f.count, -f.bytes})
	}
	return nil
}

func (d *drop) fill(b *pebble.Batch) error {
	errs := []error{d.dropRuns(b), d.dropJobs(b)}
	for key, value := range d.chunks {
		if value == nil {
			errs = append(errs, b.Delete([]byte(key), nil))
		} else {
			errs = append(errs, b.Set([]byte(key), value, nil))
		}
	}
	for i := range d.victims {
		if d.victims[i].Traced {
			errs = append(errs, d.dropTrace(b, d.victims[i].ID))
		}
	}
	return errors.Join(errs...)
}

// dropTrace drops the posting by which an execution is found by its trace.
func (d *drop) dropTrace(b *pebble.Batch, id keys.ID) error {
	x, err := readDoneRecord(d.s.db, d.tenant, id)
	if err != nil {
		return fmt.Errorf("execution %s: %w", id, err)
	}
	return search.DropTrace(b, d.s.db, &x.Execution, id)
}

// dropRuns drops executions: neighbours that have no other execution between them as one range.
func (d *drop) dropRuns(b *pebble.Batch) error {
	if !worthRange(d.victims) {
		return d.dropEach(b, d.victims)
	}
	// Each execution of the tenant that is done is found by its state, by small keys.
	from, to := d.victims[0].ID, d.victims[len(d.victims)-1].ID.Next()
	var sources []*kv.IDIterator
	for state := 1; state < len(record.States); state++ {
		sources = append(sources, kv.NewIDIterator(d.s.db, keys.DoneByState(d.tenant, byte(state)), from, to))
	}
	errs := []error{eachNeighbours(d.victims, sources, func(all []victim) error { return d.dropRange(b, all) })}
	for _, it := range sources {
		errs = append(errs, it.Close())
	}
	return errors.Join(errs...)
}

// eachNeighbours calls do with the victims, which are in the order of their ids, in parts that have
// no other execution between them. sources have the ids of all executions. The cost depends on the
// number of victims alone: executions between them are not passed one by one.
func eachNeighbours(victims []victim, sources []*kv.IDIterator, do func([]victim) error) error {
	for _, it := range sources {
		it.First()
	}
	from := 0 // the first victim of the present part
	for at := 0; at < len(victims); {
		id := victims[at].ID
		next, err := kv.First(sources, false)
		switch {
		case err != nil:
			return err
		case next == nil:
			return do(victims[from:])
		case id.Before(next.ID):
			return kv.Damaged("execution %s is not found by its state", id)
		case next.ID == id:
			next.Next()
			at++
			continue
		}
		if at > from { // an execution that is kept is before this victim
			if err := do(victims[from:at]); err != nil {
				return err
			}
			from = at
		}
		for _, it := range sources {
			if it.Valid && it.ID.Before(id) {
				it.Seek(id)
			}
		}
	}
	return do(victims[from:])
}

// worthRange reports whether to drop neighbours as a range.
func worthRange(all []victim) bool {
	var bytes uint64
	for i := range all {
		bytes += all[i].Size
	}
	return len(all) >= minRange || bytes >= minRangeBytes
}

// dropRange drops executions that have no other between them.
func (d *drop) dropRange(b *pebble.Batch, all []victim) error {
	if !worthRange(all) {
		return d.dropEach(b, all)
	}
	from, to := all[0].ID, all[len(all)-1].ID.Next()
	var prefixes [][]byte
	seen := map[string]bool{}
	add := func(prefix []byte) {
		if !seen[string(prefix)] {
			seen[string(prefix)] = true
			prefixes = append(prefixes, prefix)
		}
	}
	add(keys.OfKind(d.tenant, keys.KindDone))
	type index struct {
		function string
		state    byte
	}
	indexes := map[index]bool{}
	for i := range all {
		v := &all[i]
		if v.Result {
			add(keys.OfKind(d.tenant, keys.KindResult))
		}
		if v.Logs {
			add(keys.OfKind(d.tenant, keys.KindLogs))
		}
		if of := (index{v.function, v.State}); !indexes[of] {
			indexes[of] = true
			add(keys.DoneByState(d.tenant, v.State))
			add(keys.DoneByFunction(d.tenant, v.function, v.State))
		}
	}
	errs := []error{d.dropArgs(b, all)}
	for _, prefix := range prefixes {
		n := len(prefix)
		errs = append(errs, b.DeleteRange(append(prefix[:n:n], from[:]...), append(prefix[:n:n], to[:]...), nil))
	}
	return errors.Join(errs...)
}

// dropArgs drops args one by one: between those of neighbours may be args of executions that are not
// done, which have the same kind.
func (d *drop) dropArgs(b *pebble.Batch, all []victim) error {
	var errs []error
	for i := range all {
		if all[i].Args {
			errs = append(errs, b.Delete(keys.Execution(keys.KindArgs, d.tenant, all[i].ID), nil))
		}
	}
	return errors.Join(errs...)
}

func (d *drop) dropEach(b *pebble.Batch, all []victim) error {
	errs := []error{d.dropArgs(b, all)}
	for i := range all {
		v := &all[i]
		errs = append(errs,
			b.Delete(keys.Execution(keys.KindDone, d.tenant, v.ID), nil),
			b.Delete(append(keys.DoneByState(d.tenant, v.State), v.ID[:]...), nil),
			b.Delete(append(keys.DoneByFunction(d.tenant, v.function, v.State), v.ID[:]...), nil),
		)
		if v.Result {
			errs = append(errs, b.Delete(keys.Execution(keys.KindResult, d.tenant, v.ID), nil))
		}
		if v.Logs {
			errs = append(errs, b.Delete(keys.Execution(keys.KindLogs, d.tenant, v.ID), nil))
		}
	}
	return errors.Join(errs...)
}
