package record

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
)

// InlineSize is the largest size, in bytes, at which args, a result or logs are stored in the
// record of their execution: a record of their own would cost more than they do. It is at most the
// size of a result that lists return.
const InlineSize = runtime.ListedResult

// Kinds and States are the tables by whose index kinds and states are stored. They are part of the
// format. The states are the terminal ones.
var (
	Kinds  = [...]runtime.Kind{1: runtime.KindRun, runtime.KindCreate, runtime.KindUpdate, runtime.KindDelete}
	States = [...]runtime.State{1: runtime.StateSucceeded, runtime.StateFailed, runtime.StateTimeout, runtime.StateCancelled}
)

// code returns the index of a word in a table, 0 if the word is not in it.
func code[T ~string](table []T, word T) byte {
	return byte(max(slices.Index(table[1:], word)+1, 0))
}

// KindCode returns the byte that is stored for a kind of execution, 0 if there is no such kind.
func KindCode(kind runtime.Kind) byte { return code(Kinds[:], kind) }

// StateCode returns the byte that is stored for a terminal state, 0 if the state is not terminal.
func StateCode(state runtime.State) byte { return code(States[:], state) }

func word[T ~string](f *fieldReader, table []T) (w T) {
	c := f.octet()
	if c == 0 || int(c) >= len(table) {
		f.fail()
		return w
	}
	return table[c]
}

// Accepted is the record of an execution as it was accepted. It does not change.
type Accepted struct {
	kind       runtime.Kind
	FunctionID string
	Function   string
	version    uint64
	created    time.Time
	retries    int
	request    request
	kept       kept
	ArgsSize   uint64
	InlineArgs []byte // the args if ArgsSize is at most InlineSize
}

// request is the stored part of the request for an execution: its caller, and the task that the
// execution is.
type request struct {
	caller runtime.Caller // its TraceID is empty if the execution has begun the trace
	task   *runtime.TaskRef
}

func requestOf(x *runtime.Execution, id keys.ID) request {
	a := request{x.Caller, x.Task}
	if a.caller.TraceID == keys.OwnTrace(id) {
		a.caller.TraceID = ""
	}
	return a
}

func (a request) apply(x *runtime.Execution, id keys.ID) {
	x.Caller, x.Task = a.caller, a.task
	if x.Caller.TraceID == "" {
		x.Caller.TraceID = keys.OwnTrace(id)
	}
}

