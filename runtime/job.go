package runtime

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Job names a function and how to run it over many tasks. Its Spec is that of its newest
// revision.
type Job struct {
	ID          string // UUID
	Tenant      Tenant
	Name        string // unique within the tenant; never changes
	DisplayName string
	Labels      map[string]string
	Revision    uint64 // number of the current revision, from 1 without gaps
	Spec        JobSpec
	Created     time.Time
	Updated     time.Time
	CreatedBy   string // user id
	UpdatedBy   string
}

// JobRevision is one state of a job's spec. A revision never changes; the store holds the last
// [KeptRevisions].
type JobRevision struct {
	Number    uint64
	Spec      JobSpec
	Created   time.Time
	CreatedBy string
}

// Bounds of jobs.
const (
	// KeptRevisions is the number of revisions of a job that are stored, including the current
	// one.
	KeptRevisions = 5
	// MaxTasks is the maximum number of tasks in one execution of a job. Their args have at most
	// [MaxBulkArgs] bytes in total.
	MaxTasks = MaxBulk
	// MaxJobName is the maximum length of a job name in bytes. A name consists of lower-case
	// letters, digits and hyphens, and starts and ends with a letter or a digit.
	MaxJobName = 49
	// MaxEnv is the maximum size of all names and values of the environment of a run, in bytes.
	MaxEnv = 64 * KiB
	// MaxTriggers is the maximum number of triggers of a job.
	MaxTriggers = 20
)

// JobSpec defines what a job runs and how.
type JobSpec struct {
	// Function is the name of the function, FunctionID its id. A job is bound to the id: the name
	// follows if the function is renamed, and no other function takes its place if it is deleted.
	Function   string
	FunctionID string
	Disabled   bool // no execution can be started
	// Memory (bytes) and Timeout are the limits of a task. Zero: those of the function.
	Memory  int64
	Timeout time.Duration
	// MaxRetries is the number of further attempts of a task after failures of the function, 0 to
	// [MaxRetries].
	MaxRetries int
	// MaxConcurrentTasks is the maximum number of tasks of one execution that run at once. Zero:
	// no bound.
	MaxConcurrentTasks int
	Env                []EnvVar
	Triggers           []Trigger
}

// EnvVar is an environment variable of a run.
type EnvVar struct {
	Name   string
	Value  string
	Secret bool // the value is never shown
}

// Equal reports whether two specs have the same JSON encoding.
func (s *JobSpec) Equal(other *JobSpec) bool {
	a, failed := json.Marshal(s)
	b, err := json.Marshal(other)
	return failed == nil && err == nil && bytes.Equal(a, b)
}

// Clone returns a copy that shares with j no map or slice that the Engine changes or stores.
func (j Job) Clone() Job {
	j.Labels = maps.Clone(j.Labels)
	j.Spec.Env = slices.Clone(j.Spec.Env)
	j.Spec.Triggers = slices.Clone(j.Spec.Triggers)
	return j
}

// Masked replaces a secret wherever a job is shown. In an update it means the stored secret.
const Masked = "***"

// Unmask replaces masked secrets by those in stored: values of environment variables by the name
// of the variable, and secrets of triggers by the id of the trigger.
func (s *JobSpec) Unmask(stored *JobSpec) error {
	values, secrets := make(map[string]string), make(map[string]string)
	if stored != nil {
		for _, v := range stored.Env {
			values[v.Name] = v.Value
		}
		for _, t := range stored.Triggers {
			secrets[t.ID] = t.CallbackSecret
		}
	}
	for i := range s.Env {
		v := &s.Env[i]
		if !v.Secret || v.Value != Masked {
			continue
		}
		value, known := values[v.Name]
		if !known {
			return Errorf(CodeInvalidArgument, "the value of the environment variable %s is %s, but no value is stored for it", v.Name, Masked).
				WithHint("send its value")
		}
		v.Value = value
	}
	for i := range s.Triggers {
		t := &s.Triggers[i]
		if t.CallbackSecret != Masked {
			continue
		}
		if secrets[t.ID] == "" {
			return Errorf(CodeInvalidArgument, "trigger %s: its callbackSecret is %s, but no secret is stored for it", t.ID, Masked).
				WithHint("send a secret, or leave it out to have one generated")
		}
		t.CallbackSecret = secrets[t.ID]
	}
	return nil
}
