package httpapi

import (
	"encoding/json"
	"fmt"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// deadLetter is a callback that was given up, as it is told. Its secret never is.
type deadLetter struct {
	ID          string          `json:"id"`
	Job         string          `json:"job"`
	Execution   string          `json:"execution"`
	URL         string          `json:"url"`
	Created     *string         `json:"created"`
	Attempts    int             `json:"attempts"`
	LastAttempt *string         `json:"last_attempt"`
	LastStatus  *int            `json:"last_status"`
	LastError   string          `json:"last_error"`
	BodySize    int             `json:"body_size"` // bytes
	Body        json.RawMessage `json:"body,omitempty"`
}

func tellDeadLetter(d *runtime.Delivery) deadLetter {
	told := deadLetter{
		ID: d.ID, Job: d.Job, Execution: d.JobExecution, URL: d.Callback.URL, Created: tellTime(d.Created),
		Attempts: d.Attempts, LastAttempt: tellTime(d.LastAttempt), LastError: d.LastError, BodySize: len(d.Body),
	}
	if d.LastStatus != 0 {
		told.LastStatus = &d.LastStatus
	}
	return told
}

// listDeadLetters answers a page of dead letters, newest first.
func (s *Server) listDeadLetters(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	query := ctx.QueryArgs()
	limit, err := parseLimit(query, runtime.MaxPage)
	if err != nil {
		return err
	}
	page, err := s.engine().ListDeadLetters(s.runs, tenant, runtime.PageRequest{After: string(query.Peek("after")), Limit: limit})
	if err != nil {
		return err
	}
	if page.Next != "" {
		ctx.Response.Header.Set(fasthttp.HeaderLink, fmt.Sprintf(`</v1/dlq/?after=%s&limit=%d>; rel="next"`, page.Next, limit))
	}
	told := make([]deadLetter, len(page.Items))
	for i := range page.Items {
		told[i] = tellDeadLetter(&page.Items[i])
	}
	return writeValue(ctx, told)
}

func (s *Server) getDeadLetter(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	d, err := s.engine().GetDeadLetter(s.runs, tenant, executionID(ctx))
	if err != nil {
		return err
	}
	told := tellDeadLetter(&d)
	told.Body = d.Body
	return writeValue(ctx, told)
}

// count is the answer to what is done with many.
type count struct {
	Count int `json:"count"`
}

// redriveDeadLetter has one tried again.
func (s *Server) redriveDeadLetter(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	return answerOne(ctx, executionID(ctx), func(ids []string) (int, error) { return s.engine().RedriveDeadLetters(s.runs, tenant, ids) })
}

// redriveDeadLetters has those tried again that the body names, or all.
func (s *Server) redriveDeadLetters(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	ids, err := lettersIn(ctx.Request.Body())
	if err != nil {
		return err
	}
	n, err := s.engine().RedriveDeadLetters(s.runs, tenant, ids)
	if err != nil {
		return err
	}
	return writeValue(ctx, count{n})
}

func (s *Server) purgeDeadLetter(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	return answerOne(ctx, executionID(ctx), func(ids []string) (int, error) { return s.engine().PurgeDeadLetters(s.runs, tenant, ids) })
}

// purgeDeadLetters drops all.
func (s *Server) purgeDeadLetters(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	n, err := s.engine().PurgeDeadLetters(s.runs, tenant, nil)
	if err != nil {
		return err
	}
	return writeValue(ctx, count{n})
}

// answerOne answers what was done with one dead letter, which must be there.
func answerOne(ctx *fasthttp.RequestCtx, id string, do func(ids []string) (int, error)) error {
	n, err := do([]string{id})
	if err == nil && n == 0 {
		err = runtime.Errorf(runtime.CodeNotFound, "there is no dead letter with this id").WithHint("list the dead letters to see which there are")
	}
	if err != nil {
		return err
	}
	return writeValue(ctx, count{n})
}

// lettersIn reads {"ids": [...]}. No body, and an object without ids, are all: nil.
func lettersIn(body []byte) ([]string, error) {
	if len(body) == 0 {
		return nil, nil
	}
	f, err := readFields(body)
	if err != nil {
		return nil, err
	}
	var ids []string // stays nil if there are none; [] is read as none of them
	f.read("ids", "an array of ids", &ids)
	return ids, f.end()
}
