package storage

import (
	"time"

	"github.com/faaspot/faaspot/storage/internal/record"
)

// lockedExecutions are executions that are not done, and executions of jobs that they are tasks of,
// which the caller has locked until it calls unlock. Its methods must be called for these alone.
type lockedExecutions struct {
	*Store
	unlock func()
}

// lockExecutions locks executions by their keys: those of keys.KindAccepted and keys.KindJobAccepted.
func (s *Store) lockExecutions(locks ...[]byte) lockedExecutions {
	return lockedExecutions{s, s.leases.lock(locks...)}
}

func (l lockedExecutions) attempt(of executionRef) record.Attempt { return l.attempts.get(of) }

// setAttempt notes a change of an attempt that is stored.
func (l lockedExecutions) setAttempt(of executionRef, now record.Attempt) { l.attempts.set(of, now) }

// jobs collects changes of the executions of jobs; see jobsUnderWay.
func (l lockedExecutions) jobs(now time.Time) batchJobs {
	return batchJobs{l.db, now, make(map[executionRef]*batchJob)}
}
