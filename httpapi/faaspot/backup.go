package faaspot

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// Maintenance is what the routes of the operator need of the store. Its methods may be called
// concurrently.
type Maintenance interface {
	// Backup writes a backup with everything that was durable before, and the name of the release.
	Backup(ctx context.Context, release string, w io.Writer) error
	// Breakdown returns what takes room, at most most tenants and functions.
	Breakdown(most int) (runtime.StorageBreakdown, error)
}

const (
	// firstBackup is the part of a backup that is read before the answer begins, in bytes: the header
	// of its first file, once the files of the store are known.
	firstBackup = 512

	defaultBreakdown = 20
	maxBreakdown     = 1000
)

func (a *api) maintenanceRoutes() []web.Route {
	return []web.Route{
		{Method: "POST", Path: "/v1/server/backup", Handle: a.backUp, Scope: runtime.ScopeOperator, Writes: true, Change: "server.backup", MaxBody: web.NoBody},
		{Method: "GET", Path: "/v1/server/storage", Handle: a.getStorage, Scope: runtime.ScopeOperator, Query: []string{"limit"}, MaxBody: web.NoBody},
	}
}

// backUp answers with a backup of the store. An answer that is cut short has no end of a chunked body.
func (a *api) backUp(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	if err := web.MemoryOf(ctx).Reserve(a.Context(), streamBytes); err != nil {
		return err
	}
	began := time.Now()
	r, err := a.sendFile(ctx.Conn(), firstBackup, func(w io.Writer) error {
		err := a.maintenance.Backup(a.Context(), a.release, w)
		switch {
		case err == nil:
			a.Log.Info("made a backup", slog.Duration("took", time.Since(began)))
		case errors.Is(err, io.ErrClosedPipe):
			a.Log.Warn("the client of a backup has left before its end", slog.Duration("took", time.Since(began)))
		case runtime.CodeOf(err) != runtime.CodeConflict:
			a.Log.Error("a backup failed", slog.Any("err", err))
		}
		return err
	})
	if err != nil {
		return err
	}
	name := "faaspot-" + began.UTC().Format("20060102-150405") + ".tar"
	web.SetSubject(ctx, web.Subject{Tenant: new(runtime.Tenant), Name: name})
	web.StartTar(ctx)
	ctx.Response.Header.Set(fasthttp.HeaderContentDisposition, `attachment; filename="`+name+`"`)
	ctx.Response.SetBodyStream(r, -1)
	return nil
}

// getStorage answers with what takes room in the store.
func (a *api) getStorage(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	most, err := web.IntParam(ctx.QueryArgs(), "limit", defaultBreakdown, 1, maxBreakdown)
	if err != nil {
		return err
	}
	b, err := a.maintenance.Breakdown(most)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, RenderStorage(b))
}

// RenderStorage returns the JSON form of what takes room.
func RenderStorage(b runtime.StorageBreakdown) wire.Storage {
	response := wire.Storage{Tables: b.Tables, Tenants: []wire.TenantStorage{}, Functions: []wire.FunctionStorage{}}
	for _, t := range b.Tenants {
		response.Tenants = append(response.Tenants, wire.TenantStorage{
			Tenant: string(t.Tenant), Bytes: t.Total(), Code: t.Code, Bundles: t.Bundles, Bytecode: t.Bytecode, Unfinished: t.Unfinished, Executions: t.Executions,
		})
	}
	for _, x := range b.Functions {
		response.Functions = append(response.Functions, wire.FunctionStorage{
			Tenant: string(x.Tenant), Function: x.Name, RID: runtime.FunctionRID(x.ID), Executions: x.Executions, Bytes: x.Bytes,
		})
	}
	return response
}
