package httpapi

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxOutputs bounds the outputs, in bytes, that an answer about many
	// executions tells. Those up to [runtime.ListedResult] are told all the same.
	maxOutputs = 32 * runtime.MiB
	// cancelPatience is for how long the answer to a cancellation waits for the
	// run to stop.
	cancelPatience = time.Second
)

// executionID gets the id in the path.
func executionID(ctx *fasthttp.RequestCtx) string {
	raw, _ := ctx.UserValue("id").(string)
	return string([]byte(raw))
}

// getExecution answers an execution, if asked to once it is done.
func (s *Server) getExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	limit, err := waitFor(ctx.QueryArgs())
	if err != nil {
		return err
	}
	x, err := s.await(tenant, executionID(ctx), limit)
	if err != nil {
		return err
	}
	return writeValue(ctx, tellExecution(s.baseURL(ctx), &x))
}

// getExecutions answers executions in the order of the ids in the body.
func (s *Server) getExecutions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	ids, err := idsIn(ctx.Request.Body())
	if err != nil {
		return err
	}
	found, err := s.engine().GetExecutions(s.runs, tenant, ids)
	if err != nil {
		return err
	}
	base := s.baseURL(ctx)
	told := make([]execution, len(ids))
	left := maxOutputs
	for i, x := range found {
		if x == nil {
			told[i] = tellAbsent(ids[i])
			continue
		}
		if x.ResultSize > len(x.Result) && x.ResultSize <= left {
			// It may have been dropped by now: then it is told as it was.
			if whole, err := s.engine().GetExecution(s.runs, tenant, x.ID); err == nil {
				x = &whole
			}
		}
		left -= len(x.Result)
		told[i] = tellExecution(base, x)
	}
	return writeValue(ctx, told)
}

// idsIn reads a JSON array of ids, or, as older clients send it, an object with
// that array as a text in its member tasks.
func idsIn(body []byte) ([]string, error) {
	body, err := arrayIn(body, "tasks", "send an array of execution ids")
	if err != nil {
		return nil, err
	}
	var ids []string
	if err := json.Unmarshal(body, &ids); err != nil {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the body is not a JSON array of strings").
			WithHint("send an array of execution ids")
	}
	return ids, nil
}

// arrayIn gives the text of the array that a body is, or has as a text in one
// member if it is an object.
func arrayIn(body []byte, member, hint string) ([]byte, error) {
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return body, nil
	}
	members, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	text, ok, err := stringMember(members, member)
	if err != nil || !ok {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the body is an object without a text %q", member).WithHint(hint)
	}
	return []byte(text), nil
}

// cancelled is the answer to a cancellation.
type cancelled struct {
	execution
	Changed bool   `json:"changed"`
	Message string `json:"message"`
}

// cancelExecution cancels an execution and answers what became of it.
func (s *Server) cancelExecution(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	x, changed, err := s.engine().CancelExecution(s.runs, tenant, executionID(ctx))
	if err != nil {
		return err
	}
	if !x.State.Terminal() {
		// Who is turned away from waiting is told that it is being stopped.
		if now, err := s.await(tenant, x.ID, cancelPatience); err == nil {
			x = now
		}
	}
	return writeValue(ctx, cancelled{tellExecution(s.baseURL(ctx), &x), changed, cancelMessage(&x, changed)})
}

func cancelMessage(x *runtime.Execution, changed bool) string {
	switch {
	case !x.State.Terminal():
		return "the execution is being stopped"
	case x.State != runtime.StateCancelled && changed:
		return "the execution ended by itself before it could be stopped"
	case x.State != runtime.StateCancelled:
		return "the execution had ended before; nothing was changed"
	case !changed:
		return "the execution was cancelled before; nothing was changed"
	case x.Started.IsZero():
		return "the execution was cancelled before it started"
	}
	return "the execution was cancelled while it ran"
}
