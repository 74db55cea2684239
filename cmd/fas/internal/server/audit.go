package server

import (
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// record makes a change of the server itself that a command makes, without a request, and records it in
// the audit log, as a change of a request is: an entry of it is on disk before it is. change returns the number of
// things that have changed.
func record(log runtime.AuditStore, operation, command string, change func() (count int, err error)) error {
	now, id := runtime.NewClock(time.Now).Stamp()
	e := runtime.AuditEntry{
		ID: id, Time: now, By: runtime.AuditActor{User: command}, Operation: operation, Outcome: runtime.AuditUnknown, Count: 1,
	}
	begun := e
	if err := log.BeginAudit(begun); err != nil {
		return fmt.Errorf("record the change in the audit log: %w", err)
	}
	count, err := change()
	if err != nil {
		return err // it may have been made
	}
	e.Outcome, e.Count = runtime.AuditDone, count
	if err := log.EndAudit(e, &begun); err != nil {
		return fmt.Errorf("record the change in the audit log: %w", err)
	}
	return nil
}
