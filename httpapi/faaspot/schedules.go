package faaspot

import (
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// defaultTicks and maxTicks are the numbers of ticks in an answer, if the query has none, and at most.
	defaultTicks = 5
	maxTicks     = 100
	// maxTickYear is the last year that RFC 3339 can write.
	maxTickYear = 9999
)

// nextTicks answers with the next ticks of a schedule, which need not be that of a job.
func (a *api) nextTicks(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	query := ctx.QueryArgs()
	n, err := web.IntParam(query, "n", defaultTicks, 1, maxTicks)
	if err != nil {
		return err
	}
	from := time.Now()
	if text := string(query.Peek("from")); text != "" {
		if from, err = time.Parse(time.RFC3339, text); err != nil {
			return runtime.Errorf(runtime.CodeInvalidArgument, "from is not a time in RFC 3339").WithHint("send a time such as 2026-01-31T15:04:05Z")
		}
	}
	response := wire.NextTicks[string]{Schedule: string(query.Peek("schedule")), TimeZone: string(query.Peek("timezone")), Next: []string{}}
	if err := runtime.CheckSchedule(response.Schedule, response.TimeZone); err != nil {
		return err
	}
	schedule, err := runtime.ParseSchedule(response.Schedule, response.TimeZone)
	if err != nil {
		return err
	}
	for tick := schedule.Next(from); !tick.IsZero() && tick.Year() <= maxTickYear && len(response.Next) < n; tick = schedule.Next(tick) {
		response.Next = append(response.Next, tick.Format(time.RFC3339))
	}
	return web.WriteValue(ctx, response)
}
