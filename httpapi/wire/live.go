package wire

// LeftEvent is the event of a live list for an execution that has changed and does not pass the filter any
// more.
type LeftEvent struct {
	UUID string `json:"uuid"`
}

// SkippedEvent is the event of a live list for changes that were too many to send: the list is not
// complete, and should be read again.
type SkippedEvent struct {
	Changes int `json:"changes"`
}

// ListedEvent is the event of a live list behind the executions that passed the filter when the stream
// began.
type ListedEvent struct {
	Executions int `json:"executions"`
}
