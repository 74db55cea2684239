package runtime

import (
	"fmt"
	"time"
)

// Sizes in bytes.
const (
	KiB = 1 << 10
	MiB = 1 << 20
	GiB = 1 << 30
)

// Bounds of the limits that a caller may request.
const (
	DefaultTimeout = 60 * time.Second
	MinTimeout     = 100 * time.Millisecond
	MaxTimeout     = 24 * time.Hour
	// MaxBlocking is the longest time that a run may take while its caller waits for the response,
	// and a deployment.
	MaxBlocking = 15 * time.Minute

	// DefaultMemory is the memory of a function that sets none.
	DefaultMemory = 128 * MiB
	// MinMemory is enough for an interpreter with the preloaded standard library and some room to
	// work in.
	MinMemory = 64 * MiB
	MaxMemory = 3 * GiB

	MaxSource  = 1 * MiB   // bytes of a function's code
	MaxContext = 256 * KiB // bytes of a function's context, as JSON
	MaxArgs    = 6 * MiB   // bytes of a run's args, as JSON
	MaxResult  = 6 * MiB   // bytes of a run's result, as JSON

	DefaultLogs      = 1 * MiB
	DefaultOpenFiles = 256
	DefaultTmp       = 64 * MiB
)

// Limits are the limits of one run. A field that is zero has its default.
type Limits struct {
	Timeout   time.Duration `json:"timeout,omitempty"`    // from start to end of the run
	Memory    int64         `json:"memory,omitempty"`     // bytes of the interpreter's linear memory
	Logs      int64         `json:"logs,omitempty"`       // bytes of stdout and stderr that are stored; a last line reports a cut
	OpenFiles int           `json:"open_files,omitempty"` // files open at once
	Tmp       int64         `json:"tmp,omitempty"`        // bytes in /tmp
}

// WithDefaults returns the limits with defaults in place of zeros.
func (l Limits) WithDefaults() Limits {
	if l.Timeout == 0 {
		l.Timeout = DefaultTimeout
	}
	if l.Memory == 0 {
		l.Memory = DefaultMemory
	}
	if l.Logs == 0 {
		l.Logs = DefaultLogs
	}
	if l.OpenFiles == 0 {
		l.OpenFiles = DefaultOpenFiles
	}
	if l.Tmp == 0 {
		l.Tmp = DefaultTmp
	}
	return l
}

// TimeoutHint and MemoryHint are the hints of errors about a timeout and a memory limit out of bounds.
var (
	TimeoutHint = fmt.Sprintf("give between %g and %.0f seconds", MinTimeout.Seconds(), MaxTimeout.Seconds())
	MemoryHint  = fmt.Sprintf("give between %d and %d MB", MinMemory/MiB, MaxMemory/MiB)
)

// Blocking returns the limits of a run whose caller waits for the response: at most [MaxBlocking].
func (l Limits) Blocking() Limits {
	l.Timeout = min(l.Timeout, MaxBlocking)
	return l
}

// Validate returns an error for the first limit that is out of bounds. Zero fields are valid,
// because they mean the default.
func (l Limits) Validate() error {
	if l.Timeout != 0 && (l.Timeout < MinTimeout || l.Timeout > MaxTimeout) {
		return Errorf(CodeInvalidArgument, "timeout of %g seconds is out of bounds", l.Timeout.Seconds()).WithHint(TimeoutHint)
	}
	if l.Memory != 0 && (l.Memory < MinMemory || l.Memory > MaxMemory) {
		return Errorf(CodeInvalidArgument, "memory of %d MB is out of bounds", l.Memory/MiB).WithHint(MemoryHint)
	}
	if l.Logs < 0 || l.OpenFiles < 0 || l.Tmp < 0 {
		return Errorf(CodeInvalidArgument, "a limit is negative")
	}
	return nil
}

// RunOverhead is the memory in bytes that a run takes beside its linear memory and its /tmp: the
// interpreter's tables and page tables, its stack as long as it is small, and its output.
const RunOverhead = 2 * MiB

// WaitingOverhead is the part of RunOverhead, in bytes, that a run that waits takes on the heap of the
// server.
const WaitingOverhead = 512 * KiB

// Reservation returns the memory in bytes that a run with these limits reserves: its linear
// memory, its /tmp, and RunOverhead.
func (l Limits) Reservation() int64 { return l.Memory + l.Tmp + RunOverhead }
