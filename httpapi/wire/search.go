package wire

import (
	"encoding/json"
	"time"
)

// SearchRequest is a request for the finished executions of a resource.
type SearchRequest struct {
	StartTime *time.Time      `json:"startTime,omitempty"` // earliest start
	EndTime   *time.Time      `json:"endTime,omitempty"`   // all starts are before it
	Where     json.RawMessage `json:"where,omitempty"`     // a filter
	PageSize  int             `json:"pageSize"`
	PageToken string          `json:"pageToken,omitempty"`
}

// Duration is a length of time in the Foundry dialect.
type Duration struct {
	Value int64  `json:"value"`
	Unit  string `json:"unit"` // MILLISECONDS in answers
}

// FoundExecution is one result of a search: a finished execution of a function or a job.
type FoundExecution[T any] struct {
	ResourceRID     string   `json:"resourceRid"`
	ResourceVersion string   `json:"resourceVersion"`
	TraceID         string   `json:"foundryTraceId"`
	TraceOwnerRID   string   `json:"traceOwningRid"`
	Status          string   `json:"status"` // SUCCEEDED or FAILED
	Start           T        `json:"startTime"`
	Duration        Duration `json:"duration"`
	FailureReason   string   `json:"failureReason,omitempty"`
	CallerRID       string   `json:"callerRid,omitempty"`
	// The following answer requests in the form of earlier releases of the vendor's API.
	OlderTraceID string `json:"traceId,omitempty"`
	TraceLocator string `json:"traceLocator,omitempty"`
	UserID       string `json:"userId,omitempty"`

	// With the query details=true, in addition to Foundry's members:

	ExecutionID string       `json:"executionId,omitempty"` // of the run, or of the execution of the job
	DurationMS  *json.Number `json:"durationMs,omitempty"`  // three decimals
}

// SearchResponse is one page of the results of a search.
type SearchResponse[T any] struct {
	Data          []FoundExecution[T] `json:"data"`
	NextPageToken string              `json:"nextPageToken,omitempty"`
}
