package faaspot

import (
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// listWorkers answers with the worker processes of the server; none if runs happen in the server.
func (a *api) listWorkers(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	list := []wire.Worker[*string]{}
	if a.Workers != nil {
		for _, w := range a.Workers() {
			list = append(list, renderWorker(w))
		}
	}
	return web.WriteValue(ctx, list)
}

func renderWorker(w runtime.WorkerStatus) wire.Worker[*string] {
	response := wire.Worker[*string]{Since: renderTime(w.Since), Restarts: w.Restarts, Runs: w.Runs, Memory: w.Memory}
	if w.PID != 0 {
		response.PID = &w.PID
	}
	if w.Tenant != "" {
		tenant := string(w.Tenant)
		response.Tenant = &tenant
	}
	if w.Function != "" {
		rid := runtime.FunctionRID(w.Function)
		response.Function = &rid
	}
	return response
}
