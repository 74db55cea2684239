package faaspot

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// Access manages tenants and tokens. All methods may be called concurrently.
type Access interface {
	CreateTenant(name runtime.Tenant) (runtime.TenantRecord, error)
	ListTenants(r runtime.PageRequest) runtime.Page[runtime.TenantRecord]
	GetTenant(name runtime.Tenant) (runtime.TenantRecord, error)
	UpdateTenant(name runtime.Tenant, c runtime.TenantChange) (runtime.TenantRecord, error)
	Usage(name runtime.Tenant) (runtime.TenantUsage, error)
	// DeleteTenant begins to delete a tenant; without force, only one without functions and jobs.
	DeleteTenant(ctx context.Context, name runtime.Tenant, force bool) (runtime.TenantRecord, error)

	// CreateToken returns a new token and its secret; by is the identity that requests it.
	CreateToken(ctx context.Context, by *runtime.Identity, s runtime.TokenSpec) (t runtime.Token, secret string, err error)
	// ListTokens lists those of a tenant, or all that the identity may see if it is empty.
	ListTokens(by *runtime.Identity, of runtime.Tenant, r runtime.PageRequest) (runtime.Page[runtime.Token], error)
	GetToken(by *runtime.Identity, id string) (runtime.Token, error)
	DeleteToken(by *runtime.Identity, id string) (runtime.Token, error)
	// RotateToken returns the token and its new secret. The old one stays valid for the time overlap.
	RotateToken(ctx context.Context, by *runtime.Identity, id string, overlap time.Duration, password string) (t runtime.Token, secret string, err error)
}

// maxAccessBody leaves room for a token with as many functions as it may have, and maxLimitsBody for as
// many rules as a ceiling may have.
const (
	maxAccessBody = 16 * runtime.KiB
	maxLimitsBody = 48 * runtime.KiB
)

// What the bodies of requests must be, for errors.
const (
	tenantIs   = `a JSON object, such as {"name": "acme"}`
	changeIs   = `a JSON object, such as {"limits": {"runs": 10}}`
	tokenIs    = `a JSON object, such as {"name": "ci", "scope": "deploy"}`
	rotationIs = `a JSON object, such as {"overlap": 3600}`
)

// accessRoutes returns the routes of tenants and tokens.
func (a *api) accessRoutes() []web.Route {
	tenant := func(r web.Route) web.Route {
		r.Scope = runtime.ScopeOperator
		return r
	}
	token := func(r web.Route) web.Route {
		r.Scope, r.Operators = runtime.ScopeAdmin, true
		return r
	}
	return []web.Route{
		tenant(web.Route{Method: "GET", Path: "/v1/tenants", Handle: a.listTenants, Query: []string{"after", "limit"}, MaxBody: web.NoBody}),
		tenant(web.Route{Method: "POST", Path: "/v1/tenants", Handle: a.createTenant, Writes: true, Change: "tenant.create", MaxBody: maxAccessBody, Body: tenantIs}),
		tenant(web.Route{Method: "GET", Path: "/v1/tenants/{tenant}", Handle: a.getTenant, MaxBody: web.NoBody}),
		tenant(web.Route{Method: "PATCH", Path: "/v1/tenants/{tenant}", Handle: a.updateTenant, Writes: true, Change: "tenant.update", MaxBody: maxLimitsBody, Body: changeIs}),
		tenant(web.Route{Method: "GET", Path: "/v1/tenants/{tenant}/usage", Handle: a.tenantUsage, MaxBody: web.NoBody}),
		{Method: "GET", Path: "/v1/usage", Scope: runtime.ScopeRead, Handle: a.ownUsage, MaxBody: web.NoBody},
		tenant(web.Route{Method: "DELETE", Path: "/v1/tenants/{tenant}", Handle: a.deleteTenant, Writes: true, Change: "tenant.delete", Query: []string{"force"}, MaxBody: web.NoBody}),

		token(web.Route{Method: "GET", Path: "/v1/tokens", Handle: a.listTokens, Query: []string{"tenant", "after", "limit"}, MaxBody: web.NoBody}),
		token(web.Route{Method: "POST", Path: "/v1/tokens", Handle: a.createToken, Writes: true, Change: "token.create", MaxBody: maxAccessBody, Body: tokenIs}),
		token(web.Route{Method: "GET", Path: "/v1/tokens/{id}", Handle: a.getToken, MaxBody: web.NoBody}),
		token(web.Route{Method: "POST", Path: "/v1/tokens/{id}/rotate", Handle: a.rotateToken, Writes: true, Change: "token.rotate", MaxBody: maxAccessBody, Body: rotationIs}),
		token(web.Route{Method: "DELETE", Path: "/v1/tokens/{id}", Handle: a.deleteToken, Writes: true, Change: "token.delete", MaxBody: web.NoBody}),
	}
}

func renderTenant(t runtime.TenantRecord) wire.Tenant[*string] {
	state := wire.TenantActive
	if t.Deleting {
		state = wire.TenantDeleting
	}
	return wire.Tenant[*string]{Name: string(t.Name), State: state, Created: renderTime(t.Created), Limits: renderLimits(t.Limits), OwnWorker: t.OwnWorker}
}

