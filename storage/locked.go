package storage

import (
	"time"

	"github.com/faaspot/faaspot/storage/internal/record"
)

// lockedExecutions are executions that are not done, and the jobs' executions that they are tasks
// of, which the caller has locked until it calls unlock. Its methods may be called for these
// executions only.
type lockedExecutions struct {
	*Store
	unlock func()
}

// lockExecutions locks executions by their keys of keys.KindAccepted and keys.KindJobAccepted.
func (s *Store) lockExecutions(locks ...[]byte) lockedExecutions {
	return lockedExecutions{s, s.leases.lock(locks...)}
}

func (locked lockedExecutions) attempt(of executionRef) record.Attempt {
	return locked.attempts.get(of)
}

// setAttempt sets the attempt of an execution after a change of it was stored.
func (locked lockedExecutions) setAttempt(of executionRef, now record.Attempt) {
	locked.attempts.set(of, now)
}

// jobs returns an empty set of changes of jobs' executions.
func (locked lockedExecutions) jobs(now time.Time) batchJobs {
	return batchJobs{locked.db, now, make(map[executionRef]*batchJob)}
}
