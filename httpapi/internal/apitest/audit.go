package apitest

import "github.com/faaspot/faaspot/runtime"

// auditCalls is an audit log that stores nothing, and has one entry.
type auditCalls struct{ fake *Fake }

func (auditCalls) BeginAudit(runtime.AuditEntry) error                    { return nil }
func (auditCalls) EndAudit(runtime.AuditEntry, *runtime.AuditEntry) error { return nil }
func (auditCalls) DropAudit(runtime.AuditEntry) error                     { return nil }

func (a auditCalls) ListAudit(f runtime.AuditFilter, _ runtime.PageRequest) (runtime.Page[runtime.AuditEntry], error) {
	by := runtime.Identity{}
	if f.Tenant != nil {
		by.Tenant = *f.Tenant
	}
	err := accessCalls(a).called(&by)
	return runtime.Page[runtime.AuditEntry]{Next: OtherID, Items: []runtime.AuditEntry{{
		ID: ID, Time: Time, Tenant: SomeTenant, By: runtime.AuditActor{User: "ci", Token: OtherID, Tenant: SomeTenant}, Remote: "192.0.2.1:4711",
		Outcome: runtime.AuditDone, Operation: "function.update", Name: "hello.py", Thing: ID, Fields: []string{"code", "context"}, Count: 1,
	}}}, err
}
