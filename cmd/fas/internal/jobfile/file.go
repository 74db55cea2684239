package jobfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// File is a file that defines a job.
type File struct {
	Name     string          // of the job
	Function string          // that it runs; known of files in TOML only
	Triggers []wire.Trigger  // known of files in TOML only
	Body     json.RawMessage // of the request to the API

	path   string
	places places
	// native returns the path in the file of a member of the API.
	native func(path string) string
}

// position is a place in a text; lines and columns count from 1. The zero position is unknown.
type position struct{ line, column int }

// places are the positions of the members of a file, by their path, such as triggers[1].path.
type places map[string]position

// of returns the position of a member, or of the nearest one around it that exists.
func (p places) of(path string) position {
	for path != "" {
		if at, ok := p[path]; ok {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return position{}
}

// Parse reads a file: JSON if its path ends in .json, else TOML. env looks up the environment
// variables of secrets that are not in the file. The error of a file in TOML has all that is wrong with
// it, apart from what only a server knows; the file is then returned, too.
func Parse(path string, data []byte, env func(string) (string, bool)) (*File, error) {
	if strings.EqualFold(filepath.Ext(path), ".json") {
		return parseJSON(path, data)
	}
	return parseTOML(path, data, env)
}

// wrong returns an error at a position in the file.
func wrong(path string, at position, hint, format string, args ...any) *runtime.Error {
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

// abouts are patterns of the server's error messages, with the path in the body of the request that
// each is about.
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
	{regexp.MustCompile(`^(?:memory of |a run may use )`), "spec.runtime.memory"},
	{regexp.MustCompile(`\bretries\b`), "spec.runtime.maxRetries"},
	{regexp.MustCompile(`concurrent tasks`), "spec.runtime.maxConcurrentTasks"},
}

// triggerError matches an error about a trigger, and which of its members it is about.
var triggerError = regexp.MustCompile(`^(spec\.triggers\[\d+\]): (?:.*?\b(path|schedule|time zone|missed|callback URL|callbackSecret|retries|timeout|type|tasks)\b)?`)

// triggerMembers are the paths of those members below the trigger.
var triggerMembers = map[string]string{
	"path": ".configuration.path", "schedule": ".configuration.schedule", "time zone": ".configuration.timezone",
	"missed": ".configuration.missed", "callback URL": ".configuration.callbackUrl", "callbackSecret": ".configuration.callbackSecret",
	"retries": ".configuration.retry", "timeout": ".configuration.timeout", "tasks": ".configuration.tasks", "type": ".type",
}

// Locate adds the position in the file to an error that the server reports about it, as far as the
// message identifies a member. It returns other errors unchanged.
func (f *File) Locate(err error) error {
	coded, ok := errors.AsType[*runtime.Error](err)
	if !ok || coded.Code != runtime.CodeInvalidArgument && coded.Code != runtime.CodeTooLarge {
		return err
	}
	located := f.locate(coded)
	for _, other := range coded.More {
		located.More = append(located.More, f.locate(other))
	}
	return located
}

// Add adds what a server reports about the file to the errors of [Parse], unless one of those is about
// the same member.
func (f *File) Add(errs, further error) error {
	var all runtime.Errors
	all.Add("", errs)
	f.addFurther(&all, further)
	return all.Err()
}

func (f *File) addFurther(all *runtime.Errors, err error) {
	coded, ok := errors.AsType[*runtime.Error](err)
	if !ok {
		return
	}
	for _, one := range append([]*runtime.Error{coded}, coded.More...) {
		all.Add("", f.locate(one))
	}
}

// locate returns one error with its position.
func (f *File) locate(coded *runtime.Error) *runtime.Error {
	path := coded.Path
	if path == "" {
		path = about(coded.Message)
	}
	native := f.native(path)
	located := wrong(f.path, f.places.of(native), f.inFile(coded.Hint), "%s", f.inFile(coded.Message))
	located.Code, located.Path = coded.Code, native
	return located
}

// apiPath matches a path in the body of a request, and a quoted text, which has none.
var apiPath = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\b(?:spec|metadata)(?:\.\w+|\[\d+\])+|\bcallback(?:Secret|Url)\b`)

// inFile returns a text of the server with the paths that its members have in the file.
func (f *File) inFile(text string) string {
	return apiPath.ReplaceAllStringFunc(text, func(path string) string {
		if strings.HasPrefix(path, `"`) {
			return path
		}
		return f.native(path)
	})
}

// about returns the path in the body that a message is about, empty if it is unknown.
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
