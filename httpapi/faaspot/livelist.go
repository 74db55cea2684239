package faaspot

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// livePause is the time between two looks at what has changed: an execution that changes twice
	// meanwhile is read once.
	livePause = 500 * time.Millisecond
	// liveBatch is the number of executions that are read at once.
	liveBatch = 25
	// liveDefault is the number of executions that a live list begins with.
	liveDefault = 100
)

// liveGroup is the group of the requests that follow executions, see [web.Host.Wait].
const liveGroup = "executions"

// liveList streams the executions that pass a filter to one client.
type liveList struct {
	eventStream
	api    *api
	tenant runtime.Tenant
	filter runtime.ExecutionFilter
	limit  int               // executions that it begins with
	who    *runtime.Identity // sender of the request
	base   string            // of URLs
	feed   runtime.ExecutionFeed
}

// followExecutions streams the executions that pass a filter, and those that change, as server-sent
// events, see docs/http-api.md.
func (a *api) followExecutions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, filter runtime.ExecutionFilter, limit int) error {
	waits, free, err := a.Wait(ctx, tenant, liveGroup, streamTime)
	if err != nil {
		return err
	}
	if !a.Followers.TryTake(followerBytes) {
		free()
		return a.Followers.Refuse(followerBytes)
	}
	feed, err := a.engine().FollowExecutions(tenant)
	if err != nil {
		free()
		a.Followers.Give(followerBytes)
		return err
	}
	leave := func() {
		feed.Close()
		free()
		a.Followers.Give(followerBytes)
	}
	base, who := a.URL(ctx), *web.Identity(ctx)
	a.stream(ctx, leave, slog.String("tenant", string(tenant)), func(s eventStream) error {
		l := &liveList{eventStream: s, api: a, tenant: tenant, filter: filter, limit: limit, who: &who, base: base, feed: feed}
		return l.stream(waits)
	})
	return nil
}

// stream sends events until the client is gone or ctx ends.
func (l *liveList) stream(ctx context.Context) error {
	// The header of the answer is sent with the first bytes.
	if err := errors.Join(l.send(comment), l.flush()); err != nil {
		return errClientGone
	}
	if err := l.sendList(); err != nil {
		return err
	}
	for {
		quiet, cancel := context.WithTimeout(ctx, heartbeat)
		ids, missed, more := l.feed.Next(quiet)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		if err := l.sendChanges(ids, missed); err != nil {
			return err
		}
		if len(ids)+missed == 0 {
			if err := l.send(comment); err != nil {
				return err
			}
		}
		if err := l.flush(); err != nil {
			return err
		}
		if !more {
			return nil
		}
		select {
		case <-time.After(livePause):
		case <-ctx.Done():
			return nil
		}
	}
}

// sendList sends the newest executions that pass the filter, and that these are all.
func (l *liveList) sendList() error {
	sent, after := 0, ""
	scan := executionScan{api: l.api, tenant: l.tenant, filter: l.filter, who: l.who, left: maxScanned, bytes: liveBatch * web.ListedBytes}
	for sent < l.limit {
		n := min(liveBatch, l.limit-sent)
		if !l.reserve(n) {
			return l.sendSkipped(1)
		}
		page, err := scan.next(runtime.PageRequest{After: after, Limit: n})
		for i := range page.Items {
			if err == nil {
				sent++
				err = l.sendExecution(&page.Items[i])
			}
		}
		l.release(n)
		if err != nil {
			return err
		}
		if after = page.Next; after == "" || scan.left <= 0 {
			break
		}
	}
	if err := l.sendEvent("listed", wire.ListedEvent{Executions: sent}); err != nil {
		return err
	}
	return l.flush()
}

// sendChanges sends executions that have changed.
func (l *liveList) sendChanges(ids []string, missed int) error {
	for some := range slices.Chunk(ids, liveBatch) {
		if !l.reserve(len(some)) {
			missed += len(some)
			continue
		}
		all, err := l.api.engine().GetExecutions(l.api.Context(), l.tenant, some)
		for i, x := range all {
			if err == nil {
				err = l.sendChange(some[i], x)
			}
		}
		l.release(len(some))
		if err != nil {
			return err
		}
	}
	return l.sendSkipped(missed)
}

// sendChange sends an execution that has changed, if it passes the filter, or may have passed it before.
// x is nil if there is no such execution any more.
func (l *liveList) sendChange(id string, x *runtime.Execution) error {
	if x == nil {
		if l.passesUnfinished() && !l.who.Limited() {
			return l.sendEvent("left", wire.LeftEvent{UUID: id})
		}
		return nil
	}
	x.Tenant = l.tenant
	whatever := l.filter
	whatever.States = nil
	switch {
	case !l.who.Sees(x) || !whatever.Matches(x):
		return nil
	case l.filter.Selects(x, time.Now()):
		return l.sendExecution(x)
	case l.passesUnfinished():
		return l.sendEvent("left", wire.LeftEvent{UUID: id})
	}
	return nil
}

// passesUnfinished reports whether an execution may pass the filter that does not pass it later: its
// states pass from unfinished to final ones, or what it compares with changes.
func (l *liveList) passesUnfinished() bool {
	return l.filter.Where != nil || slices.ContainsFunc(l.filter.States, func(s runtime.State) bool { return !s.Terminal() })
}

func (l *liveList) sendExecution(x *runtime.Execution) error {
	return l.sendEvent("execution", renderExecution(l.base, x))
}

// sendSkipped sends that changes were left out, if any were. A sender who does not see all executions
// does not learn how many: the number has those of others.
func (l *liveList) sendSkipped(changes int) error {
	if changes == 0 {
		return nil
	}
	if l.who.Limited() {
		changes = 1
	}
	return l.sendEvent("skipped", wire.SkippedEvent{Changes: changes})
}

// reserve takes the memory of n executions and of the rendering of one of them, and reports whether there
// was enough. If so, release must follow. Until then the client has the patience for all of them, as for
// any answer: one that reads slowly holds no memory longer.
func (l *liveList) reserve(n int) bool {
	if !l.api.Followers.TryTake(liveBytes(n)) {
		return false
	}
	l.by = time.Now().Add(l.patience)
	return true
}

func (l *liveList) release(n int) {
	l.by = time.Time{}
	l.api.Followers.Give(liveBytes(n))
}

func liveBytes(n int) int64 { return int64(n+2) * web.ListedBytes }
