package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// hostile is what a function prints, raises or returns to take over the terminal of its caller: it
// changes the title, writes the clipboard, erases the screen, moves the cursor, and reorders text. It
// also has a colour that this program does not use.
const hostile = "boo \x1b]0;PWNED\x07\x1b]52;c;eA==\x1b\\\x1b[2J\x1b[1A\x1b[2K\u009b2J\u202e\x7f\r\b\x1b[35mhidden"

// hostileCalls has a call of each command that talks to a server, by its path.
var hostileCalls = map[string][]string{
	"functions create":   {"f", "--file", "f.py"},
	"functions update":   {"f", "--file", "f.py"},
	"functions apply":    {"f", "--file", "f.py"},
	"functions delete":   {"f", "--yes"},
	"functions pause":    {"f"},
	"functions resume":   {"f"},
	"functions get":      {"f"},
	"functions list":     {},
	"functions run":      {"f", "--wait"},
	"functions run_bulk": {"f", "-p", "a=1", "--wait"},
	"executions list":    {"-i"},
	"executions search":  {"--function", "f"},
	"executions get":     {anyID, "--wait"},
	"executions get_bulk": {
		"-u", anyID,
	},
	"executions rerun":  {anyID, "--wait"},
	"executions cancel": {anyID},
	"executions logs":   {anyID},
	"operations list":   {},
	"operations get":    {anyID},
	"operations cancel": {anyID},
	"bulk wait":         {anyTrace},
	"bulk cancel":       {anyTrace},
	"jobs apply":        {"-f", "job.toml"},
	"jobs list":         {},
	"jobs get":          {"j"},
	"jobs delete":       {"j", "--yes"},
	"jobs run":          {"j", "--wait"},
	"jobs trigger":      {"j", "now"},
	"jobs executions":   {"j", "x"},
	"jobs tasks":        {"j", "x"},
	"jobs logs":         {"j", "x"},
	"jobs rerun":        {"j", "x", "--wait"},
	"jobs cancel":       {"j", "x"},
	"jobs revisions":    {"j"},
	"jobs rollback":     {"j", "1"},
	"dlq list":          {},
	"dlq show":          {anyID},
	"dlq redrive":       {"--all"},
	"dlq purge":         {"--all", "--yes"},
	"admin df":          {},
	"doctor":            {},
	"tenants create":    {"t"},
	"tenants list":      {},
	"tenants get":       {"t"},
	"tenants update":    {"t", "--runs", "1"},
	"tenants usage":     {"t"},
	"tenants delete":    {"t", "--yes", "--no-wait"},
	"audit list":        {},
	"workers list":      {},
	"tokens create":     {"t", "--scope", "read"},
	"tokens list":       {},
	"tokens get":        {anyID},
	"tokens rotate":     {anyID},
	"tokens delete":     {anyID, "--yes"},
	"version":           {},
	"whoami":            {},
	"login":             {"--token", "t", "--name", "other"},
	"bench":             {"f", "-n", "2"},
	"logs":              {"f"},
	"describe":          {"f"},
	"top":               {"--interval", "0.2"},
	"ready":             {"--attempts", "1"},
	"run":               {"f.py"},
	"history":           {"f"},
	"diff":              {"f"},
	"rollback":          {"f", "1"},
	"open":              {},
	"secrets set":       {"f", "FAASPOT_CONFIG", "--from-env"},
	"secrets list":      {"f"},
	"secrets rm":        {"f", "a"},
	"secrets import":    {"f", "s.json"},
	"deploy":            {"app", "--name", "f", "--memory", "256"},
}

const anyTrace = "019aa8f093c17d1ea1f76d1b7f3c52b4"

// silentCommands print nothing that comes from a server.
var silentCommands = []string{
	"serve", "engine", "cluster", "dev", "man", "spawner", "worker", "init", "functions samples", "packages", "auth token", "secrets rotate", "mcp",
	"admin restore", "admin verify", "admin backup", "profiles", "completion", "help", "exit-codes", "environment",
}

