package faaspot

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// deadLetterBytes bounds a dead letter without its results, in bytes.
const deadLetterBytes = 256 * runtime.KiB

// renderDeadLetter renders a dead letter without its body.
func renderDeadLetter(d *runtime.Delivery) wire.DeadLetter[*string] {
	response := wire.DeadLetter[*string]{
		ID:          d.ID,
		Job:         d.Job,
		Execution:   d.JobExecution,
		URL:         d.Callback.URL,
		Created:     renderTime(d.Created),
		Attempts:    d.Attempts,
		LastAttempt: renderTime(d.LastAttempt),
		LastError:   d.LastError,
		BodySize:    d.BodySize,
	}
	if d.LastStatus != 0 {
		response.LastStatus = &d.LastStatus
	}
	return response
}

// listDeadLetters answers with a page of dead letters, newest first.
func (a *api) listDeadLetters(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	query := ctx.QueryArgs()
	limit, err := web.IntParam(query, "limit", runtime.MaxPage, 1, runtime.MaxPage)
	if err != nil {
		return err
	}
	page, err := web.Collect(a.Host, ctx, runtime.PageRequest{After: string(query.Peek("after")), Limit: limit}, deadLetterBytes,
		func(r runtime.PageRequest) (runtime.Page[runtime.Delivery], error) {
			return a.engine().ListDeadLetters(a.Context(), tenant, r)
		},
		func(d *runtime.Delivery) (read, kept int) {
			n := len(d.Callback.URL) + len(d.LastError) + renderedBytes/2
			return n + len(d.Body), n
		},
		renderDeadLetter)
	if err != nil {
		return err
	}
	if page.Next != "" {
		web.NextLink(ctx, "/v1/dlq/?after="+page.Next+"&limit="+strconv.Itoa(limit))
	}
	if page.Items == nil {
		page.Items = []wire.DeadLetter[*string]{}
	}
	return web.WriteValue(ctx, page.Items)
}

func (a *api) getDeadLetter(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	if err := a.Reserve(ctx, deadLetterBytes+runtime.MaxJobResultBytes); err != nil {
		return err
	}
	d, err := a.engine().GetDeadLetter(a.Context(), tenant, pathID(ctx))
	if err != nil {
		return err
	}
	// The body is in memory, and in the answer.
	if err := a.Reserve(ctx, 2*len(d.Body)+deadLetterBytes); err != nil {
		return err
	}
	response := renderDeadLetter(&d)
	if len(d.Body) > 0 {
		response.Body = web.Null
	}
	head, err := web.EncodeJSON(response)
	if err != nil {
		return runtime.Internal("httpapi.encode", err)
	}
	text, rest := web.Splice(make([]byte, 0, len(head)+len(d.Body)), head, "body", d.Body)
	web.WriteJSON(ctx, fasthttp.StatusOK, append(text, rest...))
	return nil
}

// redriveDeadLetter delivers one dead letter again.
func (a *api) redriveDeadLetter(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	n, err := a.engine().RedriveDeadLetters(a.Context(), tenant, []string{pathID(ctx)})
	return writeOne(ctx, n, err)
}

// redriveDeadLetters delivers the dead letters in the body again, or all.
func (a *api) redriveDeadLetters(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	ids, err := deadLettersIn(ctx.Request.Body())
	if err != nil {
		return err
	}
	n, err := a.engine().RedriveDeadLetters(a.Context(), tenant, ids)
	return writeCount(ctx, n, err)
}

func (a *api) purgeDeadLetter(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	n, err := a.engine().PurgeDeadLetters(a.Context(), tenant, []string{pathID(ctx)})
	return writeOne(ctx, n, err)
}

// purgeDeadLetters deletes all dead letters.
func (a *api) purgeDeadLetters(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	n, err := a.engine().PurgeDeadLetters(a.Context(), tenant, nil)
	return writeCount(ctx, n, err)
}

// writeOne answers a request about one dead letter, which must exist.
func writeOne(ctx *fasthttp.RequestCtx, n int, err error) error {
	if err == nil && n == 0 {
		err = runtime.Errorf(runtime.CodeNotFound, "there is no dead letter with this id").WithHint("list the dead letters to see which exist")
	}
	return writeCount(ctx, n, err)
}

func writeCount(ctx *fasthttp.RequestCtx, n int, err error) error {
	if err != nil {
		return err
	}
	web.SetSubject(ctx, web.Subject{Count: &n})
	return web.WriteValue(ctx, wire.Count{Count: n})
}

// deadLettersIn reads {"ids": [...]}. An empty body and an object without ids mean all dead
// letters: nil.
func deadLettersIn(body []byte) ([]string, error) {
	if len(body) == 0 {
		return nil, nil
	}
	f, err := web.ReadFields(body)
	if err != nil {
		return nil, err
	}
	var ids []string // nil if absent; an empty array names none
	f.Read("ids", "an array of ids", &ids)
	return ids, f.End()
}
