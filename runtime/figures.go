package runtime

import "time"

// EngineFigures is the present state of an engine, of all tenants, and what it has counted since it was
// made.
type EngineFigures struct {
	Waiting int           // queued runs that may start
	Delayed int           // queued runs that wait for their next attempt
	Held    int           // tasks that wait for others of their execution of a job
	Paused  int           // queued runs of functions that are paused
	Oldest  time.Duration // age of the oldest of Waiting; zero: there is none

	Running        int // runs that have started and not ended
	WaitingRuns    int // of these, runs that wait for something
	Parked         int // of these, runs that wait without an interpreter
	BlockedCallers int // callers whose run waits for memory

	Away       int    // runs that other nodes run for this one
	SentAway   uint64 // attempts that were sent to other nodes
	Returned   uint64 // of these, attempts that these did not begin
	LostAway   uint64 // attempts that were lost with other nodes
	Adopted    uint64 // runs on other nodes that an owner of the data before had begun
	Lent       int    // runs for the owner of the data; Running includes them
	LendBytes  int64  // that this node could lend besides
	LendPlaces int    // runs that this node could lend places for besides

	Callbacks   int    // that are not delivered
	Delivered   uint64 // posts of callbacks that were accepted
	FailedPosts uint64 // posts that were not
	DeadLetters uint64 // callbacks that became dead letters

	Followers int // requests that follow executions
}

// StoreFigures is the present state of a store, and what it has counted since it was opened.
type StoreFigures struct {
	Disk           DiskState
	Bytes          uint64 // on disk, the log included
	LogBytes       uint64 // of the log
	Unflushed      uint64 // bytes in memory that are not in tables
	Debt           uint64 // estimated bytes that compactions have to write
	Sublevels      int    // of the newest tables; many slow down reads
	Executions     int64  // that have ended and are kept
	ExecutionBytes int64  // of these

	Syncs          Histogram // of the log, in seconds: one for each group of commits
	Flushes        uint64
	Compactions    uint64
	CompactionTime time.Duration
	LogWritten     uint64 // bytes
	Flushed        uint64 // bytes
	Compacted      uint64 // bytes
	CacheHits      uint64
	CacheMisses    uint64
}

// Histogram counts values by upper bounds.
type Histogram struct {
	Count   uint64
	Sum     float64
	Buckets map[float64]uint64 // number of values up to a bound
}

// TraceFigures are figures of the export of traces: spans that the collector has taken, that were dropped, and
// that wait.
type TraceFigures struct {
	Exported, Dropped uint64
	Waiting           int
}

// ServerFigures is the present state of the server of the API, and what it has counted since it was made.
type ServerFigures struct {
	Connections int64
	Waiting     int64     // requests that wait for an execution, or follow logs or executions
	Requests    [5]uint64 // by class of the status, 1xx first
}
