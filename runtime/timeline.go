package runtime

import (
	"time"
	"unsafe"
)

// Timeline says when the parts of an attempt happened, for traces. It is not stored.
type Timeline struct {
	Waiting time.Time // since when it has waited for its turn and for memory; zero: since the acceptance
	Began   time.Time // it had its memory, and the sandbox was called
	Called  time.Time // main was called; zero: it never was
	Ended   time.Time
	Built   bool     // the image of the function was made before main was called
	Failure *Failure // of this attempt; nil: it has succeeded
	// Calls are the connections and look-ups of names of the attempt, in the order of their ends, at most
	// [MaxEgressCalls]. CallsLost is the number of further ones.
	Calls     []EgressCall
	CallsLost int
}

// MaxEgressCalls is the number of connections of an attempt that a Timeline has.
const MaxEgressCalls = 64

// EgressCall is a connection of a run, or an attempt to make one.
type EgressCall struct {
	Network        string // "tcp" or "udp"; empty: the look-up of a name that has failed
	Host           string // the name that was resolved, or *.NAME if only such a rule allows it; else the address
	Port           uint16 // 0: the look-up of a name
	TLS            bool   // the run asked for a server by TLS
	Began, Ended   time.Time
	Connecting     time.Duration // until it was connected
	Sent, Received int64         // bytes
	Failure        Code          // why there was no connection; empty: there was one
}

// EgressRecorder is a Network that notes its connections.
type EgressRecorder interface {
	// Calls returns the connections that were closed, and the number of further ones, after Close.
	Calls() (calls []EgressCall, lost int)
}

// weight returns the approximate memory of a timeline in bytes.
func (t *Timeline) weight() int {
	if t == nil {
		return 0
	}
	n := int(unsafe.Sizeof(*t)) + len(t.Calls)*int(unsafe.Sizeof(EgressCall{}))
	for i := range t.Calls {
		n += len(t.Calls[i].Host)
	}
	return n
}

// Sampling says whether the caller wants the spans of an execution exported.
type Sampling uint8

// The values of Sampling. Without a trace of its own, a caller does not say.
const (
	SamplingUnset Sampling = iota
	SamplingOn
	SamplingOff
)

// SpanOf returns the id of the span of an execution in its trace: the last 16 digits of the id of the
// execution, which are random.
func SpanOf(id string) string { return string(AppendSpan(nil, id)) }

// AppendSpan appends what [SpanOf] returns, nothing if id is no UUID.
func AppendSpan(b []byte, id string) []byte {
	const length, first, second = 36, 19, 24 // 8-4-4-4-12
	if len(id) != length {
		return b
	}
	return append(append(b, id[first:second-1]...), id[second:]...)
}
