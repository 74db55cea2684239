package storage

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// inlineSize is up to how many bytes args, a result or logs are kept in the
// record of their execution: a record of their own would cost more than they
// do. It is no more than what lists tell of a result.
const inlineSize = runtime.ListedResult

// kinds and states are written as their index. What is here is part of the
// format; the states are the terminal ones.
var (
	kinds  = [...]runtime.Kind{1: runtime.KindRun, runtime.KindCreate, runtime.KindUpdate, runtime.KindDelete}
	states = [...]runtime.State{1: runtime.StateSucceeded, runtime.StateFailed, runtime.StateTimeout, runtime.StateCancelled}
)

// code is the index of a word in a table, 0 if it is not there.
func code[T ~string](table []T, word T) byte {
	return byte(max(slices.Index(table[1:], word)+1, 0))
}

func word[T ~string](f *fieldsOf, table []T) (w T) {
	c := f.octet()
	if c == 0 || int(c) >= len(table) {
		f.fail()
		return w
	}
	return table[c]
}

// acceptedRecord is what is kept of an execution when it is accepted; it does
// not change.
type acceptedRecord struct {
	kind       runtime.Kind
	functionID string
	function   string
	version    uint64
	created    time.Time
	retries    int
	argsSize   uint64
	args       []byte // if argsSize is at most inlineSize
}

func encodeAccepted(x *runtime.Execution, args []byte) []byte {
	f := newFields(64 + len(x.FunctionID) + len(x.Function) + inlined(args))
	f.octet(code(kinds[:], x.Kind))
	f.text(x.FunctionID)
	f.text(x.Function)
	f.count(x.Version)
	f.time(x.Created)
	f.number(int64(x.Retries))
	f.count(uint64(len(args)))
	if len(args) <= inlineSize {
		f.rest(args)
	}
	return f.value
}

func decodeAccepted(value []byte) (r acceptedRecord, err error) {
	f := readFields(value)
	r.kind = word(f, kinds[:])
	r.functionID = f.text()
	r.function = f.text()
	r.version = f.count()
	r.created = f.time()
	r.retries = f.int()
	r.argsSize = f.count()
	r.args = f.inline(r.argsSize)
	return r, f.end()
}

// leaseRecord is what is kept of a running execution beside what was accepted.
type leaseRecord struct {
	function         string
	attempt          int
	started          time.Time
	functionFailures int
	platformFailures int
	cancel           bool // it is to be cancelled; the record was written a second time then
	argsSize         uint64
}

func (r leaseRecord) encode() []byte {
	f := newFields(32 + len(r.function))
	f.text(r.function)
	f.number(int64(r.attempt))
	f.time(r.started)
	f.number(int64(r.functionFailures))
	f.number(int64(r.platformFailures))
	f.flag(r.cancel)
	f.count(r.argsSize)
	return f.value
}

func decodeLease(value []byte) (r leaseRecord, err error) {
	f := readFields(value)
	r.function = f.text()
	r.attempt = f.int()
	r.started = f.time()
	r.functionFailures = f.int()
	r.platformFailures = f.int()
	r.cancel = f.flag()
	r.argsSize = f.count()
	return r, f.end()
}

// waitingRecord is what is kept of a queued execution that ran before.
type waitingRecord struct {
	attempt          int
	functionFailures int
	platformFailures int
	notBefore        time.Time
}

func (r waitingRecord) encode() []byte {
	f := newFields(16)
	f.number(int64(r.attempt))
	f.number(int64(r.functionFailures))
	f.number(int64(r.platformFailures))
	f.time(r.notBefore)
	return f.value
}

func decodeWaiting(value []byte) (r waitingRecord, err error) {
	f := readFields(value)
	r.attempt = f.int()
	r.functionFailures = f.int()
	r.platformFailures = f.int()
	r.notBefore = f.time()
	return r, f.end()
}

// execution puts together what is kept of an execution that is not done.
func (r acceptedRecord) execution(of attemptOf, a attempt) runtime.Execution {
	x := runtime.Execution{
		ID:         of.id.String(),
		Tenant:     of.tenant,
		Kind:       r.kind,
		FunctionID: r.functionID,
		Function:   r.function,
		Version:    r.version,
		State:      runtime.StateQueued,
		Created:    r.created,
		Retries:    r.retries,
	}
	switch lease, waiting := a.lease, a.waiting; {
	case lease != nil:
		x.State = runtime.StateRunning
		x.Attempt, x.Started = lease.attempt, lease.started
		x.FunctionFailures, x.PlatformFailures = lease.functionFailures, lease.platformFailures
		if lease.cancel {
			x.State, x.CancelRequested = runtime.StateCancelling, true
		}
	case waiting != nil:
		x.Attempt, x.NotBefore = waiting.attempt, waiting.notBefore
		x.FunctionFailures, x.PlatformFailures = waiting.functionFailures, waiting.platformFailures
	}
	return x
}

// doneRecord is an execution that is done; its result and logs are where its
// sizes say.
type doneRecord struct {
	runtime.Execution
	resultSize uint64
	logsSize   uint64 // as encoded; 0: there are none
	result     []byte // if resultSize is at most inlineSize
	logs       []byte // if logsSize is at most inlineSize
}

