package jobfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/faaspot/faaspot/httpapi/blaxel"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/strictjson"
	"github.com/faaspot/faaspot/runtime/stricttoml"
)

func parseTOML(path string, data []byte, env func(string) (string, bool)) (*File, error) {
	document, err := stricttoml.Parse(data, strictjson.DefaultMaxDepth)
	if err != nil {
		at := position{}
		if e, ok := errors.AsType[*stricttoml.Error](err); ok {
			at = positionAt(data, int64(e.Offset))
		}
		return nil, wrong(path, at, "", "%v", err)
	}
	f := &File{path: path, places: tomlPlaces(data)}
	r := reader{file: f, env: env}
	t := r.table("", document.Map())
	name := t.text("name")
	if name == "" {
		t.missing("name", `add name = "nightly"`)
	} else if err := runtime.ValidateJobName(name); err != nil {
		coded, _ := errors.AsType[*runtime.Error](err)
		t.fail("name", coded.Hint, "%s", coded.Message)
	}
	err = f.take(r.job(t, name), "")
	if r.errs.Err() == nil {
		return f, err
	}
	if err == nil { // else a number is not finite, which is an error in the file
		f.addFurther(&r.errs, blaxel.CheckJob(f.Body))
	}
	return f, r.errs.Err()
}

// take fills in the file from a job that was read from the table at a path of it, empty for the whole.
func (f *File) take(b wire.JobRequest, at string) (err error) {
	f.Name, f.Function, f.Triggers = b.Metadata.Name, b.Spec.Function, b.Spec.Triggers
	names := make([]string, len(b.Spec.Runtime.Envs))
	for i, v := range b.Spec.Runtime.Envs {
		names[i] = v.Name
	}
	f.native = func(api string) string {
		return strings.Trim(at+"."+tomlPath(api, names), ".")
	}
	f.Body, err = json.Marshal(b)
	return err
}

// job reads the table of a job with a name.
func (r *reader) job(t *table, name string) (b wire.JobRequest) {
	b.Metadata.Name = name
	b.Metadata.DisplayName = t.text("display_name")
	b.Metadata.Labels = t.texts("labels")
	b.Spec.Enabled = t.flag("enabled", true)
	if b.Spec.Function = t.text("function"); b.Spec.Function == "" {
		t.missing("function", `name the function that the tasks run: function = "hello"`)
	}
	in := t.inner("runtime")
	b.Spec.Runtime.Memory = in.number("memory", runtime.MinMemory/runtime.MiB, runtime.MaxMemory/runtime.MiB, "MB")
	b.Spec.Runtime.Timeout = in.duration("timeout", runtime.MinTimeout.Seconds(), runtime.MaxTimeout.Seconds())
	b.Spec.Runtime.MaxRetries = in.whole("max_retries", 0, runtime.MaxRetries)
	b.Spec.Runtime.MaxConcurrentTasks = in.whole("max_concurrent_tasks", 0, runtime.MaxConcurrentTasks)
	in.end()
	env := t.inner("env")
	for _, name := range slices.Sorted(maps.Keys(env.left)) {
		value, secret := env.secret(name)
		b.Spec.Runtime.Envs = append(b.Spec.Runtime.Envs, wire.EnvVar{Name: name, Value: value, Secret: secret})
	}
	for _, in := range t.tables("triggers") {
		b.Spec.Triggers = append(b.Spec.Triggers, in.trigger())
	}
	t.end()
	return b
}

