package blaxel

import (
	"cmp"
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// triggerPatience bounds how long a request waits for the execution that it triggers, unless
// the trigger has a timeout.
const triggerPatience = 60 * time.Second

// trigger starts an execution of a job by the trigger with the path. A trigger of type http
// answers with the execution and its results once it is done, or when the trigger's timeout
// ends, in its current state; one of type http-async answers at once.
func (a *api) trigger(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	key, err := web.IdempotencyKey(ctx)
	if err != nil {
		return err
	}
	tasks, err := parseTasks(ctx.Request.Body())
	if err != nil {
		return err
	}
	// A request that may not wait is refused before it starts anything.
	waiting, leave, err := a.Wait(ctx, tenant, web.JobGroup(name), runtime.MaxTriggerTimeout)
	if err != nil {
		return err
	}
	defer leave()
	if err := a.TakeStored(ctx); err != nil {
		return err
	}
	r := runtime.JobStartRequest{Tenant: tenant, Caller: web.Caller(ctx), Job: name, Tasks: tasks, IdempotencyKey: key}
	accepted, trigger, err := a.engine().TriggerJob(a.Context(), r, pathText(ctx, "path"))
	if err != nil {
		return err
	}
	writeAccepted(ctx, &accepted)
	if len(tasks) == 0 {
		tasks = trigger.TasksOrOne()
	}
	if trigger.Type != runtime.TriggerHTTP {
		return writeStarted(ctx, &accepted, tasks, key)
	}
	if !accepted.Replayed {
		// The store has the tasks. The answer does not repeat them.
		tasks = nil
		web.DropBody(ctx)
	}
	waiting, cancel := context.WithTimeout(waiting, cmp.Or(trigger.Timeout, triggerPatience))
	defer cancel()
	x, err := a.engine().AwaitJobExecution(waiting, tenant, name, accepted.Execution.ID)
	switch code := runtime.CodeOf(err); {
	case accepted.Replayed && code == runtime.CodeNotFound: // the execution has expired since
		return writeStarted(ctx, &accepted, tasks, key)
	case code == runtime.CodeTooBusy || code == runtime.CodeUnavailable:
		// These say that nothing was done. The answer has the execution as it was accepted.
		x, err = accepted.Execution, nil
	}
	if err != nil {
		return err
	}
	results, err := a.engine().GetTaskResults(a.Context(), x)
	if code := runtime.CodeOf(err); err != nil && code != runtime.CodeTooBusy && code != runtime.CodeUnavailable {
		return err
	}
	response := renderExecution(&x)
	addTasks(&response, renderTasks(x.Timeout, results[:min(len(results), renderedTasks)]))
	conform(ctx, &response)
	text, err := encodeWithResults(&response, results)
	if err != nil {
		return err
	}
	web.WriteJSON(ctx, fasthttp.StatusOK, text)
	return nil
}
