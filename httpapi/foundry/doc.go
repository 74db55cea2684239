// Package foundry owns the Foundry dialect of the HTTP API, everything below /api/v2: the
// search of finished executions. docs/observability.md describes it.
//
// It refuses to know how executions are indexed: it calls an [Engine]. The server, the
// authentication and the other dialects are httpapi's concern.
package foundry
