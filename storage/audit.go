package storage

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

var _ runtime.AuditStore = (*Store)(nil)

const (
	// defaultAuditBytes bounds the audit log without another bound, in bytes. On small disks it is one
	// auditPart of what the disk has for the store.
	defaultAuditBytes = 64 << 20
	auditPart         = 32
	// auditSlack divides the bound: entries are dropped at once when there is one part too much, and down
	// to one part less, so that not every entry drops another.
	auditSlack = 8
	// auditBatch is the number of entries that are dropped in one batch, and auditPass that of one pass,
	// for which changes wait. The next pass drops the rest.
	auditBatch = 1000
	auditPass  = 20 * auditBatch
	// auditSteps is the number of entries that one page of a list looks at.
	auditSteps = 4000
)

// audit is what is known of the audit log.
type audit struct {
	age   time.Duration
	limit int64 // bytes

	dropping sync.RWMutex // held for writing while entries are dropped for their age or size

	mu    sync.Mutex // guards the fields below
	bytes map[runtime.Tenant]int64
	total int64
}

// add adds to the bytes of a tenant, and reports whether there is so much that entries must be dropped
// at once.
func (a *audit) add(tenant runtime.Tenant, bytes int64) (over bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bytes == nil {
		a.bytes = make(map[runtime.Tenant]int64)
	}
	if a.bytes[tenant] += bytes; a.bytes[tenant] == 0 {
		delete(a.bytes, tenant)
	}
	a.total += bytes
	return a.total > a.limit+a.limit/auditSlack
}

// excess returns the bytes down to which each tenant must be cut that has more, if there is too much in
// all.
func (a *audit) excess() (cut []runtime.Tenant, level int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total <= a.limit {
		return nil, 0
	}
	left := a.limit - a.limit/auditSlack
	all := slices.SortedFunc(maps.Keys(a.bytes), func(x, y runtime.Tenant) int { return int(a.bytes[x] - a.bytes[y]) })
	for i, tenant := range all {
		if n := int64(len(all) - i); a.bytes[tenant]*n > left {
			return all[i:], left / n
		}
		left -= a.bytes[tenant]
	}
	return nil, 0
}

// loadAudit counts the bytes of the audit log.
func (s *Store) loadAudit() error {
	return kv.EachKey(s.db, keys.AuditsByTenant(), func(key, value []byte) error {
		tenant, _, err := keys.ParseAuditByTenant(key)
		if err != nil {
			return kv.Damaged("key %x: %v", key, err)
		}
		size, err := record.DecodeNumber(value)
		if err != nil {
			return kv.Damaged("key %x: %v", key, err)
		}
		s.audit.add(tenant, int64(size))
		return nil
	})
}

// auditKey returns the id of an entry.
func auditKey(e *runtime.AuditEntry) (keys.ID, error) {
	id, ok := keys.ParseID(e.ID)
	if !ok || e.Operation == "" || e.Time.IsZero() {
		return id, errors.New("an entry of the audit log needs an id, a time and an operation")
	}
	return id, nil
}

// putAudit adds an entry to a batch, and returns its size in bytes.
func putAudit(b *pebble.Batch, id keys.ID, e *runtime.AuditEntry) (size int64, err error) {
	value, err := record.EncodeAudit(*e)
	if err != nil {
		return 0, err
	}
	key, byTenant := keys.Audit(id), keys.AuditByTenant(e.Tenant, id)
	size = int64(len(key) + len(value) + len(byTenant) + len(record.EncodeNumber(0)))
	return size, errors.Join(b.Set(key, value, nil), b.Set(byTenant, record.EncodeNumber(uint64(size)), nil))
}

// auditSize returns the size of a stored entry, in bytes; 0 if there is none.
func (s *Store) auditSize(tenant runtime.Tenant, id keys.ID) (int64, error) {
	size, err := kv.Find(s.db, keys.AuditByTenant(tenant, id), record.DecodeNumber)
	if size == nil || err != nil {
		return 0, err
	}
	return int64(*size), nil
}

