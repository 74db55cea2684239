package runtime

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Further bounds of jobs.
const (
	// MaxConcurrentTasks is the maximum value of [JobSpec.MaxConcurrentTasks].
	MaxConcurrentTasks = 10_000
	// MaxTriggerTasks is the maximum size of the tasks of all triggers of a job, in bytes.
	MaxTriggerTasks = 1 * MiB

	maxLabels = 64
	maxLabel  = 256 // bytes of a key, of a value, and of a display name
)

// ValidateJobName checks the name of a job; see [MaxJobName].
func ValidateJobName(name string) error {
	edge := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	ok := name != "" && len(name) <= MaxJobName && edge(name[0]) && edge(name[len(name)-1])
	for i := 0; ok && i < len(name); i++ {
		ok = edge(name[i]) || name[i] == '-'
	}
	if !ok {
		return Errorf(CodeInvalidArgument, "the job name is not valid").
			WithHint("use 1 to 49 of the characters a-z 0-9 - and start and end with a letter or a digit")
	}
	return nil
}

// ValidateJob checks all of a job that can be checked without the store, and reports all errors that it
// finds; see [Errors].
func ValidateJob(j *Job) error {
	if j.Tenant == "" {
		return Errorf(CodeInvalidArgument, "the tenant is missing")
	}
	var all Errors
	all.Add("metadata.name", ValidateJobName(j.Name))
	if !isText(j.DisplayName, maxLabel) {
		all.Add("metadata.displayName", Errorf(CodeInvalidArgument, "the display name is not valid").WithHint(labelHint("text")))
	}
	if len(j.Labels) > maxLabels {
		all.Add("metadata.labels", Errorf(CodeInvalidArgument, "there are %d labels, at most %d are allowed", len(j.Labels), maxLabels).
			WithHint("remove labels, or put several values into one"))
	}
	for _, key := range slices.Sorted(maps.Keys(j.Labels)) {
		if key == "" || !isText(key, maxLabel) || !isText(j.Labels[key], maxLabel) {
			all.Add("metadata.labels."+key, Errorf(CodeInvalidArgument, "the label %.300q is not valid", key).WithHint(labelHint("keys and values that are text")))
		}
	}
	j.Spec.check(&all)
	return all.Err()
}

// isText reports whether text is UTF-8 without NUL characters and has at most limit bytes.
func isText(text string, limit int) bool {
	return len(text) <= limit && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
}

// labelHint returns the hint of an error about a text that is too long, or no text.
func labelHint(what string) string {
	return fmt.Sprintf("use %s of at most %d bytes, as UTF-8 without NUL characters", what, maxLabel)
}

func (s *JobSpec) check(all *Errors) {
	if s.Function == "" {
		all.Add("spec.function", Errorf(CodeInvalidArgument, "spec.function is missing").WithHint("name the function that the job runs"))
	} else {
		all.Add("spec.function", ValidateName(s.Function))
	}
	all.Add("spec.runtime.memory", Limits{Memory: s.Memory}.Validate())
	all.Add("spec.runtime.timeout", Limits{Timeout: s.Timeout}.Validate())
	all.Add("spec.runtime.maxRetries", checkRetries(s.MaxRetries))
	if s.MaxConcurrentTasks < 0 || s.MaxConcurrentTasks > MaxConcurrentTasks {
		all.Add("spec.runtime.maxConcurrentTasks", Errorf(CodeInvalidArgument, "%d concurrent tasks are out of bounds", s.MaxConcurrentTasks).
			WithHint(fmt.Sprintf("use a number between 1 and %d, or 0 for no bound", MaxConcurrentTasks)))
	}
	s.checkEnv(all)
	s.checkTriggers(all)
}

func (s *JobSpec) checkEnv(all *Errors) {
	env := make(map[string]string, len(s.Env))
	for i, v := range s.Env {
		at := fmt.Sprintf("spec.runtime.envs[%d]", i)
		all.Add(at, checkEnvVar(v.Name, v.Value))
		if _, twice := env[v.Name]; twice {
			all.Add(at, Errorf(CodeInvalidArgument, "the environment variable %s is set twice", v.Name))
		}
		env[v.Name] = v.Value
	}
	all.Add("spec.runtime.envs", ValidateEnvSize(env))
}

func (s *JobSpec) checkTriggers(all *Errors) {
	if len(s.Triggers) > MaxTriggers {
		all.Add("spec.triggers", Errorf(CodeInvalidArgument, "there are %d triggers, at most %d are allowed", len(s.Triggers), MaxTriggers).
			WithHint("remove triggers, or make a second job with the same function"))
		return
	}
	ids, paths, total := make(map[string]bool), make(map[string]bool), 0
	for i, t := range s.Triggers {
		at := fmt.Sprintf("spec.triggers[%d]", i)
		checkTrigger(all, at, t)
		if ids[t.ID] {
			all.Add(at+".id", Errorf(CodeInvalidArgument, "two triggers have the id %q", t.ID))
		}
		ids[t.ID] = true
		if t.Type != TriggerCron {
			if paths[t.Path] {
				all.Add(at+".configuration.path", Errorf(CodeInvalidArgument, "two triggers have the path %q", t.Path))
			}
			paths[t.Path] = true
		}
		for _, task := range t.Tasks {
			total += len(task)
		}
		tasks := at + ".configuration.tasks"
		if total > MaxTriggerTasks {
			all.Add(tasks, Errorf(CodeTooLarge, "the tasks of all triggers have more than the %s bytes that a job may have", SizeText(MaxTriggerTasks)).
				WithHint("let tasks work out large args themselves, or make a second job with the same function"))
			return
		}
		all.Add(tasks, checkTasks(t.Tasks, MaxTriggerTasks))
	}
}