// TestHostileOutput runs each command on a terminal, against servers whose every text is hostile.
// Nothing but text and, in logs, colours reaches the terminal.
func TestHostileOutput(t *testing.T) {
	if testing.Short() {
		t.Skip("the parser is tested in package ui")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "app"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"s.json": `{"a":1}`, "app/main.py": "def main(args, context): pass\n", "f.py": "def main(args, context): pass\n", "job.toml": "name = \"j\"\nfunction = \"f\"\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	servers := map[string]http.HandlerFunc{"data": hostileData, "errors": hostileErrors}
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		path := strings.TrimPrefix(c.CommandPath(), "fas ")
		if c.HasSubCommands() {
			for _, sub := range c.Commands() {
				visit(sub)
			}
			return
		}
		call, ok := hostileCalls[path]
		if !ok {
			for _, silent := range silentCommands {
				if path == silent || strings.HasPrefix(path, silent+" ") {
					return
				}
			}
			t.Errorf("hostileCalls has no call of %q", path)
			return
		}
		words := append(strings.Fields(path), call...)
		for kind, handler := range servers {
			for _, flags := range [][]string{nil, {"--json"}, {"--raw"}, {"--output"}, {"--code"}, {"--body"}, {"--stream", "stderr"}, {"-f"}, {"-vvv"}} {
				if len(flags) > 0 && flags[0] != "-vvv" && !hasFlag(c, flags[0]) {
					continue
				}
				args := append(words[:len(words):len(words)], flags...)
				t.Run(kind+"/"+strings.Join(args, " "), func(t *testing.T) {
					web := httptest.NewServer(once(handler))
					defer web.Close()
					shown := onTerminal(t, []string{"FAASPOT_CONFIG=" + profileFor(t, web.URL)}, args...)
					checkShown(t, shown, strings.HasSuffix(path, "logs") || path == "run")
				})
			}
		}
	}
	visit(newRoot(&app{}))
}

func hasFlag(c *cobra.Command, flag string) bool {
	name := strings.TrimLeft(flag, "-")
	return c.Flags().Lookup(name) != nil || len(name) == 1 && c.Flags().ShorthandLookup(name) != nil && c.Flags().ShorthandLookup(name).Value.Type() == "bool"
}

// ours matches the sequences of this program: its three colours, and those of its status line.
var ours = regexp.MustCompile("\x1b\\[(31|32|33|36|0)m|\x1b\\[[KJ]|\x1b\\[[0-9]+A\r|\r")

// anyColour matches any colour.
var anyColour = regexp.MustCompile("\x1b\\[[0-9;:]*m")

func checkShown(t *testing.T, shown string, isLog bool) {
	t.Helper()
	if shown == "" || strings.Contains(shown, "not what was expected") {
		t.Errorf("the command printed none of the data: %q", shown)
	}
	rest := ours.ReplaceAllString(shown, "")
	if isLog {
		rest = anyColour.ReplaceAllString(rest, "")
	}
	for _, r := range rest {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			t.Fatalf("%U reached the terminal: %q", r, shown)
		}
	}
}

// onTerminal runs a command whose output and errors go to a terminal, and returns what that got.
func onTerminal(t *testing.T, env []string, args ...string) string {
	t.Helper()
	master, slave := openTerminal(t)
	shown := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(master) // ends with an error when the other side is closed
		shown <- all
	}()
	run(args, strings.NewReader(""), slave, slave, env)
	slave.Close()
	all := <-shown
	master.Close()
	return string(all)
}

// openTerminal returns both sides of a terminal of 100 columns that passes bytes unchanged.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("this machine has no pseudo-terminals: ", err)
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// once returns a handler that answers the first request of a command that goes on until Ctrl-C as handler
// does, and refuses the others, which ends it.
func once(handler http.HandlerFunc) http.HandlerFunc {
	var streams, stats atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimSuffix(r.URL.Path, "/")
		again := path == "/v1/executions" && r.URL.Query().Has("follow") && streams.Add(1) > 1 || path == "/v1/stats" && stats.Add(1) > 1
		if again {
			handler = hostileErrors
		}
		handler(w, r)
	}
}

// hostileErrors refuses every request.
func hostileErrors(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Note", "a\tb")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"message": hostile, "error_code": "function_error", "server_traceback": "Traceback\n" + hostile + "\n", "hint": hostile, "error_id": hostile,
	})
}

