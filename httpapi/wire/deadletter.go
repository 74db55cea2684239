package wire

import "encoding/json"

// DeadLetter is a callback that could not be delivered. Its secret is never part of it.
type DeadLetter[T any] struct {
	ID          string          `json:"id"`
	Job         string          `json:"job"`
	Execution   string          `json:"execution"` // id of the job execution that the callback reports
	URL         string          `json:"url"`
	Created     T               `json:"created"`
	Attempts    int             `json:"attempts"`
	LastAttempt T               `json:"last_attempt"`
	LastStatus  *int            `json:"last_status"` // HTTP status; nil: there was no answer
	LastError   string          `json:"last_error"`
	BodySize    int             `json:"body_size"`      // bytes
	Body        json.RawMessage `json:"body,omitempty"` // omitted in lists
}

// Count answers a request that changes many things at once.
type Count struct {
	Count int `json:"count"`
}
