package worker

import (
	"math"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// Bounds of texts in messages, in bytes, and of lists.
const (
	maxName  = 4 * runtime.KiB   // names and ids
	maxText  = 256 * runtime.KiB // messages and tracebacks
	maxRules = 4096              // of an allow list
)

func appendLimits(b []byte, l runtime.Limits) []byte {
	b = wire.AppendUint(b, uint64(l.Timeout))
	b = wire.AppendUint(b, uint64(l.Memory))
	b = wire.AppendUint(b, uint64(l.Logs))
	b = wire.AppendUint(b, uint64(l.OpenFiles))
	return wire.AppendUint(b, uint64(l.Tmp))
}

func decodeLimits(d *wire.Decoder) (l runtime.Limits) {
	l.Timeout = time.Duration(d.Size())
	l.Memory = d.Size()
	l.Logs = d.Size()
	l.OpenFiles = int(d.Size())
	l.Tmp = d.Size()
	return l
}

// appendProgram appends a program without its limits, which come with each call.
func appendProgram(b []byte, p *runtime.Program) []byte {
	b = wire.AppendBytes(b, string(p.Tenant))
	b = wire.AppendBytes(b, p.FunctionID)
	b = wire.AppendUint(b, p.Version)
	b = wire.AppendBytes(b, p.Name)
	b = wire.AppendBytes(b, p.Bundle.ID[:])
	b = wire.AppendUint(b, uint64(p.Bundle.Bytes))
	b = wire.AppendUint(b, uint64(len(p.Allow)))
	for _, rule := range p.Allow {
		b = wire.AppendBytes(b, rule)
	}
	return append(b, p.Source...)
}

// decodeProgram reads a program, which shares its source with the message.
func decodeProgram(d *wire.Decoder) (p runtime.Program) {
	p.Tenant = runtime.Tenant(d.String(maxName))
	p.FunctionID = d.String(maxName)
	p.Version = d.Uint()
	p.Name = d.String(maxName)
	copy(p.Bundle.ID[:], d.Bytes(len(p.Bundle.ID)))
	p.Bundle.Bytes = d.Size()
	for range d.Count(maxRules) {
		p.Allow = append(p.Allow, d.String(maxName))
	}
	p.Source = d.Rest()
	return p
}

// Flags of a run.
const (
	runHasEnv  = 1 << iota // it has variables of its own
	runIsLive              // its output is sent while it runs
	runLends               // it lends memory
	runReaches             // it has a network
	runFlags   = 1<<iota - 1
)

func flagsOf(c *runtime.RunCall) (flags uint64) {
	if c.Env != nil {
		flags |= runHasEnv
	}
	if c.Logs != nil {
		flags |= runIsLive
	}
	if c.Room != nil {
		flags |= runLends
	}
	if c.Network != nil {
		flags |= runReaches
	}
	return flags
}

// appendRun appends a run of a program that has a number. Its args end the message.
func appendRun(b []byte, program uint64, c *runtime.RunCall) []byte {
	flags := flagsOf(c)
	b = wire.AppendUint(b, program)
	b = wire.AppendUint(b, flags)
	b = appendLimits(b, c.Program.Limits)
	b = appendLimits(b, c.Limits)
	b = wire.AppendBytes(b, c.Info.Execution)
	b = wire.AppendUint(b, uint64(c.Info.Attempt))
	b = wire.AppendBytes(b, c.Info.Function)
	b = wire.AppendBytes(b, c.Info.Job)
	b = wire.AppendBytes(b, c.Info.JobExecution)
	b = wire.AppendUint(b, uint64(c.Info.Task))
	if flags&runHasEnv != 0 {
		b = wire.AppendBytes(b, c.Env)
	}
	return append(b, c.Args...)
}

// decodeRun reads the rest of a run, whose program's number was read. What it shares with the message
// is its args and its variables.
func decodeRun(d *wire.Decoder) (c runtime.RunCall, flags int) {
	flags = d.Count(runFlags)
	c.Program.Limits = decodeLimits(d)
	c.Limits = decodeLimits(d)
	c.Info = runtime.RunInfo{
		Execution: d.String(maxName), Attempt: int(d.Size()), Function: d.String(maxName),
		Job: d.String(maxName), JobExecution: d.String(maxName), Task: int(d.Size()),
	}
	if flags&runHasEnv != 0 {
		c.Env = d.Bytes(maxPayload)
	}
	c.Args = d.Rest()
	return c, flags
}

// Flags of an outcome.
const (
	outcomeFailed = 1 << iota
	outcomeAdvises
	outcomeTruncated
	outcomeBuilt
	outcomeFlags = 1<<iota - 1
)

// appendOutcome appends an outcome. Its result, or its failure, ends the message.
func appendOutcome(b []byte, o *runtime.Outcome) []byte {
	var flags uint64
	if o.Failure != nil {
		flags |= outcomeFailed
		if o.Failure.Advises {
			flags |= outcomeAdvises
		}
	}
	if o.Logs.Truncated {
		flags |= outcomeTruncated
	}
	if o.Usage.Built {
		flags |= outcomeBuilt
	}
	b = wire.AppendUint(b, flags)
	b = wire.AppendUint(b, uint64(max(o.Usage.Duration, 0)))
	b = wire.AppendUint(b, uint64(max(o.Usage.Start, 0)))
	b = wire.AppendUint(b, uint64(max(o.Usage.Memory, 0)))
	b = wire.AppendUint(b, uint64(max(o.Usage.Pages, 0)))
	b = appendLogs(b, o.Logs)
	if f := o.Failure; f != nil {
		b = wire.AppendBytes(b, string(f.Class))
		b = wire.AppendBytes(b, f.Type)
		b = wire.AppendBytes(b, f.Message)
		b = wire.AppendBytes(b, f.Traceback)
		b = wire.AppendInt(b, int64(f.Line))
		return wire.AppendInt(b, int64(f.ExitCode))
	}
	return append(b, o.Result...)
}

// decodeOutcome reads the outcome of a run with a bound of its output. It checks what the
// engine relies on, except for the result, which [runtime.Execution.Finish] checks.
func decodeOutcome(message []byte, bound outputBound) (o runtime.Outcome, err error) {
	d := wire.Decode(message)
	flags := d.Count(outcomeFlags)
	o.Usage = runtime.Usage{Duration: time.Duration(d.Size()), Start: time.Duration(d.Size()), Memory: d.Size(), Pages: int(d.Size()), Built: flags&outcomeBuilt != 0}
	o.Logs = decodeLogs(&d, bound)
	o.Logs.Truncated = flags&outcomeTruncated != 0
	if flags&outcomeFailed == 0 {
		o.Result = d.Rest()
		if o.Result == nil {
			o.Result = []byte{}
		}
		return o, d.Err()
	}
	o.Failure = &runtime.Failure{
		Class: runtime.Class(d.String(maxName)), Type: text(&d), Message: text(&d), Traceback: text(&d),
		Line: int(d.Int()), ExitCode: int(d.Int()), Advises: flags&outcomeAdvises != 0,
	}
	if !sandboxClass(o.Failure.Class) {
		d.Fail()
	}
	return o, d.Err()
}

// text reads a text for the owner of a function.
func text(d *wire.Decoder) string { return strings.ToValidUTF8(d.String(maxText), "\uFFFD") }

// sandboxClass reports whether a failure in a sandbox may have a class.
func sandboxClass(c runtime.Class) bool {
	switch c {
	case runtime.ClassError, runtime.ClassTimeout, runtime.ClassCancelled, runtime.ClassMemory, runtime.ClassStack, runtime.ClassExited,
		runtime.ClassCrashed, runtime.ClassResultInvalid, runtime.ClassResultTooLarge, runtime.ClassInternal:
		return true
	}
	return false
}

func appendLogs(b []byte, l runtime.Logs) []byte {
	b = wire.AppendBytes(b, l.Data)
	b = wire.AppendUint(b, uint64(len(l.Marks)))
	if len(l.Marks) == 0 {
		return b
	}
	b = wire.AppendUint(b, uint64(max(l.Began.UnixMilli(), 0)))
	at := 0
	for _, m := range l.Marks {
		b = wire.AppendUint(b, uint64(m.Offset-at)<<1|uint64(m.Stream-1))
		b = wire.AppendUint(b, uint64(m.Millis))
		at = m.Offset
	}
	return b
}

// maxMillis is the latest time at which output may begin, in milliseconds since 1970: in the year 5138.
const maxMillis = 100_000_000_000_000

// outputBound bounds the output of a run, in bytes with the changes of its stream.
type outputBound struct {
	left  int       // what may still come
	limit int       // all of it
	began time.Time // nothing was written before
}

// boundOf returns the bound of the output of a run that begins at a time.
func boundOf(limit int64, began time.Time) outputBound {
	n := int(min(limit, maxPayload)) + cutLine
	return outputBound{n, n, began}
}

// decodeLogs reads output within a bound. Its marks are in order, and the first one is at the start. Times before
// the run, after now or out of order are replaced by the nearest that can be true: a clock may be set back.
func decodeLogs(d *wire.Decoder, bound outputBound) (l runtime.Logs) {
	l.Data = d.Bytes(bound.left)
	n := d.Count(runtime.MaxLogMarks(bound.limit, bound.left-len(l.Data)))
	if n == 0 {
		return l
	}
	earliest, now := bound.began.UnixMilli(), time.Now().UnixMilli()
	began := max(min(int64(d.Count(maxMillis)), now), earliest)
	l.Began = time.UnixMilli(began).UTC()
	latest := uint32(min(max(now-began, 0), math.MaxUint32))
	at, last := 0, uint32(0)
	for range n {
		v := d.Count(2 * maxPayload)
		last = min(max(uint32(d.Count(math.MaxUint32)), last), latest)
		at += v >> 1
		if at >= len(l.Data) || l.Marks == nil && at != 0 {
			d.Fail()
			return runtime.Logs{}
		}
		l.Marks = append(l.Marks, runtime.LogMark{Offset: at, Millis: last, Stream: uint8(v&1) + 1})
	}
	return l
}