// hostileData answers every request with the data that it asks for.
func hostileData(w http.ResponseWriter, r *http.Request) {
	const at = "2017-07-21T15:10:52.5Z"
	const when = "2017-07-21 15:10:52.537686+00:00"
	type object map[string]any
	type list []any
	path := strings.TrimSuffix(r.URL.Path, "/")
	failure := object{"message": hostile, "error_code": hostile, "server_traceback": "Traceback\n" + hostile, "hint": hostile, "error_type": hostile}
	execution := object{
		"uuid": anyID, "name": hostile, "kind": hostile, "version": 1, "status": "Failed", "output": nil, "output_size": 1, "error": failure,
		"args": object{"x": hostile}, "args_size": 9, "rerun_of": hostile,
		"created": when, "started": when, "finished": when, "duration_ms": 0.5, "attempts": 1, "retries": 0, "logs_url": hostile,
		"trace_id": anyTrace, "user_id": hostile, "changed": true, "message": hostile,
	}
	function := object{
		"name": hostile, "rid": hostile, "runner_url": hostile, "version": 1, "created": when, "updated": when, "code": hostile, "encoding": "plain",
		"timeout": 1, "memory": 128, "retries": 0, "context_keys": list{hostile}, "imports_during_runs": list{hostile},
	}
	job := object{
		"metadata": object{"name": "j", "displayName": hostile, "labels": object{hostile: hostile}, "createdAt": at, "updatedAt": at, "createdBy": hostile, "rid": hostile, "url": hostile},
		"spec": object{
			"enabled": true, "function": hostile, "revision": object{"active": hostile},
			"runtime":  object{"envs": list{object{"name": hostile, "value": hostile}}},
			"triggers": list{object{"id": hostile, "type": hostile, "enabled": true, "configuration": object{"path": hostile, "callbackUrl": hostile, "callbackSecret": hostile}}},
		},
		"status": hostile,
	}
	task := object{
		"metadata": object{"name": "task-0", "createdAt": at, "startedAt": at, "completedAt": at}, "status": "failed", "execution": anyID,
		"conditions": list{object{"type": hostile, "state": "failed", "severity": "error", "reason": hostile, "executionReason": hostile, "message": hostile}},
	}
	jobExecution := object{
		"metadata": object{"id": "x", "job": "j", "uuid": hostile, "revision": hostile, "trigger": hostile, "traceId": hostile, "createdAt": at, "updatedAt": at, "completedAt": at},
		"spec":     object{"envOverride": hostile, "parallelism": 1}, "stats": object{"total": 1, "failure": 1}, "status": "failed", "tasks": list{task},
		"results": list{object{"index": 0, "status": hostile, "output": hostile}},
	}
	letter := object{
		"id": anyID, "job": hostile, "execution": hostile, "url": hostile, "created": when, "attempts": 1, "last_attempt": when, "last_status": 500,
		"last_error": hostile, "body_size": 1, "body": object{"text": hostile},
	}
	tenant := object{"name": hostile, "state": hostile, "created": when}
	token := object{
		"id": hostile, "name": hostile, "tenant": hostile, "scope": hostile, "functions": list{hostile}, "created": when, "created_by": hostile,
		"expires": when, "last_used": when, "previous_expires": when, "username": hostile, "token": hostile,
	}
	revision := object{"id": hostile, "active": true, "createdAt": at, "createdBy": hostile, "status": hostile}
	operation := object{
		"uuid": anyID, "kind": hostile, "state": hostile, "filter": object{"function": hostile, "status": list{hostile}, "trace_id": hostile}, "matched": 2, "failed": 1,
		"error": hostile, "created": when, "finished": when, "trace_id": hostile, "user_id": hostile,
	}
	var answer any
	switch {
	case path == "/readyz":
		answer = object{"status": hostile, "version": hostile}
	case path == "/console/ticket":
		answer = object{"ticket": hostile, "path": hostile, "expires": hostile}
	case path == "/v1/functions" && r.Method == http.MethodGet:
		answer = list{function}
	case path == "/v1/functions/f" && r.Method == http.MethodGet, strings.HasSuffix(path, "/pause"), strings.HasSuffix(path, "/resume"):
		answer = function
	case strings.HasSuffix(path, "/bulk_rpc"):
		answer = list{anyID}
	case strings.HasPrefix(path, "/v1/sync/"):
		answer = hostile
	case strings.HasSuffix(path, "/versions"):
		answer = list{object{"version": 1, "current": true, "created": when, "user_id": hostile, "name": hostile, "allow": list{hostile}, "code_bytes": 1}}
	case strings.HasSuffix(path, "/diff"):
		answer = object{
			"from": 1, "to": 2, "code": hostile, "settings": list{object{"name": hostile, "from": hostile, "to": object{hostile: hostile}}},
			"context": list{object{"name": hostile, "change": hostile}},
		}
	case path == "/v1/try":
		answer = object{"status": hostile, "output": hostile, "error": failure, "deploy_ms": 1, "duration_ms": 1, "entries": list{object{"stream": "stdout", "text": hostile}}}
	case strings.HasPrefix(path, "/v1/functions"):
		answer = anyID
	case strings.HasSuffix(path, "/logs") && strings.Contains(r.URL.RawQuery, "follow"):
		w.Header().Set("Content-Type", "text/event-stream")
		entry, _ := json.Marshal(object{"stream": "stdout", "text": hostile})
		end, _ := json.Marshal(execution)
		fmt.Fprintf(w, "event: attempt\ndata: {\"attempt\":2}\n\nevent: log\ndata: %s\n\nevent: end\ndata: %s\n\n", entry, end)
		return
	case strings.HasSuffix(path, "/logs") && strings.Contains(r.URL.RawQuery, "raw"):
		_, _ = io.WriteString(w, hostile+"\x9b2J\xff")
		return
	case strings.HasSuffix(path, "/logs"):
		answer = object{"uuid": hostile, "status": hostile, "attempt": 1, "entries": list{object{"stream": "stdout", "text": hostile}, object{"stream": "stderr", "text": hostile}}}
	case path == "/v1/operations" && r.Method == http.MethodGet:
		answer = list{operation}
	case strings.HasPrefix(path, "/v1/operations"):
		answer = operation
	case path == "/v1/executions" && r.URL.Query().Has("follow"):
		w.Header().Set("Content-Type", "text/event-stream")
		data, _ := json.Marshal(execution)
		fmt.Fprintf(w, "event: execution\ndata: %s\n\nevent: listed\ndata: {\"executions\":1}\n\nevent: skipped\ndata: {\"changes\":1}\n\n", data)
		return
	case path == "/v1/stats":
		runs := object{"count": 1, "failed": 1, "p50_ms": 1.5, "p99_ms": 2, "max_ms": 2, "function": hostile}
		answer = object{"from": when, "to": when, "total": runs, "functions": list{runs}, "queue": object{"queued": 1, "oldest_ms": 1}, "memory": object{"used": 1}}
	case path == "/v1/executions" || path == "/v1/executions/bulk":
		answer = list{execution}
	case strings.HasPrefix(path, "/v1/executions/"):
		answer = execution
	case strings.HasPrefix(path, "/api/v2/"):
		answer = object{"data": list{object{
			"resourceRid": hostile, "resourceVersion": hostile, "foundryTraceId": hostile, "traceOwningRid": hostile, "status": hostile,
			"startTime": at, "duration": object{"value": 1, "unit": hostile}, "failureReason": hostile, "callerRid": hostile,
		}}}
	case path == "/v0/jobs" && r.Method == http.MethodGet:
		answer = object{"data": list{job}, "meta": object{}}
	case strings.HasSuffix(path, "/tasks"):
		answer = object{"data": list{task}, "meta": object{}}
	case strings.HasSuffix(path, "/revisions"):
		answer = list{revision}
	case strings.HasSuffix(path, "/executions") && r.Method == http.MethodPost:
		answer = object{"executionId": "x"}
	case strings.HasSuffix(path, "/executions"):
		answer = object{"data": list{jobExecution}, "meta": object{}}
	case strings.Contains(path, "/executions/") || strings.Contains(path, "/triggers/"):
		answer = jobExecution
	case strings.HasPrefix(path, "/v0/jobs/"):
		answer = job
	case path == "/v1/dlq" && r.Method == http.MethodGet:
		answer = list{letter}
	case path == "/v1/tenants" && r.Method == http.MethodGet:
		answer = list{tenant}
	case strings.HasPrefix(path, "/v1/tenants"):
		answer = tenant
	case path == "/v1/server/disk":
		answer = object{"free": 1, "total": 2, "floor": 1, "ballast": 0, "accepting": false, "problem": hostile}
	case path == "/v1/server/workers":
		answer = list{object{"pid": 1, "tenant": hostile, "function": hostile, "since": when, "restarts": 1, "runs": 1, "memory": 1}}
	case path == "/v1/server/storage":
		answer = object{
			"tables": 1, "tenants": list{object{"tenant": hostile, "bytes": 1, "executions": 1}},
			"functions": list{object{"tenant": hostile, "function": hostile, "rid": hostile, "executions": 1, "bytes": 1}},
		}
	case path == "/v1/audit":
		answer = list{object{
			"id": hostile, "time": when, "tenant": hostile, "operation": hostile, "outcome": hostile, "kind": hostile, "name": hostile, "new_name": hostile, "thing": hostile,
			"fields": list{hostile}, "count": 1, "by": object{"user": hostile, "token": hostile, "tenant": hostile}, "remote": hostile,
		}}
	case path == "/v1/tokens" && r.Method == http.MethodGet:
		answer = list{token}
	case strings.HasPrefix(path, "/v1/tokens"):
		answer = token
	case strings.HasPrefix(path, "/v1/dlq/") && r.Method == http.MethodGet:
		answer = letter
	default:
		answer = object{"count": 1}
	}
	// As servers of others may, this one does not escape what JSON need not escape.
	text := new(bytes.Buffer)
	encoder := json.NewEncoder(text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(answer)
	_, _ = w.Write(text.Bytes())
}

// A log that is not shown on a terminal has the bytes that the function wrote.
func TestLogsAreRawInPipes(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(hostileData))
	defer web.Close()
	env := []string{"FAASPOT_CONFIG=" + profileFor(t, web.URL)}
	for flags, want := range map[string][2]string{
		"":                {hostile, hostile},
		"--stream stdout": {hostile + "\x9b2J\xff", ""},
		"--stream stderr": {"", hostile + "\x9b2J\xff"},
	} {
		status, out, talk := fas(t, env, append([]string{"executions", "logs", anyID}, strings.Fields(flags)...)...)
		if status != 0 || out != want[0] || talk != want[1] {
			t.Errorf("%q: status %d, %q, %q", flags, status, out, talk)
		}
	}
}