// encodeDone gives the record of an execution and, encoded, its logs.
func encodeDone(x *runtime.Execution) (value, logs []byte) {
	logs = encodeLogs(x.Logs)
	f := newFields(160 + len(x.FunctionID) + len(x.Function) + inlined(x.Result) + inlined(logs))
	f.octet(code(kinds[:], x.Kind))
	f.octet(code(states[:], x.State))
	f.text(x.FunctionID)
	f.text(x.Function)
	f.count(x.Version)
	f.time(x.Created)
	f.time(x.Started)
	f.time(x.Finished)
	f.number(int64(x.Attempt))
	f.number(int64(x.Retries))
	f.number(int64(x.FunctionFailures))
	f.number(int64(x.PlatformFailures))
	f.flag(x.CancelRequested)
	f.number(int64(x.Usage.Duration))
	f.number(x.Usage.Memory)
	f.number(int64(x.Usage.Pages))
	f.flag(x.Failure != nil)
	if x.Failure != nil {
		f.text(string(x.Failure.Class))
		f.text(x.Failure.Type)
		f.text(x.Failure.Message)
		f.text(x.Failure.Traceback)
		f.number(int64(x.Failure.Line))
		f.number(int64(x.Failure.ExitCode))
	}
	f.count(uint64(len(x.Result)))
	f.count(uint64(len(logs)))
	if len(x.Result) <= inlineSize {
		f.rest(x.Result)
	}
	if len(logs) <= inlineSize {
		f.rest(logs)
	}
	return f.value, logs
}

func decodeDone(tenant runtime.Tenant, id executionID, value []byte) (r doneRecord, err error) {
	f := readFields(value)
	x := &r.Execution
	x.ID, x.Tenant = id.String(), tenant
	x.Kind = word(f, kinds[:])
	x.State = word(f, states[:])
	x.FunctionID = f.text()
	x.Function = f.text()
	x.Version = f.count()
	x.Created = f.time()
	x.Started = f.time()
	x.Finished = f.time()
	x.Attempt = f.int()
	x.Retries = f.int()
	x.FunctionFailures = f.int()
	x.PlatformFailures = f.int()
	x.CancelRequested = f.flag()
	x.Usage.Duration = time.Duration(f.number())
	x.Usage.Memory = f.number()
	x.Usage.Pages = f.int()
	if f.flag() {
		x.Failure = &runtime.Failure{
			Class:     runtime.Class(f.text()),
			Type:      f.text(),
			Message:   f.text(),
			Traceback: f.text(),
			Line:      f.int(),
			ExitCode:  f.int(),
		}
	}
	r.resultSize = f.count()
	r.logsSize = f.count()
	r.result = f.inline(r.resultSize)
	r.logs = f.inline(r.logsSize)
	if r.resultSize > math.MaxInt {
		f.fail()
	}
	x.ResultSize = int(r.resultSize)
	x.Result = r.result
	if err := f.end(); err != nil {
		return doneRecord{}, fmt.Errorf("execution %s of tenant %q: %w", id, tenant, err)
	}
	return r, nil
}

// encodeLogs gives nothing for logs of nothing.
func encodeLogs(l runtime.Logs) []byte {
	if len(l.Data) == 0 && len(l.Marks) == 0 && !l.Truncated {
		return nil
	}
	f := newFields(16 + 4*len(l.Marks) + len(l.Data))
	f.flag(l.Truncated)
	f.count(uint64(len(l.Marks)))
	last := 0
	for _, mark := range l.Marks {
		f.number(int64(mark.Offset - last))
		f.octet(mark.Stream)
		last = mark.Offset
	}
	f.rest(l.Data)
	return f.value
}

// decodeLogs gives a copy of what is in value.
func decodeLogs(value []byte) (l runtime.Logs, err error) {
	f := readFields(value)
	l.Truncated = f.flag()
	marks := f.count()
	if marks > uint64(len(f.left)) {
		f.fail()
	}
	offset := 0
	for range min(marks, uint64(len(f.left))) {
		offset += f.int()
		l.Marks = append(l.Marks, runtime.LogMark{Offset: offset, Stream: f.octet()})
	}
	l.Data = bytes.Clone(f.view(uint64(len(f.left))))
	return l, f.end()
}

// idempotencyRecord is what a key of idempotency stands for.
type idempotencyRecord struct {
	at   time.Time
	hash [32]byte
	ids  []executionID
}

func (r idempotencyRecord) encode() []byte {
	f := newFields(48 + len(executionID{})*len(r.ids))
	f.time(r.at)
	f.rest(r.hash[:])
	for _, id := range r.ids {
		f.rest(id[:])
	}
	return f.value
}

func decodeIdempotency(value []byte) (r idempotencyRecord, err error) {
	f := readFields(value)
	r.at = f.time()
	copy(r.hash[:], f.view(uint64(len(r.hash))))
	for len(f.left) > 0 {
		var id executionID
		copy(id[:], f.view(uint64(len(id))))
		r.ids = append(r.ids, id)
	}
	return r, f.end()
}

func inlined(data []byte) int {
	if len(data) > inlineSize {
		return 0
	}
	return len(data)
}

// inline gives a copy of what is kept in the record itself, if it is.
func (f *fieldsOf) inline(size uint64) []byte {
	if size == 0 || size > inlineSize {
		return nil
	}
	return bytes.Clone(f.view(size))
}
