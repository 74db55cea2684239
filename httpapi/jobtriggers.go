package httpapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// triggerPatience is for how long a request waits for the end of what it has
// triggered, unless the trigger says otherwise.
const triggerPatience = 60 * time.Second

// triggerJob starts an execution of a job by the trigger with the path. One of type
// http is answered with the execution and its results once it is done, or when the
// trigger's time is up as it stands; one of type http-async at once.
func (s *Server) triggerJob(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := jobName(ctx)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(ctx)
	if err != nil {
		return err
	}
	tasks, err := triggerTasks(ctx.Request.Body())
	if err != nil {
		return err
	}
	// Who could not wait is turned away before anything has started.
	waiting, leave, err := s.wait(runtime.MaxTriggerTimeout)
	if err != nil {
		return err
	}
	defer leave()
	r := runtime.JobStartRequest{Tenant: tenant, Caller: callerOf(ctx), Job: name, Tasks: tasks, IdempotencyKey: key}
	accepted, trigger, err := s.engine().TriggerJob(s.runs, r, pathText(ctx, "path"))
	if err != nil {
		return err
	}
	if !accepted.Replayed {
		tellTrace(ctx, accepted.Execution.TraceID)
	}
	if len(tasks) == 0 {
		tasks = trigger.Tasks
	}
	if len(tasks) == 0 {
		tasks = []json.RawMessage{json.RawMessage("{}")}
	}
	if trigger.Type != runtime.TriggerHTTP {
		return writeCreated(ctx, &accepted, tasks, key)
	}
	tellReplay(ctx, accepted.Replayed)
	patience := trigger.Timeout
	if patience == 0 {
		patience = triggerPatience
	}
	waiting, cancel := context.WithTimeout(waiting, patience)
	defer cancel()
	x, err := s.engine().AwaitJobExecution(waiting, tenant, name, accepted.Execution.ID)
	if accepted.Replayed && runtime.CodeOf(err) == runtime.CodeNotFound {
		return writeCreated(ctx, &accepted, tasks, key) // it was dropped since
	}
	if err != nil {
		return err
	}
	done, err := s.engine().GetTaskResults(s.runs, x)
	if err != nil {
		return err
	}
	return writeValue(ctx, tellJobExecution(&x).withTasks(&x, done).withResults(done))
}