func (f *fieldWriter) request(a request) {
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

// request reads the request. Records older than EncodingFields3 do not have it.
func (f *fieldReader) request() (a request) {
	if f.encoding != EncodingFields3 && f.encoding != EncodingFields5 && f.encoding != EncodingFields6 {
		return a
	}
	a.caller = runtime.Caller{UserID: f.text(), RID: f.text(), TraceID: f.text(), TraceOwner: f.text()}
	if f.flag() {
		var id keys.ID
		copy(id[:], f.view(uint64(len(id))))
		a.task = &runtime.TaskRef{JobExecution: id.String(), Index: int(f.count())}
	}
	return a
}

// skipRequest skips what request reads.
func (f *fieldReader) skipRequest() {
	if f.encoding != EncodingFields3 && f.encoding != EncodingFields5 && f.encoding != EncodingFields6 {
		return
	}
	for range 4 { // the user, the resource and the trace
		f.bytes()
	}
	if f.flag() {
		f.view(uint64(len(keys.ID{})))
		f.count()
	}
}

// kept is what a record of EncodingFields6 has in addition: whether the args are dropped at the end,
// the execution that is repeated, if any, whether the version is pinned, and the span of the caller, if any,
// with what the caller wants exported.
type kept struct {
	dropArgs bool
	rerunOf  string
	pinned   bool
	span     string
	sampled  runtime.Sampling
}

// spanBytes is the size of a span.
const spanBytes = 8

// Bits of kept.
const (
	bitDropArgs = 1 << iota
	bitRerun
	bitPinned
	bitSpan
	keptBits
)

func (f *fieldWriter) kept(k kept) {
	bits := byte(0)
	if k.dropArgs {
		bits |= bitDropArgs
	}
	if k.rerunOf != "" {
		bits |= bitRerun
	}
	if k.pinned {
		bits |= bitPinned
	}
	span, err := hex.DecodeString(k.span)
	if err == nil && len(span) == spanBytes {
		bits |= bitSpan
	}
	f.octet(bits)
	if k.rerunOf != "" {
		id, _ := keys.ParseID(k.rerunOf)
		f.rest(id[:])
	}
	if bits&bitSpan != 0 {
		f.rest(span)
		f.octet(byte(k.sampled))
	}
}

// kept reads what only records of EncodingFields6 have.
func (f *fieldReader) kept() (k kept) {
	if f.encoding != EncodingFields6 {
		return k
	}
	bits := f.octet()
	if bits >= keptBits {
		f.fail()
	}
	k.dropArgs, k.pinned = bits&bitDropArgs != 0, bits&bitPinned != 0
	if bits&bitRerun != 0 {
		var id keys.ID
		copy(id[:], f.view(uint64(len(id))))
		k.rerunOf = id.String()
	}
	if bits&bitSpan != 0 {
		k.span = hex.EncodeToString(f.view(spanBytes))
		if k.sampled = runtime.Sampling(f.octet()); k.sampled > runtime.SamplingOff {
			f.fail()
		}
	}
	return k
}

// EncodeAccepted returns the record of an execution as it is accepted.
func EncodeAccepted(x *runtime.Execution, id keys.ID, args []byte) []byte {
	k := kept{x.DropArgs, x.RerunOf, x.Pinned, x.Caller.ParentSpan, x.Caller.Sampled}
	encoding := byte(EncodingFields3)
	if k != (kept{}) { // earlier releases read all other executions
		encoding = EncodingFields6
	}
	f := newFieldWriter(encoding, 112+len(x.FunctionID)+len(x.Function)+inlined(args))
	f.octet(KindCode(x.Kind))
	f.text(x.FunctionID)
	f.text(x.Function)
	f.count(x.Version)
	f.time(x.Created)
	f.number(int64(x.Retries))
	f.request(requestOf(x, id))
	if encoding == EncodingFields6 {
		f.kept(k)
	}
	f.count(uint64(len(args)))
	if len(args) <= InlineSize {
		f.rest(args)
	}
	return f.value
}

// DecodeAccepted decodes what EncodeAccepted returns.
func DecodeAccepted(value []byte) (r Accepted, err error) {
	f := newFieldReader(value, EncodingFields, EncodingFields3, EncodingFields6)
	r.kind = word(f, Kinds[:])
	r.FunctionID = f.text()
	r.Function = f.text()
	r.version = f.count()
	r.created = f.time()
	r.retries = f.int()
	r.request = f.request()
	r.kept = f.kept()
	r.ArgsSize = f.count()
	r.InlineArgs = f.inline(r.ArgsSize)
	return r, f.end()
}

// Failures counts the failed attempts of an execution.
type Failures struct {
	function, platform int
	lost               int // attempts that ended with the server process
}

// FailuresOf returns the counts of an execution.
func FailuresOf(x *runtime.Execution) Failures {
	return Failures{x.FunctionFailures, x.PlatformFailures, x.LostAttempts}
}

func (n Failures) apply(x *runtime.Execution) {
	x.FunctionFailures, x.PlatformFailures, x.LostAttempts = n.function, n.platform, n.lost
}

func (f *fieldWriter) failures(n Failures) {
	f.number(int64(n.function))
	f.number(int64(n.platform))
	f.number(int64(n.lost))
}

// failures reads the counts. Before EncodingFields2, an execution that was done had platform
// failures and lost attempts in one number.
func (f *fieldReader) failures() Failures {
	n := Failures{function: f.int(), platform: f.int()}
	if f.encoding != EncodingFields {
		n.lost = f.int()
	}
	return n
}

// unfinishedFailures reads the counts of an execution that is not done. Before EncodingFields2, its
// second number counted lost attempts alone.
func (f *fieldReader) unfinishedFailures() Failures {
	n := f.failures()
	if f.encoding == EncodingFields {
		n.platform, n.lost = 0, n.platform
	}
	return n
}

// usualSuspicion returns the suspicion of an execution that has lost attempts as most do: without a
// probation. Its record needs no field for it. Records of releases without suspicion are read so.
func usualSuspicion(n Failures) runtime.Suspicion {
	return runtime.Suspicion{Losses: uint8(min(max(n.lost, 0), math.MaxUint8))}
}

// attemptEncoding returns the encoding of an attempt.
func attemptEncoding(s runtime.Suspicion, n Failures) byte {
	if s == usualSuspicion(n) {
		return EncodingFields2
	}
	return EncodingFields4
}

func (f *fieldWriter) suspicion(s runtime.Suspicion, n Failures) {
	if s != usualSuspicion(n) {
		f.octet(s.Losses)
		f.octet(s.Stretch)
		f.octet(s.Charges)
		f.octet(byte(s.Probation))
	}
}

func (f *fieldReader) suspicion(n Failures) runtime.Suspicion {
	if f.encoding != EncodingFields4 {
		return usualSuspicion(n)
	}
	s := runtime.Suspicion{Losses: f.octet(), Stretch: f.octet(), Charges: f.octet(), Probation: runtime.Probation(f.octet())}
	if s.Probation > runtime.ProbationBeside || s == usualSuspicion(n) {
		f.fail()
	}
	return s
}

// Lease is the record of a running execution, in addition to Accepted.
type Lease struct {
	Function string
	Attempt  int
	Started  time.Time
	Failures Failures
	Cancel   bool // a cancellation was requested; the record was then written a second time
	ArgsSize uint64
	// Suspicion has a Probation if the run is a suspect.
	Suspicion runtime.Suspicion
}

// Encode returns the encoded record.
func (r Lease) Encode() []byte {
	f := newFieldWriter(attemptEncoding(r.Suspicion, r.Failures), 32+len(r.Function))
	f.text(r.Function)
	f.number(int64(r.Attempt))
	f.time(r.Started)
	f.failures(r.Failures)
	f.flag(r.Cancel)
	f.count(r.ArgsSize)
	f.suspicion(r.Suspicion, r.Failures)
	return f.value
}

// DecodeLease decodes what Lease.Encode returns.
func DecodeLease(value []byte) (r Lease, err error) {
	f := newFieldReader(value, EncodingFields, EncodingFields2, EncodingFields4)
	r.Function = f.text()
	r.Attempt = f.int()
	r.Started = f.time()
	r.Failures = f.unfinishedFailures()
	r.Cancel = f.flag()
	r.ArgsSize = f.count()
	r.Suspicion = f.suspicion(r.Failures)
	return r, f.end()
}

// Waiting is the record of a queued execution that has run before, in addition to Accepted.
type Waiting struct {
	Attempt   int
	Failures  Failures
	NotBefore time.Time
	LogsSize  uint64 // encoded size of the latest attempt's logs; 0: it wrote nothing
	Suspicion runtime.Suspicion
}

// Encode returns the encoded record.
func (r Waiting) Encode() []byte {
	f := newFieldWriter(attemptEncoding(r.Suspicion, r.Failures), 24)
	f.number(int64(r.Attempt))
	f.failures(r.Failures)
	f.time(r.NotBefore)
	f.count(r.LogsSize)
	f.suspicion(r.Suspicion, r.Failures)
	return f.value
}

// DecodeWaiting decodes what Waiting.Encode returns.
func DecodeWaiting(value []byte) (r Waiting, err error) {
	f := newFieldReader(value, EncodingFields, EncodingFields2, EncodingFields4)
	r.Attempt = f.int()
	r.Failures = f.unfinishedFailures()
	r.NotBefore = f.time()
	if f.encoding != EncodingFields {
		r.LogsSize = f.count()
	}
	r.Suspicion = f.suspicion(r.Failures)
	return r, f.end()
}

// ApplyArgs sets what an execution knows of its args, and of the execution that it repeats.
func (r Accepted) ApplyArgs(x *runtime.Execution) {
	x.ArgsSize, x.DropArgs = int(min(r.ArgsSize, math.MaxInt)), r.kept.dropArgs
	x.RerunOf, x.Pinned = r.kept.rerunOf, r.kept.pinned
}

// KeepsArgs reports whether the args stay stored after the end.
func (r Accepted) KeepsArgs() bool {
	return runtime.KeepsArgs(int(min(r.ArgsSize, math.MaxInt)), r.kept.dropArgs)
}

// Task returns the task that the execution is, nil if it is none.
func (r Accepted) Task() *runtime.TaskRef { return r.request.task }

// Execution returns the execution that the records describe; it is not done.
func (r Accepted) Execution(tenant runtime.Tenant, id keys.ID, a Attempt) runtime.Execution {
	x := runtime.Execution{
		ID:         id.String(),
		Tenant:     tenant,
		Kind:       r.kind,
		FunctionID: r.FunctionID,
		Function:   r.Function,
		Version:    r.version,
		State:      runtime.StateQueued,
		Created:    r.created,
		Retries:    r.retries,
	}
	r.request.apply(&x, id)
	x.Caller.ParentSpan, x.Caller.Sampled = r.kept.span, r.kept.sampled
	r.ApplyArgs(&x)
	switch lease, waiting := a.Lease, a.Waiting; {
	case lease != nil:
		x.State = runtime.StateRunning
		x.Attempt, x.Started = lease.Attempt, lease.Started
		lease.Failures.apply(&x)
		x.Suspicion = lease.Suspicion
		if lease.Cancel {
			x.State, x.CancelRequested = runtime.StateCancelling, true
		}
	case waiting != nil:
		x.Attempt, x.NotBefore = waiting.Attempt, waiting.NotBefore
		waiting.Failures.apply(&x)
		x.Suspicion = waiting.Suspicion
	}
	return x
}

func inlined(data []byte) int {
	if len(data) > InlineSize {
		return 0
	}
	return len(data)
}

// inline returns a copy of the data if it is stored in the record itself.
func (f *fieldReader) inline(size uint64) []byte {
	if size == 0 || size > InlineSize {
		return nil
	}
	return bytes.Clone(f.view(size))
}

// Attempt is the state of an execution that is not done. It has a lease during an attempt, and a
// waiting record between attempts.
type Attempt struct {
	Lease   *Lease
	Waiting *Waiting
}
