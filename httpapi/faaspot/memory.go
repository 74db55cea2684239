package faaspot

import (
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// getMemory answers with what the server holds for others, in bytes.
func (a *api) getMemory(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	m := wire.Memory{Budget: a.Memory.Total(), Used: a.Memory.Used(), Resident: a.Memory.Resident(), Holders: []wire.MemoryHolder{}}
	for _, h := range a.Memory.Holders() {
		m.Holders = append(m.Holders, wire.MemoryHolder{Name: h.Name, Bytes: h.Bytes})
	}
	return web.WriteValue(ctx, m)
}

// getDisk answers with the state of the disk of the data folder.
func (a *api) getDisk(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	d := a.disk()
	response := wire.Disk{Free: d.Free, Total: d.Total, Floor: d.Floor, Ballast: d.Ballast, Accepting: d.Problem == nil}
	if e, ok := runtime.AsError(d.Problem); ok {
		response.Problem = &e.Message
	}
	return web.WriteValue(ctx, response)
}
