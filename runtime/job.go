package runtime

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Job names a function and how to run it over many tasks. Its current
// [JobSpec] is that of its newest revision.
type Job struct {
	ID          string // UUID, for life
	Tenant      Tenant
	Name        string // unique in the tenant, for life
	DisplayName string
	Labels      map[string]string
	Revision    uint64 // number of the current revision, from 1 without gaps
	Spec        JobSpec
	Created     time.Time
	Updated     time.Time
	CreatedBy   string // user id
	UpdatedBy   string
}

// JobRevision is one state of a job's spec. Revisions never change; the last
// [KeptRevisions] are kept.
type JobRevision struct {
	Number    uint64
	Spec      JobSpec
	Created   time.Time
	CreatedBy string
}

// Bounds of jobs.
const (
	// KeptRevisions is how many revisions of a job are kept, the current one
	// included.
	KeptRevisions = 5
	// MaxTasks is how many tasks one execution of a job may have. Their args have
	// [MaxBulkArgs] bytes at most in all.
	MaxTasks = MaxBulk
	// MaxJobName is the longest name of a job, in bytes: lower-case letters,
	// digits and hyphens, beginning and ending with a letter or a digit.
	MaxJobName = 49
	// MaxEnv is how many bytes the names and values of the environment of a run
	// may have in all.
	MaxEnv = 64 * KiB
	// MaxTriggers is how many triggers a job may have.
	MaxTriggers = 20
)

// JobSpec says what a job runs and how.
type JobSpec struct {
	Function string // name
	Disabled bool   // no execution can be started
	// Memory, in bytes, and Timeout are those of a task; zero: the function's own.
	Memory  int64
	Timeout time.Duration
	// MaxRetries is how many further attempts a task gets after the function
	// failed, 0 to [MaxRetries].
	MaxRetries int
	// MaxConcurrentTasks is how many tasks of one execution run at once; zero: as
	// many as there is room for.
	MaxConcurrentTasks int
	Env                []EnvVar
	Triggers           []Trigger
}

// EnvVar is an environment variable that a run sees.
type EnvVar struct {
	Name   string
	Value  string
	Secret bool // the value is never shown
}

// TriggerType says what starts executions of a job.
type TriggerType string

// The types of triggers.
const (
	TriggerHTTP      TriggerType = "http"       // a request, which waits for the end
	TriggerHTTPAsync TriggerType = "http-async" // a request; the end is told to CallbackURL
	TriggerCron      TriggerType = "cron"       // a schedule
)

// MissedTicks says what becomes of ticks of a schedule at which no server was
// running.
type MissedTicks string

// The policies for missed ticks.
const (
	MissedSkip    MissedTicks = "skip"    // nothing
	MissedCatchUp MissedTicks = "catchup" // one start for all of them
)

// Trigger starts executions of a job.
type Trigger struct {
	ID       string // unique in the job
	Type     TriggerType
	Disabled bool
	Path     string // of TriggerHTTP and TriggerHTTPAsync: below the job's triggers, without slashes around it
	// Schedule, TimeZone (IANA; empty: UTC) and Missed are of TriggerCron. Schedule
	// has five fields or is one of @hourly, @daily and so on.
	Schedule string
	TimeZone string
	Missed   MissedTicks
	// CallbackURL and CallbackSecret are of TriggerHTTPAsync, Retry is how often a
	// callback that failed is tried again.
	CallbackURL    string
	CallbackSecret string
	Retry          int
	Tasks          []json.RawMessage // what a schedule runs, and a request that brings no tasks of its own
	Timeout        time.Duration     // how long a request of TriggerHTTP waits for the end; zero: the default
}

// Equal tells whether two specs say the same. Tasks of triggers are compared as
// they are kept.
func (s *JobSpec) Equal(other *JobSpec) bool {
	a, failed := json.Marshal(s)
	b, err := json.Marshal(other)
	return failed == nil && err == nil && bytes.Equal(a, b)
}

// Clone shares nothing with j that the Engine changes, or keeps.
func (j Job) Clone() Job {
	j.Labels = maps.Clone(j.Labels)
	j.Spec.Env = slices.Clone(j.Spec.Env)
	j.Spec.Triggers = slices.Clone(j.Spec.Triggers)
	return j
}
