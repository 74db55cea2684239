package storage

import (
	"errors"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// maxExpireErrors bounds the errors that Expire returns.
const maxExpireErrors = 4

// Expire drops what ended long ago or is too much, and old idempotency keys and dead letters; see
// runtime.ExecutionHistory. Its cost depends on the number of functions and on the number of
// executions that it drops, not on the number of executions that it keeps. What is damaged does not
// keep the rest from being dropped.
func (s *Store) Expire(now time.Time, r runtime.Retention) error {
	const op = "storage.expire"
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	s.expiring.Lock()
	defer s.expiring.Unlock()
	if r.Bytes == 0 {
		r.Bytes = s.defaultBytes
	}
	began := time.Now()
	var errs []error
	failed := func(err error) bool {
		if s.checked(err) != nil && len(errs) < maxExpireErrors {
			errs = append(errs, err)
		}
		return err != nil
	}
	failed(s.expireDeadLetters(now.Add(-r.Ahead)))
	r = r.WithShares()
	for _, t := range s.usage.targets(r, s.holdings.historyLimit) {
		var from []byte
		for more := true; more; {
			d := drop{s: s, target: &t, from: from}
			var err error
			if more, err = d.collect(now, time.Since(began), r); err == nil {
				err = d.apply()
			}
			if failed(err) {
				break
			}
			from = d.from
		}
	}
	failed(s.expireRest(now, r))
	failed(s.expireAudit(now.Add(-r.Ahead - s.audit.age)))
	s.restoreBallast()
	return fault(op, errors.Join(errs...))
}
