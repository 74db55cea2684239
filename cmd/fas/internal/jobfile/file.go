package jobfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// File is a file that says what a job is.
type File struct {
	Name string          // of the job
	Body json.RawMessage // as the API takes it

	path   string
	places places
	// native is the place in the file of what the API has at a path.
	native func(path string) string
}

// position is a place in a text; lines and columns count from 1. The zero one is
// unknown.
type position struct{ line, column int }

// places are where the members of a file are, by their path in it, such as
// triggers[1].path.
type places map[string]position

// of gives the place of a member, or of the nearest one around it that is there.
func (p places) of(path string) position {
	for path != "" {
		if at, ok := p[path]; ok {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return position{}
}

// Parse reads a file: JSON if its path says so, else TOML. env gets variables for
// secrets that are not in the file.
func Parse(path string, data []byte, env func(string) (string, bool)) (*File, error) {
	if strings.EqualFold(filepath.Ext(path), ".json") {
		return parseJSON(path, data)
	}
	return parseTOML(path, data, env)
}

// wrong is an error at a place in the file.
func wrong(path string, at position, hint, format string, args ...any) error {
	if path == "-" {
		path = "the standard input"
	}
	switch {
	case at.line > 0 && at.column > 0:
		path = fmt.Sprintf("%s:%d:%d", path, at.line, at.column)
	case at.line > 0:
		path = fmt.Sprintf("%s:%d", path, at.line)
	}
	return runtime.Errorf(runtime.CodeInvalidArgument, "%s: %s", path, fmt.Sprintf(format, args...)).WithHint(hint)
}

// Ways in which the server says what an error is about, and where that is in the
// body of the request.
var abouts = []struct {
	message *regexp.Regexp
	path    string
}{
	{regexp.MustCompile(`^((?:spec|metadata)[.\w\[\]-]*)`), "$1"},
	{regexp.MustCompile(`^the job name `), "metadata.name"},
	{regexp.MustCompile(`^the display name `), "metadata.displayName"},
	{regexp.MustCompile(`^the label "([^"\\]*)" `), "metadata.labels.$1"},
	{regexp.MustCompile(`\blabels\b`), "metadata.labels"},
	{regexp.MustCompile(`environment variable "?(\w+)`), "spec.runtime.envs.$1"},
	{regexp.MustCompile(`^the environment `), "spec.runtime.envs"},
	{regexp.MustCompile(`^the (?:job's )?function `), "spec.function"},
	{regexp.MustCompile(`^timeout of `), "spec.runtime.timeout"},
	{regexp.MustCompile(`^(?:memory of |a task may use )`), "spec.runtime.memory"},
	{regexp.MustCompile(`\bretries\b`), "spec.runtime.maxRetries"},
	{regexp.MustCompile(`concurrent tasks`), "spec.runtime.maxConcurrentTasks"},
}

// triggerError is how an error begins that is about a trigger, and what of it.
var triggerError = regexp.MustCompile(`^(spec\.triggers\[\d+\]): (?:.*?\b(path|schedule|time zone|missed|callback URL|callbackSecret|retries|timeout|type|tasks)\b)?`)

// triggerMembers are where the API has what such an error is about.
var triggerMembers = map[string]string{
	"path": ".configuration.path", "schedule": ".configuration.schedule", "time zone": ".configuration.timezone",
	"missed": ".configuration.missed", "callback URL": ".configuration.callbackUrl", "callbackSecret": ".configuration.callbackSecret",
	"retries": ".configuration.retry", "timeout": ".configuration.timeout", "tasks": ".configuration.tasks", "type": ".type",
}

// Locate puts the place in front of an error that the server has found in what
// the file says, as far as it can be told. Others are as they were.
func (f *File) Locate(err error) error {
	coded, ok := errors.AsType[*runtime.Error](err)
	if !ok || coded.Code != runtime.CodeInvalidArgument && coded.Code != runtime.CodeTooLarge {
		return err
	}
	at := f.places.of(f.native(about(coded.Message)))
	located, _ := errors.AsType[*runtime.Error](wrong(f.path, at, coded.Hint, "%s", coded.Message))
	located.Code = coded.Code
	return located
}

// about is the path in the body that a message is about, empty if that cannot be
// told.
func about(message string) string {
	if m := triggerError.FindStringSubmatch(message); m != nil {
		return m[1] + triggerMembers[m[2]]
	}
	for _, a := range abouts {
		if m := a.message.FindStringSubmatchIndex(message); m != nil {
			return string(a.message.ExpandString(nil, a.path, message, m))
		}
	}
	return ""
}
