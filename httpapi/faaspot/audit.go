package faaspot

import (
	"net/url"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// Audit reads the audit log. Its method may be called concurrently.
type Audit interface {
	ListAudit(f runtime.AuditFilter, r runtime.PageRequest) (runtime.Page[runtime.AuditEntry], error)
}

// auditRoutes returns the route of the audit log.
func (a *api) auditRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/v1/audit", Handle: a.listAudit, Scope: runtime.ScopeAdmin, Operators: true, Query: []string{"after", "limit", "since", "until", "token", "operation", "outcome", "tenant"}, MaxBody: web.NoBody},
	}
}

// listAudit answers with a page of the audit log, newest first: for an operator of all tenants and of the
// server, else of the sender's tenant.
func (a *api) listAudit(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	query := ctx.QueryArgs()
	r, err := pageParams(query)
	if err != nil {
		return err
	}
	f := runtime.AuditFilter{
		Token: string(query.Peek("token")), Operation: string(query.Peek("operation")),
	}
	if f.Outcome, err = runtime.ParseAuditOutcome(string(query.Peek("outcome"))); err != nil {
		return err
	}
	if f.Since, err = parseTime(query, "since"); err != nil {
		return err
	}
	if f.Until, err = parseTime(query, "until"); err != nil {
		return err
	}
	if err := a.auditOf(ctx, &f, tenant); err != nil {
		return err
	}
	page, err := a.audit.ListAudit(f, r)
	if err != nil {
		return err
	}
	all := web.Identity(ctx).Operator
	list := make([]wire.AuditEntry[*string], len(page.Items))
	for i := range page.Items {
		list[i] = renderAudit(&page.Items[i], all)
	}
	if page.Next != "" {
		next := url.Values{"limit": {strconv.Itoa(r.Limit)}, "after": {page.Next}}
		for _, name := range []string{"since", "until", "token", "operation", "outcome", "tenant"} {
			if query.Has(name) {
				next.Set(name, string(query.Peek(name)))
			}
		}
		web.NextLink(ctx, "/v1/audit/?"+next.Encode())
	}
	return web.WriteValue(ctx, list)
}

// auditOf limits a filter to what the sender may see: an operator all, or the tenant that the query names;
// everyone else what has changed of the own tenant since it exists.
func (a *api) auditOf(ctx *fasthttp.RequestCtx, f *runtime.AuditFilter, own runtime.Tenant) error {
	named := runtime.Tenant(ctx.QueryArgs().Peek("tenant"))
	if web.Identity(ctx).Operator {
		if ctx.QueryArgs().Has("tenant") {
			f.Tenant = &named
		}
		return nil
	}
	if named != "" && named != own {
		return runtime.NoTenantError(named)
	}
	f.Tenant = &own
	if a.access == nil {
		return nil
	}
	t, err := a.access.GetTenant(own)
	if err != nil {
		return err
	}
	if t.Created.After(f.Since) {
		f.Since = t.Created
	}
	return nil
}

// renderAudit renders an entry. A reader that is no operator does not see from where the tokens of others
// have acted on its tenant.
func renderAudit(e *runtime.AuditEntry, operator bool) wire.AuditEntry[*string] {
	orNull := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	response := wire.AuditEntry[*string]{
		ID: e.ID, Time: renderTime(e.Time), Tenant: orNull(string(e.Tenant)), Operation: e.Operation, Outcome: string(e.Outcome),
		Kind: e.Kind(), Name: orNull(e.Name), NewName: orNull(e.NewName), Thing: orNull(e.Thing), Fields: append([]string{}, e.Fields...), Count: e.Count,
		By: wire.AuditActor{User: e.By.User, Token: orNull(e.By.Token), Tenant: orNull(string(e.By.Tenant))},
	}
	if operator || e.By.Tenant == e.Tenant {
		response.Remote = orNull(e.Remote)
	}
	return response
}
