package runtime

import (
	"context"
	"time"
)

// EndedRun is what statistics keep of a run that has ended.
type EndedRun struct {
	Tenant   Tenant
	Function string // name at the time of acceptance
	State    State  // terminal
	Finished time.Time
	Started  bool          // an attempt has begun
	Duration time.Duration // of the latest attempt; zero if none has begun
}

// EndedRun returns what statistics keep of an execution of [KindRun] in a terminal state.
func (x *Execution) EndedRun() EndedRun {
	return EndedRun{
		Tenant: x.Tenant, Function: x.Function, State: x.State, Finished: x.Finished,
		Started: !x.Started.IsZero(), Duration: max(0, x.Duration()),
	}
}

// EndedRuns is a snapshot of the runs that have ended.
type EndedRuns interface {
	// Each calls visit with each run, tenant by tenant in the order of acceptance, until visit fails.
	Each(visit func(EndedRun) error) error
	// Close releases the snapshot.
	Close() error
}

const (
	// DefaultStatsWindow is how far back statistics without a start go.
	DefaultStatsWindow = time.Hour
	// MaxStatsWindow is how far back statistics go at most.
	MaxStatsWindow = 8 * 24 * time.Hour
	// MaxStatsSteps bounds the steps of one answer.
	MaxStatsSteps = 500
	// MaxStatsFunctions bounds the functions of one answer: those with most runs, ended or not.
	MaxStatsFunctions = 100
)

// StatsQuery selects the runs that statistics count.
type StatsQuery struct {
	Function string        // its name at the time of acceptance; empty: all of the tenant
	Since    time.Time     // runs that ended at this time or later
	Step     time.Duration // of the series; zero: there is no series
}

// Stats counts the runs of a tenant that have ended.
type Stats struct {
	From, To time.Time // the window: From is Since rounded down to what is counted together
	// Complete is the time from which on all runs are counted; From, or later.
	Complete  time.Time
	Step      time.Duration // that was requested, rounded up to what is counted together; zero: there is no series
	Total     RunStats
	Series    []RunStats // one for each step from From on
	Functions []FunctionStats
	// OtherFunctions is the number of functions beyond [MaxStatsFunctions].
	OtherFunctions int
	Queue          QueueStats
}

// FunctionStats counts the runs of one function.
type FunctionStats struct {
	Function string
	RunStats
	FunctionLoad
}

// FunctionLoad counts the runs of a function that have not ended, see [QueueStats].
type FunctionLoad struct {
	Queued, Running int
	Paused          bool // see [Function]
}

// RunStats counts runs that have ended. The durations are those of runs that have started.
type RunStats struct {
	Succeeded, Failed, Timeout, Cancelled int
	Ran                                   int // runs with a duration
	// P50 to P99 are quantiles, each at most 6.25 % off.
	P50, P90, P99 time.Duration
	Max, Mean     time.Duration
}

// Ended returns the number of all runs.
func (s *RunStats) Ended() int { return s.Succeeded + s.Failed + s.Timeout + s.Cancelled }

// QueueStats is the present state of the runs of a tenant that have not ended.
type QueueStats struct {
	Queued  int           // in the background, without an attempt
	Oldest  time.Duration // age of the oldest of these that may start; zero: none may
	Running int           // in the background, with an attempt; or blocking, from acceptance on
	// Memory is the bytes that the runs have, and MemoryLimit the most that they may have at once.
	Memory, MemoryLimit int64
}

// ExecutionFeed reports which executions of a tenant have changed: those that were accepted, have
// started, were queued again, are being cancelled, or have ended.
type ExecutionFeed interface {
	// Next waits for a change, or for the end of ctx, and returns the executions that have changed
	// since the last call, each once. missed is the number of changes that it has left out, because
	// there were too many. more reports whether there may be further changes: a feed may end so that
	// another tenant gets its place.
	Next(ctx context.Context) (ids []string, missed int, more bool)
	Close()
}
