package blaxel

import (
	"strconv"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// timeFormat is the layout of all times in this dialect.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// jobStatus is the status of every job: it exists and can be run.
const jobStatus = "DEPLOYED"

// jobResponse is a job in an answer.
type jobResponse = wire.Job[string]

// renderJob renders j, with masked secrets, for a caller who reaches the server at base.
func renderJob(base string, j *runtime.Job) jobResponse {
	response := jobResponse{
		Metadata: wire.JobMetadata[string]{
			Name:        j.Name,
			DisplayName: j.DisplayName,
			Labels:      j.Labels,
			CreatedAt:   formatTime(j.Created),
			UpdatedAt:   formatTime(j.Updated),
			CreatedBy:   j.CreatedBy,
			UpdatedBy:   j.UpdatedBy,
			Workspace:   string(j.Tenant),
			URL:         base + jobsPath + j.Name,
			RID:         j.RID(),
		},
		Spec: wire.JobSpec{
			Enabled:  !j.Spec.Disabled,
			Function: j.Spec.Function,
			Runtime: wire.JobRuntime{
				Memory:             renderMegabytes(j.Spec.Memory),
				Timeout:            j.Spec.Timeout.Seconds(),
				MaxRetries:         j.Spec.MaxRetries,
				MaxConcurrentTasks: j.Spec.MaxConcurrentTasks,
				Envs:               make([]wire.EnvVar, len(j.Spec.Env)),
			},
			Triggers: make([]wire.Trigger, len(j.Spec.Triggers)),
			Revision: wire.Revision{Active: strconv.FormatUint(j.Revision, 10)},
		},
		Status: jobStatus,
	}
	for i, v := range j.Spec.Env {
		if v.Secret {
			v.Value = runtime.Masked
		}
		response.Spec.Runtime.Envs[i] = wire.EnvVar(v)
	}
	for i := range j.Spec.Triggers {
		response.Spec.Triggers[i] = renderTrigger(&j.Spec.Triggers[i])
	}
	return response
}

func renderTrigger(t *runtime.Trigger) wire.Trigger {
	secret := t.CallbackSecret
	if secret != "" {
		secret = runtime.Masked
	}
	var retry *int
	if t.CallbackURL != "" {
		retry = &t.Retry
	}
	return wire.Trigger{
		ID:      t.ID,
		Type:    string(t.Type),
		Enabled: !t.Disabled,
		Configuration: wire.TriggerConfiguration{
			Path:           t.Path,
			Schedule:       t.Schedule,
			TimeZone:       t.TimeZone,
			Missed:         string(t.Missed),
			CallbackURL:    t.CallbackURL,
			CallbackSecret: secret,
			Retry:          retry,
			Tasks:          t.Tasks,
			Timeout:        t.Timeout.Seconds(),
		},
	}
}

// renderRevisions renders revisions, newest first. The newest is the current one.
func renderRevisions(all []runtime.JobRevision) []wire.JobRevision[string] {
	response := make([]wire.JobRevision[string], len(all))
	for i, r := range all {
		response[i] = wire.JobRevision[string]{
			ID:             strconv.FormatUint(r.Number, 10),
			Active:         i == 0,
			PreviousActive: i == 1,
			CreatedAt:      formatTime(r.Created),
			CreatedBy:      r.CreatedBy,
			Status:         jobStatus,
		}
		if i == 0 {
			response[i].TrafficPercent = 100
		}
	}
	return response
}

func renderMegabytes(bytes int64) float64 { return float64(bytes) / runtime.MiB }

// formatTime formats a time, empty for the zero time.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

// optionalTime formats a time, nil for the zero time.
func optionalTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := formatTime(t)
	return &text
}
