package runtime

import "time"

// Sizes in bytes.
const (
	KiB = 1 << 10
	MiB = 1 << 20
)

// Bounds of what a caller may ask for.
const (
	DefaultTimeout = 60 * time.Second
	MinTimeout     = 100 * time.Millisecond
	MaxTimeout     = 15 * time.Minute

	// DefaultMemory is what a function gets that does not ask.
	DefaultMemory = 128 * MiB
	// MinMemory is what a bare interpreter with the preloaded standard library
	// and some room to work in takes.
	MinMemory = 64 * MiB
	MaxMemory = 1024 * MiB

	MaxSource  = 1 * MiB   // of a function's code
	MaxContext = 256 * KiB // of a function's context, as JSON
	MaxArgs    = 6 * MiB   // of a run's args, as JSON
	MaxResult  = 6 * MiB   // of a run's result, as JSON

	DefaultLogs      = 1 * MiB
	DefaultOpenFiles = 256
	DefaultTmp       = 64 * MiB
)

// Limits bound one run. The zero value of a field means its default.
type Limits struct {
	Timeout   time.Duration `json:"timeout,omitempty"`    // from start to end of the run
	Memory    int64         `json:"memory,omitempty"`     // bytes of the interpreter's linear memory
	Logs      int64         `json:"logs,omitempty"`       // bytes of stdout and stderr kept; a mark says where it was cut
	OpenFiles int           `json:"open_files,omitempty"` // files open at once
	Tmp       int64         `json:"tmp,omitempty"`        // bytes in /tmp
}

// WithDefaults fills in what is zero.
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

// Validate reports the first limit that is out of bounds. Zero fields are in
// bounds, as they mean the default.
func (l Limits) Validate() error {
	if l.Timeout != 0 && (l.Timeout < MinTimeout || l.Timeout > MaxTimeout) {
		return Errorf(CodeInvalidArgument, "timeout of %g seconds is out of bounds", l.Timeout.Seconds()).
			WithHint("give a timeout between 0.1 and 900 seconds")
	}
	if l.Memory != 0 && (l.Memory < MinMemory || l.Memory > MaxMemory) {
		return Errorf(CodeInvalidArgument, "memory of %d MB is out of bounds", l.Memory/MiB).
			WithHint("give memory between 64 and 1024 MB")
	}
	if l.Logs < 0 || l.OpenFiles < 0 || l.Tmp < 0 {
		return Errorf(CodeInvalidArgument, "a limit is negative")
	}
	return nil
}