func renderLimits(l runtime.TenantLimits) wire.TenantLimits {
	orNull := func(n int) *int {
		if n == 0 {
			return nil
		}
		return &n
	}
	return wire.TenantLimits{
		RequestsPerSecond: orNull(l.RequestsPerSecond),
		RequestBurst:      orNull(l.RequestBurst),
		Runs:              orNull(l.Runs),
		Queued:            orNull(l.Queued),
		Functions:         orNull(l.Functions),
		CodeBytes:         orNull(l.CodeBytes),
		StoredBytes:       orNull(l.StoredBytes),
		EgressBytes:       orNull(l.EgressBytes),
		EgressHosts:       l.Hosts(),
		ProcessorShare:    orNull(l.ProcessorShare),
		MemoryBytes:       orNull(l.Memory),
		ImageBytes:        orNull(l.Images),
	}
}

func renderToken(t *runtime.Token) wire.Token[*string] {
	response := wire.Token[*string]{
		ID: t.ID, Name: t.Name, Scope: t.Scope.String(), Functions: append([]string{}, t.Functions...),
		Created: renderTime(t.Created), CreatedBy: t.CreatedBy, Expires: renderTime(t.Expires),
		LastUsed: renderTime(t.LastUsed), PreviousExpires: renderTime(t.PreviousExpires),
	}
	if t.Tenant != "" {
		name := string(t.Tenant)
		response.Tenant = &name
	}
	if t.HasPassword() {
		login := t.Login()
		response.Username = &login
	}
	return response
}

// setToken records the token that a request has changed.
func setToken(ctx *fasthttp.RequestCtx, t *runtime.Token) {
	web.SetSubject(ctx, web.Subject{Tenant: &t.Tenant, Name: t.Name, ID: t.ID})
}

// writeToken answers with a new token and its secret, which no cache may keep.
func writeToken(ctx *fasthttp.RequestCtx, t *runtime.Token, secret string) error {
	response := wire.NewToken[*string]{Token: renderToken(t)}
	if secret != "" {
		response.Secret = &secret
	}
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	return web.WriteValue(ctx, response)
}

// pageParams reads limit and after of a list.
func pageParams(query *fasthttp.Args) (r runtime.PageRequest, err error) {
	r.After = string(query.Peek("after"))
	r.Limit, err = web.IntParam(query, "limit", runtime.MaxPage, 1, runtime.MaxPage)
	return r, err
}

func (a *api) listTenants(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	r, err := pageParams(ctx.QueryArgs())
	if err != nil {
		return err
	}
	page := a.access.ListTenants(r)
	list := make([]wire.Tenant[*string], len(page.Items))
	for i, t := range page.Items {
		list[i] = renderTenant(t)
	}
	if page.Next != "" {
		web.NextLink(ctx, "/v1/tenants/?after="+url.QueryEscape(page.Next)+"&limit="+strconv.Itoa(r.Limit))
	}
	return web.WriteValue(ctx, list)
}

func (a *api) createTenant(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	f, err := web.ReadFields(ctx.Request.Body())
	if err != nil {
		return err
	}
	f.Quoted()
	name := runtime.Tenant(f.Text("name"))
	if err := f.End(); err != nil {
		return err
	}
	t, err := a.access.CreateTenant(name)
	if err != nil {
		return err
	}
	web.SetSubject(ctx, web.Subject{Tenant: &t.Name, Name: string(t.Name)})
	return web.WriteValue(ctx, renderTenant(t))
}

// tenantName returns the tenant in the path.
func tenantName(ctx *fasthttp.RequestCtx) runtime.Tenant {
	name, _ := web.PathParam(ctx, "tenant")
	return runtime.Tenant(name)
}

func (a *api) getTenant(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	t, err := a.access.GetTenant(tenantName(ctx))
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderTenant(t))
}

func (a *api) updateTenant(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	f, err := web.ReadFields(ctx.Request.Body())
	if err != nil {
		return err
	}
	f.Quoted()
	limits := f.Object("limits")
	names := limits.Names()
	var c runtime.TenantChange
	c.Limits.Numbers = make(map[string]int)
	for i := range runtime.TenantNumbers {
		// Null is 0: that of the server.
		if n := &runtime.TenantNumbers[i]; limits.Has(n.Name) || limits.Null(n.Name) {
			c.Limits.Numbers[n.Name] = limits.Whole(n.Name, 1, n.Max())
		}
	}
	if c.Limits.EgressHosts, err = hostsField(limits, "egress_hosts"); err != nil {
		return err
	}
	if own := false; f.Read("own_worker", "true or false", &own) {
		c.OwnWorker = &own
		names = append(names, "own_worker")
	}
	if err := limits.End(); err != nil {
		return err
	}
	if err := f.End(); err != nil {
		return err
	}
	t, err := a.access.UpdateTenant(tenantName(ctx), c)
	if err != nil {
		return err
	}
	web.SetSubject(ctx, web.Subject{Tenant: &t.Name, Fields: names})
	return web.WriteValue(ctx, renderTenant(t))
}

