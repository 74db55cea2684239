package httpapi

import (
	"bytes"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	headerBlaxelAuthorization = "X-Blaxel-Authorization"
	headerBlaxelWorkspace     = "X-Blaxel-Workspace"
	headerBlaxelVersion       = "Blaxel-Version"

	jobsPath = "/v0/jobs/"

	// keyPaged marks a request whose lists are objects with cursors.
	keyPaged = "paged"
	// pagedSince is the version of the API from which on they are.
	pagedSince = "2026-04-28"
)

// blaxel makes the handler of a route below /v0 of what it does: it looks at what
// all such requests may say of themselves.
func blaxel(handle handler) handler {
	return func(s *Server, ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
		h := &ctx.Request.Header
		for _, name := range [][]byte{h.Peek(headerBlaxelWorkspace), ctx.QueryArgs().Peek("workspace")} {
			if err := checkWorkspace(tenant, string(name)); err != nil {
				return err
			}
		}
		if version := h.Peek(headerBlaxelVersion); version != nil {
			// Dates that are written so sort as texts.
			if _, err := time.Parse(time.DateOnly, string(version)); err != nil {
				return runtime.Errorf(runtime.CodeInvalidArgument, "the header %s is not a date", headerBlaxelVersion).
					WithHint("write it like " + pagedSince + ", or leave it out")
			}
			if string(version) >= pagedSince {
				ctx.SetUserValue(keyPaged, true)
			}
		}
		return handle(s, ctx, tenant)
	}
}

// checkWorkspace refuses a workspace that is not the tenant's own. It looks the
// same whether there is one of that name or not.
func checkWorkspace(tenant runtime.Tenant, name string) error {
	if name == "" || name == string(tenant) {
		return nil
	}
	return runtime.Errorf(runtime.CodeNotFound, "there is no workspace %.100q", name).
		WithHint("leave it out: the token tells whose the jobs are")
}

// isPaged tells whether a list is to be an object with a cursor.
func isPaged(ctx *fasthttp.RequestCtx) bool { return ctx.UserValue(keyPaged) != nil }

// blaxelError is how errors are told below /v0. Hint and error_id are ours.
type blaxelError struct {
	Error   runtime.Code `json:"error"`
	Code    int          `json:"code"` // the status
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"`
	Line    int          `json:"line,omitempty"`
	ErrorID string       `json:"error_id,omitempty"`
}

func writeBlaxelError(ctx *fasthttp.RequestCtx, status int, body errorBody) {
	text, err := encodeJSON(blaxelError{body.Code, status, body.Message, body.Hint, body.Line, body.ErrorID})
	if err != nil { // strings and numbers: cannot happen
		text = []byte(`{"error":"internal","code":500,"message":"something went wrong inside the server"}`)
	}
	writeJSON(ctx, status, text)
}

// blaxelToken finds the token of a request that has it in the header of this
// dialect. One in Authorization beside it must be the same.
func blaxelToken(h *fasthttp.RequestHeader) (token []byte, there bool, err error) {
	fields := h.PeekAll(headerBlaxelAuthorization)
	switch {
	case len(fields) == 0:
		return nil, false, nil
	case len(fields) > 1:
		return nil, true, errTwoTokens
	}
	token, ok := bearer(fields[0])
	if !ok {
		return nil, true, errNoToken
	}
	for _, field := range h.PeekAll(fasthttp.HeaderAuthorization) {
		if other, ok := bearer(field); !ok || !bytes.Equal(other, token) {
			return nil, true, errTwoTokens
		}
	}
	return token, true, nil
}

// pathText gets a parameter in the path, with %XX decoded once, as a string of its
// own.
func pathText(ctx *fasthttp.RequestCtx, name string) string {
	raw, _ := ctx.UserValue(name).(string)
	text := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if d, ok := unhexPair(raw[i+1:]); ok {
				c = d
				i += 2
			}
		}
		text = append(text, c)
	}
	return string(text)
}

// jobName gets the job's name in the path.
func jobName(ctx *fasthttp.RequestCtx) (string, error) {
	name := pathText(ctx, "jobId")
	return name, runtime.ValidateJobName(name)
}

// numberIn reads a whole number in a query, fallback if it is not there.
func numberIn(query *fasthttp.Args, name string, fallback, low, high int) (int, error) {
	text := query.Peek(name)
	if len(text) == 0 {
		return fallback, nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < low || n > high {
		return 0, runtime.Errorf(runtime.CodeInvalidArgument, "%s must be a whole number from %d to %d", name, low, high)
	}
	return n, nil
}
