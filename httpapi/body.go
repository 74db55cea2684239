package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// functionBody is the body of a create or update. What was not sent is nil.
type functionBody struct {
	name    *string
	code    []byte
	context json.RawMessage
	timeout *time.Duration
	memory  *int64 // bytes
	retries *int
}

// parseFunctionBody reads the body of a create or update. Members that it does
// not know are ignored: clients of old send some.
func parseFunctionBody(body []byte) (functionBody, error) {
	members, err := parseObject(body)
	if err != nil {
		return functionBody{}, err
	}
	var b functionBody
	enc := encodingAuto
	if s, ok, err := stringMember(members, "encoding"); err != nil {
		return b, err
	} else if ok {
		if enc, err = parseEncoding(s); err != nil {
			return b, err
		}
	}
	if s, ok, err := stringMember(members, "name"); err != nil {
		return b, err
	} else if ok {
		b.name = &s
	}
	if b.code, err = codeMember(members, enc); err != nil {
		return b, err
	}
	if b.context, err = contextMember(members, enc); err != nil {
		return b, err
	}
	if b.timeout, err = timeoutMember(members); err != nil {
		return b, err
	}
	if b.memory, err = memoryMember(members); err != nil {
		return b, err
	}
	if b.retries, err = retriesMember(members); err != nil {
		return b, err
	}
	return b, checkRequirements(members["requirements"])
}

func codeMember(members map[string]json.RawMessage, enc encoding) ([]byte, error) {
	s, ok, err := stringMember(members, "code")
	if err != nil || !ok {
		return nil, err
	}
	if s, err = decodeText(s, enc); err != nil {
		return nil, fieldError("code", err)
	}
	if s == "" {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, `"code" is empty`).WithHint(codeHint)
	}
	if len(s) > runtime.MaxSource {
		return nil, runtime.Errorf(runtime.CodeTooLarge, "the code has %d bytes; at most %d are allowed", len(s), runtime.MaxSource)
	}
	return []byte(s), nil
}

const codeHint = "send Python source that defines main(args, context)"

func contextMember(members map[string]json.RawMessage, enc encoding) (json.RawMessage, error) {
	raw := members["context"]
	if isNull(raw) {
		return nil, nil
	}
	if raw[0] == '{' {
		return bytes.Clone(raw), nil
	}
	s, _, err := stringMember(members, "context")
	if err != nil {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, `"context" is neither a string nor an object`).WithHint(contextHint)
	}
	if s, err = decodeText(s, enc); err != nil {
		return nil, fieldError("context", err)
	}
	return parseContext(s)
}

func timeoutMember(members map[string]json.RawMessage) (*time.Duration, error) {
	seconds, ok, err := numberMember(members, "timeout")
	if err != nil || !ok {
		return nil, err
	}
	// In this order a number too large for a Duration is not converted.
	if seconds < runtime.MinTimeout.Seconds() || seconds > runtime.MaxTimeout.Seconds() {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, `"timeout" of %g seconds is out of bounds`, seconds).
			WithHint(fmt.Sprintf("give between %g and %g seconds", runtime.MinTimeout.Seconds(), runtime.MaxTimeout.Seconds()))
	}
	d := time.Duration(seconds * float64(time.Second))
	return &d, nil
}

func memoryMember(members map[string]json.RawMessage) (*int64, error) {
	mb, ok, err := numberMember(members, "memory")
	if err != nil || !ok {
		return nil, err
	}
	const lowest, highest = runtime.MinMemory / runtime.MiB, runtime.MaxMemory / runtime.MiB
	if mb < lowest || mb > highest {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, `"memory" of %g MB is out of bounds`, mb).
			WithHint(fmt.Sprintf("give between %d and %d MB", lowest, highest))
	}
	n := int64(mb * runtime.MiB)
	return &n, nil
}

func retriesMember(members map[string]json.RawMessage) (*int, error) {
	number, ok, err := numberMember(members, "retries")
	if err != nil || !ok {
		return nil, err
	}
	n := int(max(-1, min(number, runtime.MaxRetries+1))) // in this order a number too large for an int is not converted
	if float64(n) != number || n < 0 || n > runtime.MaxRetries {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, `"retries" of %g is out of bounds`, number).
			WithHint(fmt.Sprintf("give a whole number between 0 and %d", runtime.MaxRetries))
	}
	return &n, nil
}

// checkRequirements answers bodies of old that ask for third-party packages:
// deploying without them would only move the error to the first import.
func checkRequirements(raw json.RawMessage) error {
	switch {
	case isNull(raw):
		return nil
	case raw[0] == '"':
		var s string
		if json.Unmarshal(raw, &s) == nil {
			if s, err := decodeText(s, encodingAuto); err == nil && len(bytes.TrimSpace([]byte(s))) == 0 {
				return nil
			}
		}
	case raw[0] == '[':
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) == nil && len(list) == 0 {
			return nil
		}
	}
	return runtime.Errorf(runtime.CodeInvalidArgument, `"requirements" asks for third-party packages, which functions cannot have`).
		WithHint("use Python's standard library, or put the code of pure Python packages into the function; leave requirements empty")
}

// parseObject splits a JSON object into its members.
func parseObject(body []byte) (map[string]json.RawMessage, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, runtime.Errorf(runtime.CodeInvalidArgument, "the body is empty").WithHint("send a JSON object")
	}
	if err := checkObject(body); err != nil {
		return nil, bodyError(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, bodyError(err)
	}
	return members, nil
}

func bodyError(err error) error {
	e := runtime.Errorf(runtime.CodeInvalidArgument, "the body is not a valid JSON object: %v", err).WithHint("send a JSON object in UTF-8")
	if t, ok := errors.AsType[*textError](err); ok {
		e.Line = t.Line
	}
	return e
}

func fieldError(field string, err error) error {
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		named := *e
		named.Message = strconv.Quote(field) + ": " + e.Message
		return &named
	}
	return err
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// stringMember gets a member that must be a string; ok is false if it is
// absent or null.
func stringMember(members map[string]json.RawMessage, key string) (s string, ok bool, err error) {
	raw := members[key]
	if isNull(raw) {
		return "", false, nil
	}
	if json.Unmarshal(raw, &s) != nil {
		return "", false, runtime.Errorf(runtime.CodeInvalidArgument, "%q is not a string", key)
	}
	return s, true, nil
}

// numberMember gets a member that must be a number; ok is false if it is
// absent or null.
func numberMember(members map[string]json.RawMessage, key string) (n float64, ok bool, err error) {
	raw := members[key]
	if isNull(raw) {
		return 0, false, nil
	}
	if json.Unmarshal(raw, &n) != nil {
		return 0, false, runtime.Errorf(runtime.CodeInvalidArgument, "%q is not a number", key)
	}
	return n, true, nil
}
