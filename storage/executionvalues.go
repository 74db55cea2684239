package storage

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/keys"
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
	asked      asked
	argsSize   uint64
	args       []byte // if argsSize is at most inlineSize
}

// asked is what is kept of who asked for an execution and of what it is a part.
type asked struct {
	caller runtime.Caller // its TraceID is empty if that is the execution's own
	task   *runtime.TaskOf
}

func askedOf(x *runtime.Execution, id keys.ID) asked {
	a := asked{x.Caller, x.Task}
	if a.caller.TraceID == keys.OwnTrace(id) {
		a.caller.TraceID = ""
	}
	return a
}

func (a asked) tell(x *runtime.Execution, id keys.ID) {
	x.Caller, x.Task = a.caller, a.task
	if x.Caller.TraceID == "" {
		x.Caller.TraceID = keys.OwnTrace(id)
	}
}

func (f *fields) asked(a asked) {
	f.text(a.caller.UserID)
	f.text(a.caller.RID)
	f.text(a.caller.TraceID)
	f.text(a.caller.TraceOwner)
	f.flag(a.task != nil)
	if a.task != nil {
		id, _ := keys.ParseID(a.task.JobExecution)
		f.rest(id[:])
		f.count(uint64(a.task.Index))
	}
}

// asked reads it. Executions of before encodingFields3 tell nothing of it.
func (f *fieldsOf) asked() (a asked) {
	if f.encoding != encodingFields3 {
		return a
	}
	a.caller = runtime.Caller{UserID: f.text(), RID: f.text(), TraceID: f.text(), TraceOwner: f.text()}
	if f.flag() {
		var id keys.ID
		copy(id[:], f.view(uint64(len(id))))
		a.task = &runtime.TaskOf{JobExecution: id.String(), Index: int(f.count())}
	}
	return a
}

func encodeAccepted(x *runtime.Execution, id keys.ID, args []byte) []byte {
	f := newFields(encodingFields3, 96+len(x.FunctionID)+len(x.Function)+inlined(args))
	f.octet(code(kinds[:], x.Kind))
	f.text(x.FunctionID)
	f.text(x.Function)
	f.count(x.Version)
	f.time(x.Created)
	f.number(int64(x.Retries))
	f.asked(askedOf(x, id))
	f.count(uint64(len(args)))
	if len(args) <= inlineSize {
		f.rest(args)
	}
	return f.value
}

func decodeAccepted(value []byte) (r acceptedRecord, err error) {
	f := readFields(value, encodingFields, encodingFields3)
	r.kind = word(f, kinds[:])
	r.functionID = f.text()
	r.function = f.text()
	r.version = f.count()
	r.created = f.time()
	r.retries = f.int()
	r.asked = f.asked()
	r.argsSize = f.count()
	r.args = f.inline(r.argsSize)
	return r, f.end()
}

// failures counts the attempts of an execution that failed.
type failures struct {
	function, platform int
	lost               int // with their process
}

func failuresOf(x *runtime.Execution) failures {
	return failures{x.FunctionFailures, x.PlatformFailures, x.LostAttempts}
}

func (n failures) tell(x *runtime.Execution) {
	x.FunctionFailures, x.PlatformFailures, x.LostAttempts = n.function, n.platform, n.lost
}

func (f *fields) failures(n failures) {
	f.number(int64(n.function))
	f.number(int64(n.platform))
	f.number(int64(n.lost))
}

// failures reads them. Before encodingFields2 an execution that was done told
// those of the platform and those that were lost as one number.
func (f *fieldsOf) failures() failures {
	n := failures{function: f.int(), platform: f.int()}
	if f.encoding != encodingFields {
		n.lost = f.int()
	}
	return n
}

// undoneFailures reads those of an execution that is not done, of which that one
// number told those that were lost alone.
func (f *fieldsOf) undoneFailures() failures {
	n := f.failures()
	if f.encoding == encodingFields {
		n.platform, n.lost = 0, n.platform
	}
	return n
}

// leaseRecord is what is kept of a running execution beside what was accepted.
type leaseRecord struct {
	function string
	attempt  int
	started  time.Time
	failures failures
	cancel   bool // it is to be cancelled; the record was written a second time then
	argsSize uint64
}

func (r leaseRecord) encode() []byte {
	f := newFields(encodingFields2, 32+len(r.function))
	f.text(r.function)
	f.number(int64(r.attempt))
	f.time(r.started)
	f.failures(r.failures)
	f.flag(r.cancel)
	f.count(r.argsSize)
	return f.value
}

func decodeLease(value []byte) (r leaseRecord, err error) {
	f := readFields(value, encodingFields, encodingFields2)
	r.function = f.text()
	r.attempt = f.int()
	r.started = f.time()
	r.failures = f.undoneFailures()
	r.cancel = f.flag()
	r.argsSize = f.count()
	return r, f.end()
}

// waitingRecord is what is kept of a queued execution that ran before.
type waitingRecord struct {
	attempt   int
	failures  failures
	notBefore time.Time
	logsSize  uint64 // of the latest attempt, as encoded; 0: it wrote nothing
}

func (r waitingRecord) encode() []byte {
	f := newFields(encodingFields2, 24)
	f.number(int64(r.attempt))
	f.failures(r.failures)
	f.time(r.notBefore)
	f.count(r.logsSize)
	return f.value
}

func decodeWaiting(value []byte) (r waitingRecord, err error) {
	f := readFields(value, encodingFields, encodingFields2)
	r.attempt = f.int()
	r.failures = f.undoneFailures()
	r.notBefore = f.time()
	if f.encoding == encodingFields2 {
		r.logsSize = f.count()
	}
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
	r.asked.tell(&x, of.id)
	switch lease, waiting := a.lease, a.waiting; {
	case lease != nil:
		x.State = runtime.StateRunning
		x.Attempt, x.Started = lease.attempt, lease.started
		lease.failures.tell(&x)
		if lease.cancel {
			x.State, x.CancelRequested = runtime.StateCancelling, true
		}
	case waiting != nil:
		x.Attempt, x.NotBefore = waiting.attempt, waiting.notBefore
		waiting.failures.tell(&x)
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
func encodeDone(x *runtime.Execution, id keys.ID) (value, logs []byte) {
	logs = encodeLogs(x.Logs)
	f := newFields(encodingFields3, 192+len(x.FunctionID)+len(x.Function)+inlined(x.Result)+inlined(logs))
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
	f.failures(failuresOf(x))
	f.flag(x.CancelRequested)
	f.asked(askedOf(x, id))
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

func decodeDone(tenant runtime.Tenant, id keys.ID, value []byte) (r doneRecord, err error) {
	f := readFields(value, encodingFields, encodingFields2, encodingFields3)
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
	f.failures().tell(x)
	x.CancelRequested = f.flag()
	f.asked().tell(x, id)
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
	f := newFields(encodingFields, 16+4*len(l.Marks)+len(l.Data))
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
	f := readFields(value, encodingFields)
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
	ids  []keys.ID
}

func (r idempotencyRecord) encode() []byte {
	f := newFields(encodingFields, 48+len(keys.ID{})*len(r.ids))
	f.time(r.at)
	f.rest(r.hash[:])
	for _, id := range r.ids {
		f.rest(id[:])
	}
	return f.value
}

func decodeIdempotency(value []byte) (r idempotencyRecord, err error) {
	f := readFields(value, encodingFields)
	r.at = f.time()
	copy(r.hash[:], f.view(uint64(len(r.hash))))
	for len(f.left) > 0 {
		var id keys.ID
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
