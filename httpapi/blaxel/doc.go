// Package blaxel owns the Blaxel dialect of the HTTP API, everything below /v0: jobs, their
// executions and tasks, and triggers. docs/jobs.md describes it, and lists which fields of the
// vendor have no meaning here.
//
// It refuses to know how jobs are stored and run: it calls an [Engine]. The server, the
// authentication and the other dialects are httpapi's concern.
package blaxel
