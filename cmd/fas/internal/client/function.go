package client

import (
	"fmt"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// Listed is a function in a list. Its JSON form is the --json output of the command line: names
// and meanings of its fields stay. Unlike that of the server it has times in RFC 3339.
type Listed struct {
	Name      string    `json:"name"`
	RunnerURL string    `json:"runner_url"` // of runs
	Version   uint64    `json:"version"`    // of code, context and limits, from 1
	Created   time.Time `json:"created"`    // in UTC
	Updated   time.Time `json:"updated"`
	RID       string    `json:"rid"`    // stays the same when the function is renamed
	Paused    bool      `json:"paused"` // no background run begins
}

// Function is one function, in a form for which the same holds.
type Function struct {
	Listed
	Timeout     float64      `json:"timeout"`          // seconds that a run may take
	Memory      float64      `json:"memory"`           // MB that a run may use
	Retries     int          `json:"retries"`          // further attempts of a background run after failures of the function
	Allow       []string     `json:"allow"`            // what runs may reach, as rules HOST:PORT
	KeepArgs    bool         `json:"keep_args"`        // whether args of up to 64 KiB are stored with executions
	ContextKeys []string     `json:"context_keys"`     // names in the context; their values are secret
	Code        string       `json:"code"`             // Python; of a bundle its main.py
	Bundle      *wire.Bundle `json:"bundle,omitempty"` // nil: the function is a single file
	// ImportsDuringRuns are the modules that the first runs of a bundle have imported.
	ImportsDuringRuns []string `json:"imports_during_runs,omitempty"`
}

func newListed(w *wire.Function[Moment]) Listed {
	return Listed{
		Name: w.Name, RunnerURL: w.RunnerURL, Version: w.Version,
		Created: w.Created.Time, Updated: w.Updated.Time,
		RID: w.RID, Paused: w.Paused,
	}
}

func newFunction(w *wire.FunctionDetail[Moment]) (Function, error) {
	if w.Encoding != wire.EncodingPlain {
		return Function{}, fmt.Errorf("the code is %q, not %q", w.Encoding, wire.EncodingPlain)
	}
	return Function{
		Listed: newListed(&w.Function), Timeout: w.Timeout, Memory: w.Memory, Retries: w.Retries,
		Allow: append([]string{}, w.Allow...), KeepArgs: w.KeepArgs, ContextKeys: append([]string{}, w.ContextKeys...), Code: w.Code, Bundle: w.Bundle,
		ImportsDuringRuns: w.ImportsDuringRuns,
	}, nil
}
