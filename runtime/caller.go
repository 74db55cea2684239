package runtime

import "strings"

// Caller is the user or resource that requests an execution. Its zero value is no caller: a
// schedule starts executions without one.
type Caller struct {
	// UserID is the name of the user that the token belongs to.
	UserID string
	// RID is the resource that sends the request. For a task it is the job.
	RID string
	// TraceID is the trace (W3C Trace Context) that the request belongs to, 32 lower-case hex
	// digits. Empty: the execution starts a new trace.
	TraceID string
	// ParentSpan is the span of the caller in that trace, 16 lower-case hex digits. Empty: none. Sampled is
	// what the caller wants exported of the trace.
	ParentSpan string
	Sampled    Sampling
	// TraceOwner is the resource that started the trace. Empty: the resource that is executed.
	TraceOwner string
}

// BeginTrace sets the trace of an execution that belongs to none: [TraceOf] its id.
func (c *Caller) BeginTrace(id string) {
	if c.TraceID == "" {
		c.TraceID = TraceOf(id)
	}
}

// TraceOf returns the trace that an execution with this id starts: the id without dashes.
func TraceOf(id string) string { return strings.ReplaceAll(id, "-", "") }
