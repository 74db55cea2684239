package blaxel

import (
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

const (
	TimeFormat = timeFormat
	MaxJobBody = maxJobBody
)

// Routes returns the routes of the dialect with those for HEAD.
func Routes() []web.Route { return web.WithHeads(New(&web.Host{}, nil).Routes) }

// ExecutionsCursor returns a cursor for the executions of a job, newest first.
func ExecutionsCursor(jobID, position string, now time.Time) string {
	l := list{tenant: runtime.DefaultTenant, of: "executions", job: jobID, sort: runtime.SortCreatedDesc}
	return l.cursor(position, now)
}
