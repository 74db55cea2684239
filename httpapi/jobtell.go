package httpapi

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// jobTimeFormat is how times are written below /v0.
const jobTimeFormat = "2006-01-02T15:04:05.000000Z"

// jobStatus is the status of every job: it is there, and can be run.
const jobStatus = "DEPLOYED"

// toldJob is a job as it is told.
type toldJob struct {
	Metadata toldJobMetadata `json:"metadata"`
	Spec     toldJobSpec     `json:"spec"`
	Status   string          `json:"status"`
}

type toldJobMetadata struct {
	Name        string            `json:"name"`
	DisplayName string            `json:"displayName,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	CreatedAt   string            `json:"createdAt"`
	UpdatedAt   string            `json:"updatedAt"`
	CreatedBy   string            `json:"createdBy,omitempty"`
	UpdatedBy   string            `json:"updatedBy,omitempty"`
	Workspace   runtime.Tenant    `json:"workspace"`
	URL         string            `json:"url"`
	RID         string            `json:"rid"`
}

type toldJobSpec struct {
	Enabled  bool           `json:"enabled"`
	Function string         `json:"function"`
	Runtime  toldJobRuntime `json:"runtime"`
	Triggers []toldTrigger  `json:"triggers"`
	Revision struct {
		Active string `json:"active"`
	} `json:"revision"`
}

type toldJobRuntime struct {
	Memory             float64      `json:"memory,omitempty"`  // MB
	Timeout            float64      `json:"timeout,omitempty"` // seconds
	MaxRetries         int          `json:"maxRetries"`
	MaxConcurrentTasks int          `json:"maxConcurrentTasks,omitempty"`
	Envs               []toldEnvVar `json:"envs"`
}

type toldEnvVar struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Secret bool   `json:"secret,omitempty"`
}

type toldTrigger struct {
	ID            string              `json:"id"`
	Type          runtime.TriggerType `json:"type"`
	Enabled       bool                `json:"enabled"`
	Configuration toldConfiguration   `json:"configuration"`
}

type toldConfiguration struct {
	Path           string              `json:"path,omitempty"`
	Schedule       string              `json:"schedule,omitempty"`
	TimeZone       string              `json:"timezone,omitempty"`
	Missed         runtime.MissedTicks `json:"missed,omitempty"`
	CallbackURL    string              `json:"callbackUrl,omitempty"`
	CallbackSecret string              `json:"callbackSecret,omitempty"`
	Retry          *int                `json:"retry,omitempty"` // where there is a callback
	Tasks          []json.RawMessage   `json:"tasks,omitempty"`
	Timeout        float64             `json:"timeout,omitempty"` // seconds
}

// tellJob tells of j to a caller who reaches the server at base. Secrets are
// masked.
func tellJob(base string, j *runtime.Job) toldJob {
	t := toldJob{
		Metadata: toldJobMetadata{
			Name:        j.Name,
			DisplayName: j.DisplayName,
			Labels:      j.Labels,
			CreatedAt:   jobTime(j.Created),
			UpdatedAt:   jobTime(j.Updated),
			CreatedBy:   j.CreatedBy,
			UpdatedBy:   j.UpdatedBy,
			Workspace:   j.Tenant,
			URL:         base + "/v0/jobs/" + j.Name,
			RID:         j.RID(),
		},
		Spec: toldJobSpec{
			Enabled:  !j.Spec.Disabled,
			Function: j.Spec.Function,
			Runtime: toldJobRuntime{
				Memory:             toldMegabytes(j.Spec.Memory),
				Timeout:            j.Spec.Timeout.Seconds(),
				MaxRetries:         j.Spec.MaxRetries,
				MaxConcurrentTasks: j.Spec.MaxConcurrentTasks,
				Envs:               make([]toldEnvVar, len(j.Spec.Env)),
			},
			Triggers: make([]toldTrigger, len(j.Spec.Triggers)),
		},
		Status: jobStatus,
	}
	t.Spec.Revision.Active = strconv.FormatUint(j.Revision, 10)
	for i, v := range j.Spec.Env {
		if v.Secret {
			v.Value = runtime.Masked
		}
		t.Spec.Runtime.Envs[i] = toldEnvVar(v)
	}
	for i := range j.Spec.Triggers {
		t.Spec.Triggers[i] = tellTrigger(&j.Spec.Triggers[i])
	}
	return t
}

func tellTrigger(t *runtime.Trigger) toldTrigger {
	secret := t.CallbackSecret
	if secret != "" {
		secret = runtime.Masked
	}
	var retry *int
	if t.CallbackURL != "" {
		retry = &t.Retry
	}
	return toldTrigger{
		ID:      t.ID,
		Type:    t.Type,
		Enabled: !t.Disabled,
		Configuration: toldConfiguration{
			Path:           t.Path,
			Schedule:       t.Schedule,
			TimeZone:       t.TimeZone,
			Missed:         t.Missed,
			CallbackURL:    t.CallbackURL,
			CallbackSecret: secret,
			Retry:          retry,
			Tasks:          t.Tasks,
			Timeout:        t.Timeout.Seconds(),
		},
	}
}

// toldRevision is a revision of a job as it is told.
type toldRevision struct {
	ID             string `json:"id"`
	Active         bool   `json:"active"`
	PreviousActive bool   `json:"previousActive"`
	CreatedAt      string `json:"createdAt"`
	CreatedBy      string `json:"createdBy,omitempty"`
	Status         string `json:"status"`
	TrafficPercent int    `json:"trafficPercent"`
}

// tellRevisions tells of revisions, newest first. The newest is the current one.
func tellRevisions(all []runtime.JobRevision) []toldRevision {
	told := make([]toldRevision, len(all))
	for i, r := range all {
		told[i] = toldRevision{
			ID:             strconv.FormatUint(r.Number, 10),
			Active:         i == 0,
			PreviousActive: i == 1,
			CreatedAt:      jobTime(r.Created),
			CreatedBy:      r.CreatedBy,
			Status:         jobStatus,
		}
		if i == 0 {
			told[i].TrafficPercent = 100
		}
	}
	return told
}

func toldMegabytes(bytes int64) float64 { return float64(bytes) / runtime.MiB }

// jobTime writes a time, nothing for the zero time.
func jobTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(jobTimeFormat)
}
