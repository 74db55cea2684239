package web

import (
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// RenderIdentity renders who sends a request, and what it may do.
func RenderIdentity(i *runtime.Identity) wire.Whoami {
	w := wire.Whoami{User: i.UserID, Operator: i.Operator, Functions: append([]string{}, i.Functions...)}
	if i.Tenant != "" {
		w.Tenant = new(string(i.Tenant))
	}
	if scope := i.Scope.String(); scope != "" {
		w.Scope = &scope
	}
	if i.TokenID != "" {
		w.Token = &i.TokenID
	}
	return w
}
