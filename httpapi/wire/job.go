package wire

import "encoding/json"

// Page is one page of a list in the Blaxel dialect.
type Page[E any] struct {
	Data []E      `json:"data"`
	Meta PageMeta `json:"meta"`
}

// PageMeta locates a page within its list.
type PageMeta struct {
	HasMore    bool   `json:"hasMore"`
	NextCursor string `json:"nextCursor"`
	Total      int    `json:"total"` // elements of the whole list, regardless of the query q
}

// Job is a job. Secrets are masked.
type Job[T any] struct {
	Metadata JobMetadata[T] `json:"metadata"`
	Spec     JobSpec        `json:"spec"`
	Status   string         `json:"status"`
}

// JobMetadata names a job and dates it.
type JobMetadata[T any] struct {
	Name        string            `json:"name"`
	DisplayName string            `json:"displayName,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	CreatedAt   T                 `json:"createdAt"`
	UpdatedAt   T                 `json:"updatedAt"`
	CreatedBy   string            `json:"createdBy,omitempty"`
	UpdatedBy   string            `json:"updatedBy,omitempty"`
	Workspace   string            `json:"workspace"`
	URL         string            `json:"url"`
	RID         string            `json:"rid"`
}

// JobSpec says what a job runs and how.
type JobSpec struct {
	Enabled  bool       `json:"enabled"`
	Function string     `json:"function"`
	Runtime  JobRuntime `json:"runtime"`
	Triggers []Trigger  `json:"triggers"`
	Revision Revision   `json:"revision"`
}

// Revision names the current revision of a job.
type Revision struct {
	Active string `json:"active"` // number of the revision
}

// JobRuntime bounds the tasks of a job. The function's values replace zero ones.
type JobRuntime struct {
	Memory             float64  `json:"memory,omitempty"`  // MB
	Timeout            float64  `json:"timeout,omitempty"` // seconds
	MaxRetries         int      `json:"maxRetries"`
	MaxConcurrentTasks int      `json:"maxConcurrentTasks,omitempty"`
	Envs               []EnvVar `json:"envs"`
}

// EnvVar is an environment variable of tasks. Answers have *** as the value of a secret.
type EnvVar struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Secret bool   `json:"secret,omitempty"`
}

// Types of triggers.
const (
	TriggerHTTP      = "http"
	TriggerHTTPAsync = "http-async"
	TriggerCron      = "cron"
)

// Trigger starts executions of a job. Every stored trigger has an ID; a request may omit it.
type Trigger struct {
	ID            string               `json:"id,omitempty"`
	Type          string               `json:"type"`
	Enabled       bool                 `json:"enabled"`
	Configuration TriggerConfiguration `json:"configuration"`
}

// TriggerConfiguration says when a trigger fires and what it starts. Answers have *** as the
// secret, except for the answer to the request that made the server draw it.
type TriggerConfiguration struct {
	Path           string            `json:"path,omitempty"`
	Schedule       string            `json:"schedule,omitempty"`
	TimeZone       string            `json:"timezone,omitempty"`
	Missed         string            `json:"missed,omitempty"`
	CallbackURL    string            `json:"callbackUrl,omitempty"`
	CallbackSecret string            `json:"callbackSecret,omitempty"`
	Retry          *int              `json:"retry,omitempty"` // in answers: only with a callback
	Tasks          []json.RawMessage `json:"tasks,omitempty"`
	Timeout        float64           `json:"timeout,omitempty"` // seconds
}

// JobRevision is one revision of a job.
type JobRevision[T any] struct {
	ID             string `json:"id"` // number of the revision
	Active         bool   `json:"active"`
	PreviousActive bool   `json:"previousActive"`
	CreatedAt      T      `json:"createdAt"`
	CreatedBy      string `json:"createdBy,omitempty"`
	Status         string `json:"status"`
	TrafficPercent int    `json:"trafficPercent"` // 100 for the active revision, 0 for others
}

// JobRequest asks to create or replace a job.
type JobRequest struct {
	Metadata JobRequestMetadata `json:"metadata"`
	Spec     JobRequestSpec     `json:"spec"`
}

// JobRequestMetadata names the job of a request.
type JobRequestMetadata struct {
	Name        string            `json:"name"`
	DisplayName string            `json:"displayName,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

// JobRequestSpec is the spec of a job in a request.
type JobRequestSpec struct {
	Enabled  bool              `json:"enabled"`
	Function string            `json:"function"`
	Runtime  JobRequestRuntime `json:"runtime"`
	Triggers []Trigger         `json:"triggers,omitempty"`
}

// JobRequestRuntime is [JobRuntime] in a request, which omits what it leaves to the function.
type JobRequestRuntime struct {
	Memory             float64  `json:"memory,omitempty"`  // MB
	Timeout            float64  `json:"timeout,omitempty"` // seconds
	MaxRetries         int      `json:"maxRetries,omitempty"`
	MaxConcurrentTasks int      `json:"maxConcurrentTasks,omitempty"`
	Envs               []EnvVar `json:"envs,omitempty"`
}

// RollbackRequest is a request to restore a former revision of a job as the newest one.
type RollbackRequest struct {
	Spec struct {
		Revision Revision `json:"revision"`
	} `json:"spec"`
}