func (t *table) trigger() wire.Trigger {
	trigger := wire.Trigger{
		ID:      t.text("id"),
		Type:    t.oneOf("type", wire.TriggerHTTP, wire.TriggerHTTPAsync, wire.TriggerCron),
		Enabled: t.flag("enabled", true),
	}
	c := &trigger.Configuration
	if trigger.Type == "" {
		t.missing("type", `add type = "cron", "http" or "http-async"`)
	}
	isHTTP := trigger.Type != wire.TriggerCron
	if isHTTP != t.has("path") {
		t.needs(isHTTP, "path", `add path = "run", say`, trigger.Type)
	}
	if isHTTP == t.has("schedule") {
		t.needs(!isHTTP, "schedule", `add schedule = "0 3 * * *", say`, trigger.Type)
	}
	c.Path, c.Schedule = t.text("path"), t.text("schedule")
	c.TimeZone, c.Missed = t.text("timezone"), t.oneOf("missed", string(runtime.MissedSkip), string(runtime.MissedCatchUp))
	c.CallbackURL = t.text("callback_url")
	c.CallbackSecret, _ = t.secret("callback_secret")
	if t.has("retry") {
		n := t.whole("retry", 0, runtime.MaxCallbackRetry)
		c.Retry = &n
	}
	c.Tasks = t.objects("tasks")
	longest := runtime.MaxTimeout
	if trigger.Type == wire.TriggerHTTP {
		longest = runtime.MaxTriggerTimeout
	}
	c.Timeout = t.duration("timeout", 0, longest.Seconds())
	t.end()
	return trigger
}

// needs fails because a trigger of a type lacks a member that it must have, or has one that it must
// not have.
func (t *table) needs(must bool, key, hint, kind string) {
	if must {
		t.missing(key, hint)
		return
	}
	t.fail(key, "leave it out", "%s is not a field of a trigger of the type %s", t.at(key), kind)
}

var (
	envElement = regexp.MustCompile(`^spec\.runtime\.envs\[(\d+)\].*`)
	upper      = regexp.MustCompile(`[A-Z]`)
)

// tomlPath returns the path in the file of a member of the API.
func tomlPath(api string, env []string) string {
	if m := envElement.FindStringSubmatch(api); m != nil {
		if i, err := strconv.Atoi(m[1]); err == nil && i < len(env) {
			return "env." + env[i]
		}
	}
	if rest, ok := strings.CutPrefix(api, "spec.runtime.envs"); ok {
		return "env" + rest
	}
	if rest, ok := strings.CutPrefix(api, "metadata.labels"); ok {
		return "labels" + rest
	}
	api = strings.TrimPrefix(strings.TrimPrefix(api, "spec."), "metadata.")
	api = strings.ReplaceAll(api, ".configuration", "")
	return upper.ReplaceAllStringFunc(api, func(letter string) string { return "_" + strings.ToLower(letter) })
}

// tomlPlaces returns the places of the members of a TOML text. A value has the place of its key,
// and an element of an array its own.
func tomlPlaces(data []byte) places {
	p := make(places)
	counts := make(map[string]int) // of the tables in an array, by path
	var parser unstable.Parser
	parser.Reset(data)
	prefix := ""
	for parser.NextExpression() {
		e := parser.Expression()
		switch e.Kind {
		case unstable.Table:
			prefix = p.keys(data, "", e, counts, false)
		case unstable.ArrayTable:
			prefix = p.keys(data, "", e, counts, true)
		case unstable.KeyValue:
			p.value(data, p.keys(data, prefix, e, counts, false), e.Value(), counts)
		}
	}
	return p
}

// keys records the places of the keys of an expression and returns the path of its value. If the
// expression begins a table of an array, keys counts it.
func (p places) keys(data []byte, path string, e *unstable.Node, counts map[string]int, array bool) string {
	for it := e.Key(); it.Next(); {
		if path != "" {
			path += "."
		}
		path += string(it.Node().Data)
		at := positionAt(data, int64(it.Node().Raw.Offset))
		if array && it.IsLast() {
			counts[path]++
			if counts[path] == 1 {
				p[path] = at
			}
		}
		if n := counts[path]; n > 0 {
			path = fmt.Sprintf("%s[%d]", path, n-1)
		}
		if _, there := p[path]; !there {
			p[path] = at
		}
	}
	return path
}

// value records the places of the members of a value.
func (p places) value(data []byte, path string, v *unstable.Node, counts map[string]int) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			p.value(data, p.keys(data, path, it.Node(), counts, false), it.Node().Value(), counts)
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			inner := fmt.Sprintf("%s[%d]", path, i)
			if raw := it.Node().Raw; raw.Length > 0 {
				p[inner] = positionAt(data, int64(raw.Offset))
			}
			p.value(data, inner, it.Node(), counts)
		}
	}
}