// BeginAudit stores an entry of a change that begins; see runtime.AuditStore.
func (s *Store) BeginAudit(e runtime.AuditEntry) error {
	return s.writeAudit("storage.begin_audit", &e, func(id keys.ID) (added int64, err error) {
		err = s.commits.WriteSoon(commit.NewWork, func(b *pebble.Batch) error {
			added, err = putAudit(b, id, &e)
			return err
		})
		return added, err
	})
}

// EndAudit stores the final form of an entry; see runtime.AuditStore.
func (s *Store) EndAudit(e runtime.AuditEntry, begun *runtime.AuditEntry) error {
	return s.writeAudit("storage.end_audit", &e, func(id keys.ID) (added int64, err error) {
		var before int64
		if begun != nil {
			if before, err = s.auditSize(begun.Tenant, id); err != nil {
				return 0, err
			}
		}
		err = s.commits.Write(commit.Relief, func(b *pebble.Batch) error {
			if added, err = putAudit(b, id, &e); err == nil && before > 0 && begun.Tenant != e.Tenant {
				err = b.SingleDelete(keys.AuditByTenant(begun.Tenant, id), nil)
			}
			return err
		})
		if err == nil && before > 0 {
			s.audit.add(begun.Tenant, -before)
		}
		return added, err
	})
}

// DropAudit deletes an entry of a change that was not made; see runtime.AuditStore.
func (s *Store) DropAudit(begun runtime.AuditEntry) error {
	return s.writeAudit("storage.drop_audit", &begun, func(id keys.ID) (added int64, err error) {
		size, err := s.auditSize(begun.Tenant, id)
		if size == 0 || err != nil {
			return 0, err
		}
		// Both were written once, and leave nothing behind.
		return -size, s.commits.WriteSoon(commit.Relief, func(b *pebble.Batch) error {
			return errors.Join(b.SingleDelete(keys.Audit(id), nil), b.SingleDelete(keys.AuditByTenant(begun.Tenant, id), nil))
		})
	})
}

// writeAudit calls write, which returns by how many bytes the entry makes the log of its tenant longer.
func (s *Store) writeAudit(op string, e *runtime.AuditEntry, write func(keys.ID) (added int64, err error)) error {
	id, err := auditKey(e)
	if err != nil {
		return fault(op, err)
	}
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	s.audit.dropping.RLock()
	added, err := write(id)
	over := err == nil && s.audit.add(e.Tenant, added)
	s.audit.dropping.RUnlock()
	if over {
		if err := s.cutAudit(); err != nil {
			s.log.Error("storage: old entries of the audit log cannot be dropped", "error", err)
		}
	}
	return fault(op, err)
}

// expireAudit drops the entries that are older than a time, or too many.
func (s *Store) expireAudit(bound time.Time) error {
	s.audit.dropping.Lock()
	d := auditDropper{s: s, it: kv.NewIDIterator(s.db, keys.Audits(), keys.ID{}, keys.FirstIDAt(bound))}
	for d.it.First(); d.it.Valid && d.dropped < auditPass; d.it.Next() {
		e := kv.Decode(d.it, func(value []byte) (runtime.AuditEntry, error) { return record.DecodeAudit(d.it.ID.String(), value) })
		if d.it.Err != nil {
			break
		}
		size, err := s.auditSize(e.Tenant, d.it.ID)
		if err = errors.Join(err, d.drop(e.Tenant, size)); err != nil {
			d.it.Err = err
			break
		}
	}
	err := d.end()
	s.audit.dropping.Unlock()
	return errors.Join(err, s.cutAudit())
}

