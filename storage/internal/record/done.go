package record

import (
	"fmt"
	"math"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
)

// Done is an execution that is done. Its result and logs are inline or in records of their own,
// depending on their sizes.
type Done struct {
	runtime.Execution
	ResultBytes  uint64
	LogsBytes    uint64 // encoded size; 0: there are none
	InlineResult []byte // the result if ResultBytes is at most InlineSize
	InlineLogs   []byte // the encoded logs if LogsBytes is at most InlineSize
	InlineArgs   []byte // the args if they are kept and have at most InlineSize bytes
}

// EncodeDone returns the record of an execution, and its encoded logs.
func EncodeDone(x *runtime.Execution, id keys.ID) (value, logs []byte) {
	logs = EncodeLogs(x.Logs)
	encoding := byte(EncodingFields3)
	switch { // earlier releases read all other executions
	case x.ArgsSize > 0 || x.RerunOf != "" || x.Pinned:
		encoding = EncodingFields6
	case len(x.Egress) > 0:
		encoding = EncodingFields5
	}
	f := newFieldWriter(encoding, 208+len(x.FunctionID)+len(x.Function)+inlined(x.Result)+inlined(logs)+inlined(x.Args))
	f.octet(KindCode(x.Kind))
	f.octet(StateCode(x.State))
	f.text(x.FunctionID)
	f.text(x.Function)
	f.count(x.Version)
	f.time(x.Created)
	f.time(x.Started)
	f.time(x.Finished)
	f.number(int64(x.Attempt))
	f.number(int64(x.Retries))
	f.failures(FailuresOf(x))
	f.flag(x.CancelRequested)
	f.request(requestOf(x, id))
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
	if encoding != EncodingFields3 {
		f.egress(x.Egress)
	}
	if encoding == EncodingFields6 {
		f.kept(kept{dropArgs: x.ArgsSize > 0 && !x.KeepsArgs(), rerunOf: x.RerunOf, pinned: x.Pinned})
		f.count(uint64(x.ArgsSize))
	}
	f.count(uint64(len(x.Result)))
	f.count(uint64(len(logs)))
	if len(x.Result) <= InlineSize {
		f.rest(x.Result)
	}
	if len(logs) <= InlineSize {
		f.rest(logs)
	}
	if encoding == EncodingFields6 && x.KeepsArgs() && x.ArgsSize <= InlineSize {
		f.rest(x.Args)
	}
	return f.value, logs
}

func (f *fieldWriter) egress(all []runtime.Egress) {
	f.count(uint64(len(all)))
	for i := range all {
		e := &all[i]
		f.text(e.Network)
		f.text(e.Host)
		f.count(uint64(e.Port))
		f.number(int64(e.Connections))
		f.number(e.Sent)
		f.number(e.Received)
		f.number(int64(e.Duration))
	}
}

func (f *fieldReader) egress() []runtime.Egress {
	n := f.count()
	if n == 0 && f.encoding == EncodingFields6 {
		return nil
	}
	if n == 0 || n > uint64(len(f.left)) { // each has some bytes
		f.fail()
		return nil
	}
	all := make([]runtime.Egress, 0, min(n, runtime.MaxEgress+1))
	for range n {
		e := runtime.Egress{Network: f.text(), Host: f.text()}
		port := f.count()
		e.Port, e.Connections, e.Sent, e.Received, e.Duration = uint16(port), f.int(), f.number(), f.number(), time.Duration(f.number())
		if port > math.MaxUint16 {
			f.fail()
		}
		if f.err != nil {
			return nil
		}
		all = append(all, e)
	}
	return all
}

// DecodeEnded decodes what statistics count of the record of an execution that is done: its kind, state,
// function, times and duration. It costs a part of DecodeDone.
func DecodeEnded(value []byte) (x runtime.Execution, err error) {
	f := newFieldReader(value, EncodingFields, EncodingFields2, EncodingFields3, EncodingFields5, EncodingFields6)
	x.Kind = word(f, Kinds[:])
	x.State = word(f, States[:])
	f.bytes() // the id of the function
	x.Function = f.text()
	f.count() // its version
	x.Created = f.time()
	x.Started = f.time()
	x.Finished = f.time()
	f.number() // the attempt
	f.number() // retries
	f.failures()
	f.flag() // whether it was to be cancelled
	f.skipRequest()
	x.Usage.Duration = time.Duration(f.number())
	return x, f.err
}

// doneArgs reads what became of the args of an execution that is done.
func (f *fieldReader) doneArgs(x *runtime.Execution) {
	if f.encoding != EncodingFields6 {
		return
	}
	k, size := f.kept(), f.count()
	if size > math.MaxInt || size == 0 && k.rerunOf == "" && !k.pinned {
		f.fail()
		return
	}
	x.ArgsSize, x.DropArgs, x.RerunOf, x.Pinned = int(size), k.dropArgs, k.rerunOf, k.pinned
	if size > 0 && !k.dropArgs && !x.KeepsArgs() {
		f.fail()
	}
}

// DecodeDone decodes the record of an execution that is done.
func DecodeDone(tenant runtime.Tenant, id keys.ID, value []byte) (r Done, err error) {
	f := newFieldReader(value, EncodingFields, EncodingFields2, EncodingFields3, EncodingFields5, EncodingFields6)
	x := &r.Execution
	x.ID, x.Tenant = id.String(), tenant
	x.Kind = word(f, Kinds[:])
	x.State = word(f, States[:])
	x.FunctionID = f.text()
	x.Function = f.text()
	x.Version = f.count()
	x.Created = f.time()
	x.Started = f.time()
	x.Finished = f.time()
	x.Attempt = f.int()
	x.Retries = f.int()
	f.failures().apply(x)
	x.CancelRequested = f.flag()
	f.request().apply(x, id)
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
	if f.encoding == EncodingFields5 || f.encoding == EncodingFields6 {
		x.Egress = f.egress()
	}
	f.doneArgs(x)
	r.ResultBytes = f.count()
	r.LogsBytes = f.count()
	r.InlineResult = f.inline(r.ResultBytes)
	r.InlineLogs = f.inline(r.LogsBytes)
	if x.KeepsArgs() {
		r.InlineArgs = f.inline(uint64(x.ArgsSize))
	}
	if r.ResultBytes > math.MaxInt {
		f.fail()
	}
	x.ResultSize = int(r.ResultBytes)
	x.Result = r.InlineResult
	if err := f.end(); err != nil {
		return Done{}, fmt.Errorf("execution %s of tenant %q: %w", id, tenant, err)
	}
	return r, nil
}
