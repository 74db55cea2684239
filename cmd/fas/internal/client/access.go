package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

const (
	tenantsPath = "/v1/tenants/"
	tokensPath  = "/v1/tokens/"
)

// Tenant, Token and NewToken have JSON forms that are also the --json output of the command line: names
// and meanings of their fields stay.
type (
	Tenant   = wire.Tenant[Moment]
	Token    = wire.Token[Moment]
	NewToken = wire.NewToken[Moment]
)

// Tenants calls page with tenants in the order of their names, as [Client.ListExecutions] does.
func (c *Client) Tenants(ctx context.Context, limit int, page func([]Tenant) error) (more bool, err error) {
	return listAll(ctx, c, tenantsPath, url.Values{}, limit, page)
}

// Tokens calls page with tokens, oldest first, as [Client.ListExecutions] does: those of a tenant, or all
// that the sender may see if it is empty.
func (c *Client) Tokens(ctx context.Context, tenant string, limit int, page func([]Token) error) (more bool, err error) {
	query := url.Values{}
	if tenant != "" {
		query.Set("tenant", tenant)
	}
	return listAll(ctx, c, tokensPath, query, limit, page)
}

func listAll[T any](ctx context.Context, c *Client, path string, query url.Values, limit int, page func([]T) error) (more bool, err error) {
	left, size := limit, listPage
	if limit > 0 {
		size = min(size, limit)
	}
	query.Set("limit", strconv.Itoa(size))
	for next := path + "?" + query.Encode(); ; {
		a, err := c.do(ctx, request{method: http.MethodGet, path: next})
		if err != nil {
			return false, err
		}
		var items []T
		if err := c.decode(a, &items); err != nil {
			return false, err
		}
		if next, err = c.nextPage(a.header, path); err != nil {
			return false, err
		}
		if limit > 0 && len(items) >= left {
			return next != "" || len(items) > left, page(items[:left])
		}
		left -= len(items)
		if err := page(items); err != nil || next == "" {
			return false, err
		}
	}
}

// change sends a request with the JSON form of body, nil for none, and decodes the answer into v.
func (c *Client) change(ctx context.Context, method, path string, body, v any) error {
	r := request{method: method, path: path}
	if body != nil {
		var err error
		if r.body, err = encode(body); err != nil {
			return err
		}
	}
	a, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	return c.decode(a, v)
}

// CreateTenant creates a tenant.
func (c *Client) CreateTenant(ctx context.Context, name string) (t Tenant, err error) {
	return t, c.change(ctx, http.MethodPost, tenantsPath, wire.CreateTenantRequest{Name: name}, &t)
}

// Tenant returns a tenant.
func (c *Client) Tenant(ctx context.Context, name string) (t Tenant, err error) {
	return t, c.get(ctx, tenantsPath+url.PathEscape(name), &t)
}

// UpdateTenant changes limits of a tenant.
func (c *Client) UpdateTenant(ctx context.Context, name string, r wire.UpdateTenantRequest) (t Tenant, err error) {
	return t, c.change(ctx, http.MethodPatch, tenantsPath+url.PathEscape(name), r, &t)
}

// TenantUsage returns what a tenant has in progress, and its limits. The empty name is that of the
// sender's tenant.
func (c *Client) TenantUsage(ctx context.Context, name string) (u wire.TenantUsage, err error) {
	path := "/v1/usage"
	if name != "" {
		path = tenantsPath + url.PathEscape(name) + "/usage"
	}
	return u, c.get(ctx, path, &u)
}

// DeleteTenant begins to delete a tenant; with force, one that has functions or jobs as well.
func (c *Client) DeleteTenant(ctx context.Context, name string, force bool) (t Tenant, err error) {
	path := tenantsPath + url.PathEscape(name)
	if force {
		path += "?force=true"
	}
	return t, c.change(ctx, http.MethodDelete, path, nil, &t)
}

// CreateToken creates a token and returns its secret.
func (c *Client) CreateToken(ctx context.Context, r wire.CreateTokenRequest) (t NewToken, err error) {
	return t, c.change(ctx, http.MethodPost, tokensPath, r, &t)
}

// Token returns a token.
func (c *Client) Token(ctx context.Context, id string) (t Token, err error) {
	return t, c.get(ctx, tokensPath+url.PathEscape(id), &t)
}

// RotateToken gives a token another secret, or a password. The old secret stays valid for overlap.
func (c *Client) RotateToken(ctx context.Context, id string, overlap time.Duration, password string) (t NewToken, err error) {
	body := wire.RotateTokenRequest{Overlap: overlap.Seconds(), Password: password}
	return t, c.change(ctx, http.MethodPost, tokensPath+url.PathEscape(id)+"/rotate", body, &t)
}

// DeleteToken deletes a token.
func (c *Client) DeleteToken(ctx context.Context, id string) (t Token, err error) {
	return t, c.change(ctx, http.MethodDelete, tokensPath+url.PathEscape(id), nil, &t)
}
