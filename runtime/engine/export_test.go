package engine

// Bounds of the followers of executions.
const (
	MaxFeeds       = maxFeeds
	MaxTenantFeeds = maxTenantFeeds
	MaxChanged     = maxChanged
)
