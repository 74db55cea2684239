package web

import (
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// keySubject is the key of the user value of a request with its Subject.
const keySubject = "subject"

// Subject is what a request has changed, for the audit log, as far as the path of its route does not say
// it. It must not have secrets.
type Subject struct {
	Tenant *runtime.Tenant // owner of the thing; nil: the tenant of the sender
	Name   string          // of the thing
	ID     string          // of the thing
	Fields []string        // names of what the request has set
	Count  *int            // number of things; nil: one

	NewName string // that the thing has got; empty: it was not renamed
}

// SetSubject records what a request has changed. The handler of a route with a [Route.Change] calls it if
// the path does not name the thing.
func SetSubject(ctx *fasthttp.RequestCtx, s Subject) { ctx.SetUserValue(keySubject, s) }

// SubjectOf returns what SetSubject has recorded.
func SubjectOf(ctx *fasthttp.RequestCtx) Subject {
	s, _ := ctx.UserValue(keySubject).(Subject)
	return s
}