// cutAudit drops the oldest entries of the tenants that have most, if there are too many.
func (s *Store) cutAudit() error {
	s.audit.dropping.Lock()
	defer s.audit.dropping.Unlock()
	cut, level := s.audit.excess()
	var errs []error
	dropped := 0
	for _, tenant := range cut {
		if dropped >= auditPass {
			break
		}
		s.audit.mu.Lock()
		left := s.audit.bytes[tenant]
		s.audit.mu.Unlock()
		d := auditDropper{s: s, it: kv.NewIDIterator(s.db, keys.AuditsOfTenant(tenant), keys.ID{}, keys.LastID)}
		for d.it.First(); d.it.Valid && left > level && dropped+d.dropped < auditPass; d.it.Next() {
			size := int64(kv.Decode(d.it, record.DecodeNumber))
			if d.it.Err == nil {
				left -= size
				d.it.Err = d.drop(tenant, size)
			}
		}
		dropped += d.dropped
		errs = append(errs, d.end())
	}
	return errors.Join(errs...)
}

// auditDropper drops entries of the audit log in batches.
type auditDropper struct {
	s       *Store
	it      *kv.IDIterator
	batch   *pebble.Batch
	freed   map[runtime.Tenant]int64 // bytes of the batch
	dropped int                      // entries
}

// drop drops the entry at the iterator.
func (d *auditDropper) drop(tenant runtime.Tenant, size int64) error {
	if d.batch == nil {
		d.batch, d.freed = d.s.db.NewBatch(), make(map[runtime.Tenant]int64)
	}
	d.freed[tenant] += size
	d.dropped++
	err := errors.Join(d.batch.Delete(keys.Audit(d.it.ID), nil), d.batch.Delete(keys.AuditByTenant(tenant, d.it.ID), nil))
	if err == nil && d.batch.Count() >= 2*auditBatch {
		err = d.write()
	}
	return err
}

func (d *auditDropper) write() error {
	if d.batch == nil {
		return nil
	}
	err := errors.Join(d.s.commits.Commit(d.batch, commit.Relief), d.batch.Close())
	for tenant, bytes := range d.freed {
		if err == nil {
			d.s.audit.add(tenant, -bytes)
		}
	}
	d.batch = nil
	return err
}

// end writes what is left, and closes the iterator.
func (d *auditDropper) end() error { return errors.Join(d.it.Err, d.write(), d.it.Close()) }

// ListAudit returns a page of entries, newest first; see runtime.AuditStore.
func (s *Store) ListAudit(f runtime.AuditFilter, r runtime.PageRequest) (page runtime.Page[runtime.AuditEntry], err error) {
	const op = "storage.list_audit"
	r = r.Bounded()
	window := runtime.ExecutionFilter{After: f.Since}
	if !f.Until.IsZero() {
		window.Before = f.Until.Add(time.Millisecond) // ids have milliseconds
	}
	lower, upper, err := bounds(window, r.After)
	if err != nil || !lower.Before(upper) {
		return page, fault(op, err)
	}
	prefix := keys.Audits()
	if f.Tenant != nil {
		prefix = keys.AuditsOfTenant(*f.Tenant)
	}
	err = s.durably(func(reader kv.Reader) error {
		it := kv.NewIDIterator(reader, prefix, lower, upper)
		var last keys.ID
		steps := 0
		for it.Last(); it.Valid; it.Next() {
			if len(page.Items) == r.Limit || steps == auditSteps {
				page.Next = last.String()
				break
			}
			steps++
			last = it.ID
			e := auditAt(it, reader, f.Tenant != nil)
			if it.Err != nil {
				break
			}
			if f.Selects(&e) {
				page.Items = append(page.Items, e)
			}
		}
		return errors.Join(it.Err, it.Close())
	})
	return page, fault(op, err)
}

// auditAt returns the entry at an iterator over all entries, or over the keys of a tenant's.
func auditAt(it *kv.IDIterator, reader kv.Reader, byTenant bool) runtime.AuditEntry {
	decode := func(value []byte) (runtime.AuditEntry, error) { return record.DecodeAudit(it.ID.String(), value) }
	if !byTenant {
		return kv.Decode(it, decode)
	}
	e, err := kv.Get(reader, keys.Audit(it.ID), decode)
	if err != nil {
		it.Err = kv.Damaged("entry %s of the audit log: %v", it.ID, err)
	}
	return e
}
