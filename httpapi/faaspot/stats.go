package faaspot

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// getStats answers with statistics of the runs of a tenant.
func (a *api) getStats(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	q, err := parseStats(ctx.QueryArgs(), time.Now())
	if err != nil {
		return err
	}
	s, err := a.engine().GetStats(a.Context(), tenant, q)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, renderStats(&s))
}

// parseStats reads which runs to count.
func parseStats(query *fasthttp.Args, now time.Time) (q runtime.StatsQuery, err error) {
	if q.Function = string(query.Peek("function")); q.Function != "" {
		if err := runtime.ValidateName(q.Function); err != nil {
			return q, err
		}
	}
	if q.Step, err = spanParam(query, "step"); err != nil {
		return q, err
	}
	q.Since = now.Add(-runtime.DefaultStatsWindow)
	if len(query.Peek("since")) > 0 {
		if back, err := spanParam(query, "since"); err == nil {
			q.Since = now.Add(-back)
		} else if q.Since, err = parseTime(query, "since"); err != nil {
			return q, runtime.Errorf(runtime.CodeInvalidArgument, "since is neither a time nor a duration").
				WithHint("write it like 2026-01-31T15:04:05Z, or like 24h for the last 24 hours")
		}
	}
	return q, nil
}

// spanParam reads a positive duration in a query: a number of seconds, or a text like 1h30m. Absent is zero.
func spanParam(query *fasthttp.Args, name string) (time.Duration, error) {
	text := string(query.Peek(name))
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if seconds, notNumber := strconv.ParseUint(text, 10, 31); notNumber == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d <= 0 {
		return 0, runtime.Errorf(runtime.CodeInvalidArgument, "%s is not a duration", name).
			WithHint("write a number of seconds, or a duration like 15m or 24h")
	}
	return d, nil
}

func renderStats(s *runtime.Stats) wire.Stats {
	r := wire.Stats{
		From: formatTime(s.From), To: formatTime(s.To), CompleteSince: formatTime(s.Complete),
		Total: renderRunStats(&s.Total), Steps: []wire.StepStats{}, Functions: []wire.FunctionStats{}, OtherFunctions: s.OtherFunctions,
		Queue:  wire.QueueStats{Queued: s.Queue.Queued, OldestMS: s.Queue.Oldest.Milliseconds(), Running: s.Queue.Running},
		Memory: wire.MemoryOfStats{Used: s.Queue.Memory, Limit: s.Queue.MemoryLimit},
	}
	if s.Step > 0 {
		seconds := int(s.Step / time.Second)
		r.StepSeconds = &seconds
	}
	for i := range s.Series {
		at := s.From.Add(time.Duration(i) * s.Step)
		r.Steps = append(r.Steps, wire.StepStats{At: formatTime(at), RunStats: renderRunStats(&s.Series[i])})
	}
	for i := range s.Functions {
		f := &s.Functions[i]
		r.Functions = append(r.Functions, wire.FunctionStats{Function: f.Function, RunStats: renderRunStats(&f.RunStats), Queued: f.Queued, Running: f.Running, Paused: f.Paused})
	}
	return r
}

func renderRunStats(s *runtime.RunStats) wire.RunStats {
	r := wire.RunStats{
		Count: s.Ended(), Success: s.Succeeded, Failed: s.Failed + s.Timeout, TimedOut: s.Timeout, Cancelled: s.Cancelled,
	}
	if s.Ran == 0 {
		return r
	}
	millis := func(d time.Duration) *json.Number {
		n := json.Number(appendMillis(nil, d))
		return &n
	}
	r.P50, r.P90, r.P99, r.Max, r.Mean = millis(s.P50), millis(s.P90), millis(s.P99), millis(s.Max), millis(s.Mean)
	return r
}
