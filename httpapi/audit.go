package httpapi

import (
	"cmp"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// refusalPause is the time in which one refusal of an operation to a token is recorded, and
	// maxRefusals and maxTenantRefusals the numbers of refusals, in all and of the tokens of one tenant, that
	// are recorded in that time.
	refusalPause      = time.Minute
	maxRefusals       = 10_000
	maxTenantRefusals = 100
)

// auditor writes the audit log: an entry for each change that a request makes.
type auditor struct {
	store runtime.AuditStore // nil: there is no audit log
	log   *slog.Logger
	clock *runtime.Clock

	mu       sync.Mutex
	refusals map[deniedChange]bool  // those recorded since began
	byTenant map[runtime.Tenant]int // their number, by the tenant of the token
	began    time.Time
}

// deniedChange is an operation that a token does not permit.
type deniedChange struct{ token, user, operation string }

func newAuditor(store runtime.AuditStore, log *slog.Logger) *auditor {
	return &auditor{store: store, log: log, clock: runtime.NewClock(time.Now)}
}

// entry returns the entry of a request with an outcome. It knows the thing that changes as far as the
// path names it.
func (a *auditor) entry(ctx *fasthttp.RequestCtx, r *web.Route, caller *runtime.Identity, outcome runtime.AuditOutcome) *runtime.AuditEntry {
	param := func(names ...string) string {
		for _, name := range names {
			if text, _ := web.PathParam(ctx, name); text != "" {
				return bounded(text)
			}
		}
		return ""
	}
	now, id := a.clock.Stamp()
	return &runtime.AuditEntry{
		ID: id, Time: now, Tenant: caller.Tenant, By: runtime.AuditActor{User: caller.UserID, Token: caller.TokenID, Tenant: caller.Tenant},
		Remote: ctx.RemoteAddr().String(), Outcome: outcome, Operation: r.Change,
		Name: param("name", "jobId", "tenant"), Thing: param("executionId", "id"), Count: 1,
	}
}

// bounded returns the beginning of a text, which is valid UTF-8.
func bounded(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), runtime.MaxAuditText)], "\uFFFD")
}

// change calls the handler of a route that changes something, and records the change. An entry without an
// outcome is on disk before the change is, so that a server that ends in between leaves it. If the disk
// has no room for new work, only changes that free some are made, and recorded once they are.
func (a *auditor) change(ctx *fasthttp.RequestCtx, r *web.Route, caller *runtime.Identity) error {
	if a.store == nil {
		return r.Handle(ctx, caller.Tenant)
	}
	e := a.entry(ctx, r, caller, runtime.AuditUnknown)
	begun := new(*e)
	if err := a.store.BeginAudit(*e); err != nil {
		switch {
		case r.Method == fasthttp.MethodDelete:
		case errors.Is(err, runtime.ErrUnknownOutcome): // that of the entry
			return stalledError()
		default:
			return err
		}
		begun = nil
	}
	err := r.Handle(ctx, caller.Tenant)
	switch runtime.CodeOf(err) {
	case "":
		a.complete(ctx, e)
		if a.end(e, begun) {
			web.SetRecorded(ctx)
		}
	case runtime.CodePermissionDenied:
		if e.Outcome = runtime.AuditRefused; a.counts(caller, r) {
			a.end(e, begun)
		} else {
			a.drop(begun)
		}
	case runtime.CodeInternal, runtime.CodeUnavailable: // something may have changed
		if begun == nil {
			a.end(e, nil)
		}
	default:
		a.drop(begun)
	}
	return err
}

// complete sets what the handler of a change that was made has said about it.
func (a *auditor) complete(ctx *fasthttp.RequestCtx, e *runtime.AuditEntry) {
	s := web.SubjectOf(ctx)
	e.Outcome = runtime.AuditDone
	e.Name, e.Thing = cmp.Or(bounded(s.Name), e.Name), cmp.Or(bounded(s.ID), e.Thing)
	e.NewName = bounded(s.NewName)
	for _, name := range s.Fields[:min(len(s.Fields), runtime.MaxAuditFields)] {
		e.Fields = append(e.Fields, bounded(name))
	}
	if s.Count != nil {
		e.Count = *s.Count
	}
	if s.Tenant != nil {
		e.Tenant = *s.Tenant
	}
}

// refused records that a request was refused, because its token does not permit it.
func (a *auditor) refused(ctx *fasthttp.RequestCtx, r *web.Route) {
	caller := web.Identity(ctx)
	if a.store == nil || r.Change == "" || !a.counts(caller, r) {
		return
	}
	if err := a.store.BeginAudit(*a.entry(ctx, r, caller, runtime.AuditRefused)); err != nil {
		a.log.Debug("http: a refusal cannot be recorded", slog.Any("err", err))
	}
}

// counts reports whether to record a refusal: the first of an operation to a token in a minute.
func (a *auditor) counts(caller *runtime.Identity, r *web.Route) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); a.refusals == nil || now.Sub(a.began) >= refusalPause {
		a.refusals, a.byTenant, a.began = make(map[deniedChange]bool), make(map[runtime.Tenant]int), now
	}
	of := deniedChange{caller.TokenID, caller.UserID, r.Change}
	if a.refusals[of] || len(a.refusals) >= maxRefusals || a.byTenant[caller.Tenant] >= maxTenantRefusals {
		return false
	}
	a.refusals[of] = true
	a.byTenant[caller.Tenant]++
	return true
}

// end stores the final form of an entry, and reports whether that is stored. What it records has happened, so an entry
// that cannot be stored goes to the log.
func (a *auditor) end(e, begun *runtime.AuditEntry) bool {
	err := a.store.EndAudit(*e, begun)
	if err != nil {
		a.log.Error("http: a change cannot be recorded in the audit log", slog.Any("err", err),
			slog.String("operation", e.Operation), slog.String("outcome", string(e.Outcome)), slog.String("tenant", string(e.Tenant)),
			slog.String("name", e.Name), slog.String("new_name", e.NewName), slog.String("id", e.Thing), slog.String("user", e.By.User), slog.String("token", e.By.Token),
			slog.String("remote", e.Remote))
	}
	return err == nil
}

// drop drops the entry of a change that was not made; nil: there is none.
func (a *auditor) drop(begun *runtime.AuditEntry) {
	if begun == nil {
		return
	}
	if err := a.store.DropAudit(*begun); err != nil {
		a.log.Debug("http: an entry of a change that was not made stays in the audit log", slog.Any("err", err))
	}
}
