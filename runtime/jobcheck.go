package runtime

import (
	"fmt"
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

// ValidateJob checks all of a job that can be checked without the store.
func ValidateJob(j *Job) error {
	if j.Tenant == "" {
		return Errorf(CodeInvalidArgument, "the tenant is missing")
	}
	if err := ValidateJobName(j.Name); err != nil {
		return err
	}
	if !isText(j.DisplayName, maxLabel) {
		return Errorf(CodeInvalidArgument, "the display name is not valid").WithHint(labelHint("text"))
	}
	if len(j.Labels) > maxLabels {
		return Errorf(CodeInvalidArgument, "there are %d labels, at most %d are allowed", len(j.Labels), maxLabels).
			WithHint("remove labels, or put several values into one")
	}
	for key, value := range j.Labels {
		if key == "" || !isText(key, maxLabel) || !isText(value, maxLabel) {
			return Errorf(CodeInvalidArgument, "the label %.300q is not valid", key).WithHint(labelHint("keys and values that are text"))
		}
	}
	return j.Spec.check()
}

// isText reports whether text is UTF-8 without NUL characters and has at most limit bytes.
func isText(text string, limit int) bool {
	return len(text) <= limit && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
}

// labelHint returns the hint of an error about a text that is too long, or no text.
func labelHint(what string) string {
	return fmt.Sprintf("use %s of at most %d bytes, as UTF-8 without NUL characters", what, maxLabel)
}

func (s *JobSpec) check() error {
	if s.Function == "" {
		return Errorf(CodeInvalidArgument, "spec.function is missing").WithHint("name the function that the job runs")
	}
	if err := ValidateName(s.Function); err != nil {
		return err
	}
	if err := (Limits{Timeout: s.Timeout, Memory: s.Memory}).Validate(); err != nil {
		return err
	}
	if err := checkRetries(s.MaxRetries); err != nil {
		return err
	}
	if s.MaxConcurrentTasks < 0 || s.MaxConcurrentTasks > MaxConcurrentTasks {
		return Errorf(CodeInvalidArgument, "%d concurrent tasks are out of bounds", s.MaxConcurrentTasks).
			WithHint(fmt.Sprintf("use a number between 1 and %d, or 0 for no bound", MaxConcurrentTasks))
	}
	if err := s.checkEnv(); err != nil {
		return err
	}
	return s.checkTriggers()
}

func (s *JobSpec) checkEnv() error {
	env := make(map[string]string, len(s.Env))
	for _, v := range s.Env {
		if err := checkEnvVar(v.Name, v.Value); err != nil {
			return err
		}
		if _, twice := env[v.Name]; twice {
			return Errorf(CodeInvalidArgument, "the environment variable %s is set twice", v.Name)
		}
		env[v.Name] = v.Value
	}
	return ValidateEnvSize(env)
}

func (s *JobSpec) checkTriggers() error {
	if len(s.Triggers) > MaxTriggers {
		return Errorf(CodeInvalidArgument, "there are %d triggers, at most %d are allowed", len(s.Triggers), MaxTriggers).
			WithHint("remove triggers, or make a second job with the same function")
	}
	ids, paths, total := make(map[string]bool), make(map[string]bool), 0
	for i, t := range s.Triggers {
		if err := checkTrigger(i, t); err != nil {
			return err
		}
		if ids[t.ID] {
			return Errorf(CodeInvalidArgument, "two triggers have the id %q", t.ID)
		}
		ids[t.ID] = true
		if t.Type != TriggerCron {
			if paths[t.Path] {
				return Errorf(CodeInvalidArgument, "two triggers have the path %q", t.Path)
			}
			paths[t.Path] = true
		}
		for _, task := range t.Tasks {
			total += len(task)
		}
		if total > MaxTriggerTasks {
			return Errorf(CodeTooLarge, "the tasks of all triggers have more than the %s bytes that a job may have", SizeText(MaxTriggerTasks)).
				WithHint("let tasks work out large args themselves, or make a second job with the same function")
		}
		if err := checkTasks(t.Tasks, MaxTriggerTasks); err != nil {
			return err
		}
	}
	return nil
}
