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
	return new(audited).complete(log, operation, command, change)
}

// audited is a change that is tried until it succeeds, with one entry in the audit log. The zero value is one that was not
// tried.
type audited struct {
	entry runtime.AuditEntry
	begun bool
}

// complete tries the change, as record does.
func (a *audited) complete(log runtime.AuditStore, operation, command string, change func() (count int, err error)) error {
	if !a.begun {
		now, id := runtime.NewClock(time.Now).Stamp()
		a.entry = runtime.AuditEntry{
			ID: id, Time: now, By: runtime.AuditActor{User: command}, Operation: operation, Outcome: runtime.AuditUnknown, Count: 1,
		}
		if err := log.BeginAudit(a.entry); err != nil {
			return fmt.Errorf("record the change in the audit log: %w", err)
		}
		a.begun = true
	}
	count, err := change()
	if err != nil {
		return err // it may have been made
	}
	e := a.entry
	e.Outcome, e.Count = runtime.AuditDone, count
	if err := log.EndAudit(e, &a.entry); err != nil {
		return fmt.Errorf("record the change in the audit log: %w", err)
	}
	return nil
}
