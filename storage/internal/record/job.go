package record

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// jobRecord is the record of a runtime.Job, without what its key and its current revision say.
// Field names are part of the format.
type jobRecord struct {
	Name        string            `json:"name"`
	DisplayName string            `json:"display_name,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Revision    uint64            `json:"revision"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
	CreatedBy   string            `json:"created_by,omitempty"`
	UpdatedBy   string            `json:"updated_by,omitempty"`
}

type revisionRecord struct {
	Spec      specRecord `json:"spec"`
	Created   time.Time  `json:"created"`
	CreatedBy string     `json:"created_by,omitempty"`
}

// specRecord is the stored form of runtime.JobSpec.
type specRecord struct {
	Function           string          `json:"function"`              // name when the spec was stored
	FunctionID         string          `json:"function_id,omitempty"` // empty: stored by an earlier release
	Disabled           bool            `json:"disabled,omitempty"`
	Memory             int64           `json:"memory,omitempty"`
	Timeout            time.Duration   `json:"timeout,omitempty"` // nanoseconds
	MaxRetries         int             `json:"max_retries,omitempty"`
	MaxConcurrentTasks int             `json:"max_concurrent_tasks,omitempty"`
	Env                []envRecord     `json:"env,omitempty"`
	Triggers           []triggerRecord `json:"triggers,omitempty"`
}

type envRecord struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Secret bool   `json:"secret,omitempty"`
}

type triggerRecord struct {
	ID             string              `json:"id"`
	Type           runtime.TriggerType `json:"type"`
	Disabled       bool                `json:"disabled,omitempty"`
	Path           string              `json:"path,omitempty"`
	Schedule       string              `json:"schedule,omitempty"`
	TimeZone       string              `json:"time_zone,omitempty"`
	Missed         runtime.MissedTicks `json:"missed,omitempty"`
	CallbackURL    string              `json:"callback_url,omitempty"`
	CallbackSecret string              `json:"callback_secret,omitempty"`
	Retry          int                 `json:"retry,omitempty"`
	Tasks          []json.RawMessage   `json:"tasks,omitempty"`
	Timeout        time.Duration       `json:"timeout,omitempty"` // nanoseconds
}

func specOf(s runtime.JobSpec) specRecord {
	r := specRecord{
		Function: s.Function, FunctionID: s.FunctionID, Disabled: s.Disabled, Memory: s.Memory, Timeout: s.Timeout,
		MaxRetries: s.MaxRetries, MaxConcurrentTasks: s.MaxConcurrentTasks,
	}
	for _, v := range s.Env {
		r.Env = append(r.Env, envRecord(v))
	}
	for _, t := range s.Triggers {
		r.Triggers = append(r.Triggers, triggerRecord(t))
	}
	return r
}

func (r specRecord) spec() runtime.JobSpec {
	s := runtime.JobSpec{
		Function: r.Function, FunctionID: r.FunctionID, Disabled: r.Disabled, Memory: r.Memory, Timeout: r.Timeout,
		MaxRetries: r.MaxRetries, MaxConcurrentTasks: r.MaxConcurrentTasks,
	}
	for _, v := range r.Env {
		s.Env = append(s.Env, runtime.EnvVar(v))
	}
	for _, t := range r.Triggers {
		s.Triggers = append(s.Triggers, runtime.Trigger(t))
	}
	return s
}

// EncodeJob returns the record of a job, without its spec.
func EncodeJob(j runtime.Job) ([]byte, error) {
	return encodeJSON(EncodingJSON, jobRecord{
		j.Name, j.DisplayName, j.Labels, j.Revision, j.Created.UTC(), j.Updated.UTC(), j.CreatedBy, j.UpdatedBy,
	})
}

// DecodeJob returns a job without its spec.
func DecodeJob(tenant runtime.Tenant, id string, value []byte) (runtime.Job, error) {
	var r jobRecord
	if err := decodeJSON(value, &r, EncodingJSON); err != nil {
		return runtime.Job{}, fmt.Errorf("job %q of tenant %q: %w", id, tenant, err)
	}
	return runtime.Job{
		ID: id, Tenant: tenant, Name: r.Name, DisplayName: r.DisplayName, Labels: r.Labels, Revision: r.Revision,
		Created: r.Created, Updated: r.Updated, CreatedBy: r.CreatedBy, UpdatedBy: r.UpdatedBy,
	}, nil
}

// EncodeRevision returns the record of a revision.
func EncodeRevision(v runtime.JobRevision) ([]byte, error) {
	encoding := byte(EncodingJSON)
	if v.Spec.FunctionID != "" {
		encoding = EncodingJSON2
	}
	return encodeJSON(encoding, revisionRecord{specOf(v.Spec), v.Created.UTC(), v.CreatedBy})
}

// DecodeRevision decodes what EncodeRevision returns.
func DecodeRevision(number uint64, value []byte) (runtime.JobRevision, error) {
	var r revisionRecord
	err := decodeJSON(value, &r, EncodingJSON, EncodingJSON2)
	return runtime.JobRevision{Number: number, Spec: r.Spec.spec(), Created: r.Created, CreatedBy: r.CreatedBy}, err
}