// hostsField reads the rules of a ceiling: nil if they stay, and an empty text for null.
func hostsField(f *web.Fields, name string) (*string, error) {
	if f.Null(name) {
		f.Ignore(name)
		return new(string), nil
	}
	var rules []string
	if !f.Read(name, "an array of rules", &rules) {
		return nil, nil
	}
	// An empty list may not mean that there is no bound.
	if len(rules) == 0 {
		f.FailHint(`give rules, or ["none"] for functions that reach nothing, or null for those of the server`, name, "is empty")
		return nil, nil
	}
	hosts, err := runtime.NormalEgressHosts(rules)
	return &hosts, err
}

func (a *api) tenantUsage(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	return a.writeUsage(ctx, tenantName(ctx))
}

func (a *api) ownUsage(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	return a.writeUsage(ctx, tenant)
}

func (a *api) writeUsage(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	u, err := a.access.Usage(tenant)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, wire.TenantUsage{
		Tenant: string(tenant), Requests: u.Requests, Runs: u.Runs, Queued: u.Queued,
		Functions: u.Stored.Functions, CodeBytes: u.Stored.Code, StoredBytes: u.Stored.Bytes, EgressBytes: u.Egress,
		MemoryBytes: u.Memory, ImageBytes: u.Images,
		Limits: renderLimits(u.Limits),
	})
}

// deleteTenant begins to delete a tenant, and answers with it. It is gone when it is not found any more.
func (a *api) deleteTenant(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	force, err := web.BoolParam(ctx.QueryArgs(), "force")
	if err != nil {
		return err
	}
	t, err := a.access.DeleteTenant(a.Context(), tenantName(ctx), force)
	if err != nil {
		return err
	}
	web.SetSubject(ctx, web.Subject{Tenant: &t.Name})
	return web.WriteValue(ctx, renderTenant(t))
}

func (a *api) listTokens(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	query := ctx.QueryArgs()
	r, err := pageParams(query)
	if err != nil {
		return err
	}
	of := string(query.Peek("tenant"))
	page, err := a.access.ListTokens(web.Identity(ctx), runtime.Tenant(of), r)
	if err != nil {
		return err
	}
	list := make([]wire.Token[*string], len(page.Items))
	for i := range page.Items {
		list[i] = renderToken(&page.Items[i])
	}
	if page.Next != "" {
		next := "/v1/tokens/?after=" + page.Next + "&limit=" + strconv.Itoa(r.Limit)
		if of != "" {
			next += "&tenant=" + url.QueryEscape(of)
		}
		web.NextLink(ctx, next)
	}
	return web.WriteValue(ctx, list)
}

func (a *api) createToken(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	f, err := web.ReadFields(ctx.Request.Body())
	if err != nil {
		return err
	}
	f.Quoted()
	expires := f.Has("expires_in")
	s := runtime.TokenSpec{
		Tenant: runtime.Tenant(f.Text("tenant")), Name: f.Text("name"),
		Lifetime: f.Duration("expires_in", runtime.MaxTokenLifetime), Password: f.Text("password"),
	}
	scope := f.Text("scope")
	// Neither zero nor an empty list may mean a token without the bound that was asked for.
	if f.Read("functions", "an array of names", &s.Functions) && len(s.Functions) == 0 {
		f.FailHint("name a function, or leave it out", "functions", "is empty")
	}
	if expires && s.Lifetime == 0 {
		f.FailHint("give more than 0 seconds, or leave it out", "expires_in", "of 0 seconds is out of bounds")
	}
	if err := f.End(); err != nil {
		return err
	}
	if s.Scope, err = runtime.ParseScope(scope); err != nil {
		return err
	}
	t, secret, err := a.access.CreateToken(a.Context(), web.Identity(ctx), s)
	if err != nil {
		return err
	}
	setToken(ctx, &t)
	return writeToken(ctx, &t, secret)
}

func (a *api) getToken(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	t, err := a.access.GetToken(web.Identity(ctx), pathID(ctx))
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderToken(&t))
}

func (a *api) rotateToken(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	var overlap time.Duration
	var password string
	if body := ctx.Request.Body(); len(body) > 0 {
		f, err := web.ReadFields(body)
		if err != nil {
			return err
		}
		f.Quoted()
		overlap, password = f.Duration("overlap", runtime.MaxOverlap), f.Text("password")
		if err := f.End(); err != nil {
			return err
		}
	}
	t, secret, err := a.access.RotateToken(a.Context(), web.Identity(ctx), pathID(ctx), overlap, password)
	if err != nil {
		return err
	}
	setToken(ctx, &t)
	return writeToken(ctx, &t, secret)
}

func (a *api) deleteToken(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	t, err := a.access.DeleteToken(web.Identity(ctx), pathID(ctx))
	if err != nil {
		return err
	}
	setToken(ctx, &t)
	return web.WriteValue(ctx, renderToken(&t))
}
