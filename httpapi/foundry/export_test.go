package foundry

import "github.com/faaspot/faaspot/httpapi/internal/web"

const MaxSearchBody = maxSearchBody

// ErrorNames are the names of errors that listExecutions defines.
var ErrorNames = []string{
	nameInvalidFilter, nameInvalidPageSize, nameInvalidPageToken, nameNoResource, nameResourceDenied, namePreview,
}

// ErrorName is errorName.
var ErrorName = errorName

// Routes returns the routes of the dialect.
func Routes() []web.Route { return New(&web.Host{}, nil).Routes }
