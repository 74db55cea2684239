//go:build linux

package process

import (
	"encoding/json"
	"fmt"
	"strings"
)

const (
	// EchoCode is a function that returns its argument n and the square of n.
	EchoCode = `def main(args, context): return {"n": args["n"], "square": args["n"] ** 2}`
	// SleepCode is a function that sleeps for the argument seconds and returns n.
	SleepCode = `import time
def main(args, context):
    time.sleep(args["seconds"])
    return args["n"]`
	// WorkCode is a function that computes for the argument seconds and returns n. Unlike one that
	// sleeps, it keeps all memory that it may use.
	WorkCode = `import time
def main(args, context):
    end = time.monotonic() + args["seconds"]
    while time.monotonic() < end: pass
    return args["n"]`
)

// NumberedArgs returns the args of n runs: {"n":0} and so on.
func NumberedArgs(n int) []string {
	args := make([]string, n)
	for i := range args {
		args[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	return args
}

// SleepArgs returns the args of n runs of SleepCode or WorkCode.
func SleepArgs(n int, seconds float64) []string {
	args := make([]string, n)
	for i := range args {
		args[i] = fmt.Sprintf(`{"n":%d,"seconds":%g}`, i, seconds)
	}
	return args
}

// JSONArray returns a JSON array of JSON texts.
func JSONArray(texts []string) string { return "[" + strings.Join(texts, ",") + "]" }

// FunctionJSON returns the body of a request that creates or updates a function. An empty name is
// left out; further fields are in pairs of name and value.
func FunctionJSON(name, code string, fields ...any) string {
	f := map[string]any{"code": code}
	if name != "" {
		f["name"] = name
	}
	for i := 0; i+1 < len(fields); i += 2 {
		f[fields[i].(string)] = fields[i+1]
	}
	text, err := json.Marshal(f)
	if err != nil {
		panic(err) // the test's own values
	}
	return string(text)
}
