package faaspot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

const (
	codeHint         = "send Python source that defines main(args, context)"
	requirementsHint = "use Python's standard library, or put the code of pure Python packages into the function; leave requirements empty"
)

// functionBody is the body of a create or update. A member that the request does not have is
// nil.
type functionBody struct {
	name    *string
	code    []byte
	context json.RawMessage
	timeout *time.Duration
	memory  *int64 // bytes
	retries *int
	allow   []string
	// keepArgs says whether args are kept.
	keepArgs *bool
}

// fields returns the names of the members that the body has.
func (b *functionBody) fields() (names []string) {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"name", b.name != nil},
		{"code", b.code != nil},
		{"context", b.context != nil},
		{"timeout", b.timeout != nil},
		{"memory", b.memory != nil},
		{"retries", b.retries != nil},
		{"allow", b.allow != nil},
		{"keep_args", b.keepArgs != nil},
	} {
		if f.set {
			names = append(names, f.name)
		}
	}
	return names
}

// update returns the update of a function that the body asks for.
func (b *functionBody) update(tenant runtime.Tenant, name string) runtime.FunctionUpdate {
	return runtime.FunctionUpdate{
		Tenant: tenant, Name: name, NewName: b.name, Source: b.code, Context: b.context, Timeout: b.timeout, Memory: b.memory,
		Retries: b.retries, Allow: b.allow, KeepArgs: b.keepArgs,
	}
}

// parseFunctionBody reads the body of a create or update. It ignores unknown members, of which
// FaaSpot's original clients send some.
func parseFunctionBody(contexts *contextReader, body []byte) (b functionBody, err error) {
	f, err := web.ReadFields(body)
	if err != nil {
		return b, err
	}
	return readFunctionBody(f, contexts)
}

// readFunctionBody reads the members of a body that describe a function.
func readFunctionBody(f *web.Fields, contexts *contextReader) (b functionBody, err error) {
	f.Quoted()
	enc, err := parseEncoding(f.Text("encoding"))
	if err != nil {
		f.Abort(err)
	}
	if name := ""; f.Read("name", "a string", &name) {
		b.name = &name
	}
	b.code = readCode(f, enc)
	b.context = contexts.read(f, enc)
	b.timeout = readTimeout(f)
	b.memory = readMemory(f)
	b.retries = readRetries(f)
	b.allow = readAllow(f)
	b.keepArgs = readKeepArgs(f)
	readRequirements(f)
	return b, f.Err()
}

func readCode(f *web.Fields, enc encoding) []byte {
	var text string
	if !f.Read("code", "a string", &text) {
		return nil
	}
	text, err := decodeText(text, enc)
	switch {
	case err != nil:
		f.Abort(memberError("code", err))
	case text == "":
		f.FailHint(codeHint, "code", "is empty")
	case len(text) > runtime.MaxSource:
		f.Abort(runtime.SourceTooLargeError(len(text)))
	}
	return []byte(text)
}

func (r *contextReader) read(f *web.Fields, enc encoding) json.RawMessage {
	raw := f.Take("context")
	if raw == nil {
		return nil
	}
	if raw[0] == '{' {
		return bytes.Clone(raw)
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		f.FailHint(contextHint, "context", "is neither a string nor an object")
		return nil
	}
	text, err := decodeText(text, enc)
	if err != nil {
		f.Abort(memberError("context", err))
		return nil
	}
	context, err := r.parse(text)
	if err != nil {
		f.Abort(err)
	}
	return context
}

func readTimeout(f *web.Fields) *time.Duration {
	var seconds float64
	if !f.Read("timeout", "a number", &seconds) {
		return nil
	}
	const lowest, highest = runtime.MinTimeout, runtime.MaxTimeout
	// The check comes before the conversion: the number may be too large for a Duration.
	if seconds < lowest.Seconds() || seconds > highest.Seconds() {
		f.FailHint(runtime.TimeoutHint, "timeout", "of %g seconds is out of bounds", seconds)
		return nil
	}
	d := time.Duration(seconds * float64(time.Second))
	return &d
}

