package runtime

import (
	"context"
	"time"
)

// Sandbox runs programs. Only plain values cross this interface, so a sandbox may run in another
// process. Its methods may be called concurrently.
type Sandbox interface {
	// Deploy compiles the program, runs its module body, checks its main function and stores the
	// image that runs start from. A Failure in the outcome is a failure of the program; an error
	// is a failure of the platform.
	Deploy(ctx context.Context, p Program) (Outcome, error)
	// Run calls main(args, context) of a program in a pristine interpreter. If the program has no
	// image any more, Run creates it again. The end of ctx cancels the run.
	Run(ctx context.Context, c RunCall) (Outcome, error)
	// Forget drops the image of a version that will not run again.
	Forget(functionID string, version uint64)
	// RunImports returns the names of modules that the first runs of a version imported, at most 200:
	// its module body did not, so each run imports them again. They are known as long as the version
	// has an image.
	RunImports(functionID string, version uint64) []string
}

// Program is the part of a function version that the sandbox needs.
type Program struct {
	Tenant     Tenant
	FunctionID string
	Version    uint64
	Name       string // file name in tracebacks, without a bundle
	Source     []byte
	Bundle     Bundle // zero: the source is all there is
	Limits     Limits
	Allow      []string // see [Version]
}

// NewProgram returns the program of a version.
func NewProgram(f Function, v Version) Program {
	return Program{
		Tenant:     f.Tenant,
		FunctionID: f.ID,
		Version:    v.Number,
		Name:       v.Name,
		Source:     v.Source,
		Bundle:     v.Bundle,
		Limits:     v.Limits.WithDefaults(),
		Allow:      v.Allow,
	}
}

// RunCall is the input of a run.
type RunCall struct {
	Program Program
	Args    []byte // JSON object
	Context []byte // JSON object
	// Info is what the run can learn about itself.
	Info RunInfo
	// Env holds environment variables that the run sees in addition to those of all runs: a JSON
	// object of strings, without white space around it. Nil: none.
	Env []byte
	// Limits apply to the run instead of those of the program. Zero: those of the program apply.
	Limits Limits
	// Pinned says that the run uses its version, whichever is current. Only a [Place] needs to know.
	Pinned bool
	// Logs, if not nil, receives all output of the run at the moment when it is written. The logs
	// of the outcome are then the content of the buffer.
	Logs *LogBuffer
	// Room, if not nil, lends memory while the run waits for something. Nil: all of its memory is
	// reserved all the time.
	Room Room
	// Network is what the run may reach. Nil: nothing.
	Network Network
}

// RunInfo is what a run can learn about itself, with the version of its Program and its deadline. A
// run without an Execution learns nothing.
type RunInfo struct {
	Execution string // ID
	Attempt   int    // from 1
	Function  string // name
	// Job is the name of the job that the run is a task of, JobExecution the ID of the execution of
	// that job, and Task the number of the task, from 0. Job is empty for a run that is no task.
	Job          string
	JobExecution string
	Task         int
}

// Room is the memory that is reserved for a run: what it may use at most. One goroutine at a time.
type Room interface {
	// Lend says that the run waits for something, and that it holds at most some bytes until Reclaim
	// has returned: others may use the rest.
	Lend(held int64)
	// Park is Lend for a run that takes no interpreter meanwhile: it does not count as one of those
	// that may run at once.
	Park(held int64)
	// Reclaim waits, after Lend or Park, until the run may use again what it may use at most. If it fails,
	// the run must end and not use more than it holds. The error is CodeUnavailable, with a
	// RetryAfter, if that took longer than patience, or that of ctx.
	Reclaim(ctx context.Context, patience time.Duration) error
}
