package client

import (
	"fmt"
	"time"
)

// Listed is a function in a list. Its JSON form is also what the --json of the
// command line prints: names and meanings of its fields stay.
type Listed struct {
	Name      string    `json:"name"`
	RunnerURL string    `json:"runner_url"` // where it is run
	Version   uint64    `json:"version"`    // of its code, context and limits, from 1
	Created   time.Time `json:"created"`    // RFC 3339, in UTC
	Updated   time.Time `json:"updated"`
	RID       string    `json:"rid"` // what it is for life, whatever its name
}

// Function is a function on its own, in a form for which the same holds.
type Function struct {
	Listed
	Timeout     float64  `json:"timeout"`      // seconds that a run may take
	Memory      float64  `json:"memory"`       // MB that a run may use
	Retries     int      `json:"retries"`      // further attempts of a background run after failures of the function
	ContextKeys []string `json:"context_keys"` // names in the context; their values are secret
	Code        string   `json:"code"`         // Python
}

// wireFunction is a function as the server writes it.
type wireFunction struct {
	Name        string   `json:"name"`
	RunnerURL   string   `json:"runner_url"`
	Version     uint64   `json:"version"`
	Created     wireTime `json:"created"`
	Updated     wireTime `json:"updated"`
	RID         string   `json:"rid"`
	Timeout     float64  `json:"timeout"`
	Memory      float64  `json:"memory"`
	Retries     int      `json:"retries"`
	ContextKeys []string `json:"context_keys"`
	Code        string   `json:"code"`
	Encoding    string   `json:"encoding"`
}

func (w wireFunction) listed() Listed {
	return Listed{
		Name: w.Name, RunnerURL: w.RunnerURL, Version: w.Version,
		Created: w.Created.Time, Updated: w.Updated.Time,
		RID: w.RID,
	}
}

func (w wireFunction) function() (Function, error) {
	if w.Encoding != plain {
		return Function{}, fmt.Errorf("the code is %q, not %q", w.Encoding, plain)
	}
	return Function{
		Listed: w.listed(), Timeout: w.Timeout, Memory: w.Memory, Retries: w.Retries,
		ContextKeys: append([]string{}, w.ContextKeys...), Code: w.Code,
	}, nil
}