func readMemory(f *web.Fields) *int64 {
	var mb float64
	if !f.Read("memory", "a number", &mb) {
		return nil
	}
	const lowest, highest = runtime.MinMemory / runtime.MiB, runtime.MaxMemory / runtime.MiB
	if mb < lowest || mb > highest {
		f.FailHint(runtime.MemoryHint, "memory", "of %g MB is out of bounds", mb)
		return nil
	}
	n := int64(mb * runtime.MiB)
	return &n
}

func readRetries(f *web.Fields) *int {
	var number float64
	if !f.Read("retries", "a number", &number) {
		return nil
	}
	n := int(max(-1, min(number, runtime.MaxRetries+1))) // the number may be too large for an int
	if float64(n) != number || n < 0 || n > runtime.MaxRetries {
		f.FailHint(fmt.Sprintf("give a whole number between 0 and %d", runtime.MaxRetries), "retries", "of %g is out of bounds", number)
		return nil
	}
	return &n
}

// readAllow reads an allow list: nil if there is none, not nil if it is empty.
func readAllow(f *web.Fields) []string {
	elements := f.Array("allow")
	if elements == nil {
		return nil
	}
	rules := make([]string, min(len(elements), runtime.MaxAllow+1)) // one more than there may be
	for i := range rules {
		rule, ok := web.Unquote(elements[i])
		if !ok {
			f.Fail("allow", "is not an array of strings")
			return nil
		}
		rules[i] = string(rule)
	}
	if _, err := runtime.ParseAllow(rules); err != nil {
		f.Abort(memberError("allow", err))
	}
	return rules
}

// readKeepArgs reads a flag, which is a text in a query: nil if there is none.
func readKeepArgs(f *web.Fields) *bool {
	raw := f.Take("keep_args")
	if raw == nil {
		return nil
	}
	keep, err := strconv.ParseBool(string(bytes.Trim(raw, `"`)))
	if err != nil {
		f.Fail("keep_args", "is not true or false")
		return nil
	}
	return &keep
}

// readRequirements refuses requests for third-party packages, which FaaSpot's original clients
// may send: a deploy without them would fail at the first import.
func readRequirements(f *web.Fields) {
	raw := f.Take("requirements")
	if raw == nil {
		return
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) == nil {
			if s, err := decodeText(s, encodingAuto); err == nil && len(bytes.TrimSpace([]byte(s))) == 0 {
				return
			}
		}
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) == nil && len(list) == 0 {
			return
		}
	}
	f.FailHint(requirementsHint, "requirements", "requests third-party packages, which functions cannot use")
}

// memberError prefixes an error about a member with the name of the member.
func memberError(name string, err error) error {
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		named := *e
		named.Message = strconv.Quote(name) + ": " + e.Message
		return &named
	}
	return err
}

// idsIn reads a JSON array of ids, or an object that has that array as text in its member
// tasks, as FaaSpot's original clients send it.
func idsIn(body []byte) ([]string, error) {
	const hint = "send an array of execution ids"
	body, err := arrayIn(body, "tasks", hint)
	if err != nil {
		return nil, err
	}
	var ids []string
	if err := json.Unmarshal(body, &ids); err != nil {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the body is not a JSON array of strings").WithHint(hint)
	}
	return ids, nil
}

// argsIn splits a JSON array of args, or an object that has that array as text in its member
// values, as FaaSpot's original clients send it. The engine checks that each element is an
// object.
func argsIn(body []byte) ([][]byte, error) {
	const hint = "send an array of objects, one for each run"
	body, err := arrayIn(body, "values", hint)
	if err != nil {
		return nil, err
	}
	elements, ok := web.SplitArray(body, runtime.MaxBulk)
	if !ok {
		if wrong := web.CheckText(body); wrong != nil {
			return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the body is not a JSON array: %v", wrong).WithHint(hint)
		}
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the body is not a JSON array").WithHint(hint)
	}
	args := make([][]byte, len(elements))
	for i, element := range elements {
		args[i] = element
	}
	return args, nil
}

// arrayIn returns the text of an array: the body itself, or a member if the body is an object. It
// overwrites the body with the member, which may have most of 64 MiB.
func arrayIn(body []byte, member, hint string) ([]byte, error) {
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return body, nil
	}
	f, err := web.ReadFields(body)
	if err != nil {
		return nil, err
	}
	text, ok := web.Unquote(f.Take(member))
	if !ok {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the body is an object without a string %q", member).WithHint(hint)
	}
	return text, nil
}
