package wire

import "encoding/json"

// Stats counts the runs of a tenant that have ended.
type Stats struct {
	From          string          `json:"from"`
	To            string          `json:"to"`
	CompleteSince string          `json:"complete_since"` // runs that ended before may be missing
	StepSeconds   *int            `json:"step_seconds"`   // null: there are no steps
	Total         RunStats        `json:"total"`
	Steps         []StepStats     `json:"steps"`     // consecutive, from From on
	Functions     []FunctionStats `json:"functions"` // those with most runs
	// OtherFunctions is the number of functions that Functions does not have.
	OtherFunctions int           `json:"other_functions"`
	Queue          QueueStats    `json:"queue"`
	Memory         MemoryOfStats `json:"memory"`
}

// RunStats counts runs that have ended, and their durations in milliseconds. These are null if no run has
// started.
type RunStats struct {
	Count     int          `json:"count"`
	Success   int          `json:"success"`
	Failed    int          `json:"failed"` // includes TimedOut
	TimedOut  int          `json:"timed_out"`
	Cancelled int          `json:"cancelled"`
	P50       *json.Number `json:"p50_ms"`
	P90       *json.Number `json:"p90_ms"`
	P99       *json.Number `json:"p99_ms"`
	Max       *json.Number `json:"max_ms"`
	Mean      *json.Number `json:"mean_ms"`
}

// StepStats counts the runs that ended in one step.
type StepStats struct {
	At string `json:"at"` // its beginning
	RunStats
}

// FunctionStats counts the runs of one function: those that have ended, and those that have not, as
// QueueStats does.
type FunctionStats struct {
	Function string `json:"function"` // name at the time of acceptance
	RunStats
	Queued  int  `json:"queued"`
	Running int  `json:"running"`
	Paused  bool `json:"paused"` // no background run begins
}

// QueueStats counts the runs of the tenant that have not ended.
type QueueStats struct {
	Queued   int   `json:"queued"`
	OldestMS int64 `json:"oldest_ms"` // age of the oldest one that waits for its turn; 0: none does
	Running  int   `json:"running"`
}

// MemoryOfStats is the memory of the runs of the tenant, in bytes.
type MemoryOfStats struct {
	Used  int64 `json:"used"`
	Limit int64 `json:"limit"` // that they may have at once
}
