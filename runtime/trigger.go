package runtime

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Trigger starts executions of a job.
type Trigger struct {
	ID       string // unique within the job
	Type     TriggerType
	Disabled bool
	Path     string // of TriggerHTTP and TriggerHTTPAsync: below the job's triggers, without a leading or trailing slash
	// Schedule, TimeZone (IANA; empty: UTC) and Missed belong to TriggerCron. Schedule has five
	// fields or is a keyword such as @hourly or @daily.
	Schedule string
	TimeZone string
	Missed   MissedTicks
	// CallbackURL, CallbackSecret and Retry, the number of further attempts of a callback, belong
	// to TriggerHTTPAsync.
	CallbackURL    string
	CallbackSecret string
	Retry          int
	// Tasks holds the tasks of a schedule, and of a request without tasks. Empty: one task
	// without args.
	Tasks []json.RawMessage
	// Timeout is how long a request of TriggerHTTP waits for the end, and for the other types the
	// largest timeout of a task. Zero: the default, and that of the job.
	Timeout time.Duration
}

// TriggerType is the source of a trigger's starts.
type TriggerType string

// The types of triggers.
const (
	TriggerHTTP      TriggerType = "http"       // a request that waits for the end
	TriggerHTTPAsync TriggerType = "http-async" // a request that does not wait; CallbackURL is notified of the end
	TriggerCron      TriggerType = "cron"       // a schedule
)

// MissedTicks is the policy for ticks of a schedule at which no server was running.
type MissedTicks string

// The policies for missed ticks.
const (
	MissedSkip    MissedTicks = "skip"    // start nothing
	MissedCatchUp MissedTicks = "catchup" // start one execution for all of them
)

// Bounds of triggers.
const (
	// MaxTriggerTimeout is the longest time that a request of [TriggerHTTP] may wait.
	MaxTriggerTimeout = MaxBlocking
	// MaxCallbackRetry is the maximum number of further attempts of a callback.
	MaxCallbackRetry = 20
	// maxTriggerPath is the maximum length of a trigger's path, in bytes.
	maxTriggerPath = 200
)

// checkTrigger checks the trigger at a path of a job, without regard to other triggers.
func checkTrigger(all *Errors, at string, t Trigger) {
	// refuse adds an error about the members, if it applies.
	refuse := func(wrong bool, member, hint, format string, args ...any) {
		if wrong {
			all.Add(at+member, Errorf(CodeInvalidArgument, "%s: %s", at, fmt.Sprintf(format, args...)).WithHint(hint))
		}
	}
	http, cron := t.Type == TriggerHTTP || t.Type == TriggerHTTPAsync, t.Type == TriggerCron
	if !http && !cron {
		refuse(true, ".type", "use http, http-async or cron", "there is no type %q", t.Type)
		return // what it may have depends on its type
	}
	const c = ".configuration."
	refuse(len(t.ID) > MaxName || !isToken(t.ID), ".id", "use 1 to 128 of the characters A-Z a-z 0-9 - _ ., or leave it out", "its id is not valid")
	refuse(http && !isTriggerPath(t.Path), c+"path",
		"use segments of the characters A-Z a-z 0-9 - _ . ~ with single slashes between them, 200 characters at most", "the path %.200q is not valid", t.Path)
	refuse(cron && t.Path != "", c+"path", "leave the path out", "a schedule has no path")
	refuse(cron && strings.TrimSpace(t.Schedule) == "", c+"schedule", `use five fields, such as "0 3 * * *", or @daily`, "its schedule is missing")
	refuse(http && (t.Schedule != "" || t.TimeZone != "" || t.Missed != ""), c+"schedule",
		"leave out schedule, time zone and missed ticks", "only cron has a schedule")
	refuse(cron && t.Missed != "" && t.Missed != MissedSkip && t.Missed != MissedCatchUp, c+"missed",
		"use skip or catchup", "there is no policy %q for missed ticks", t.Missed)
	refuse(t.Type != TriggerHTTPAsync && (t.CallbackURL != "" || t.CallbackSecret != "" || t.Retry != 0), c+"callbackUrl",
		"leave out the URL, the secret and the retries of a callback", "only http-async has a callback")
	refuse(t.Retry < 0 || t.Retry > MaxCallbackRetry, c+"retry",
		fmt.Sprintf("use a number of retries between 0 and %d", MaxCallbackRetry), "%d retries are out of bounds", t.Retry)
	refuse(t.Timeout < 0 || t.Timeout > t.maxTimeout(), c+"timeout", t.timeoutHint(), "a timeout of %g seconds is out of bounds", t.Timeout.Seconds())
	refuse(len(t.Tasks) > MaxTasks, c+"tasks", "split the tasks over several triggers", "it has %d tasks, at most %d are allowed", len(t.Tasks), MaxTasks)
	if cron {
		if err := CheckSchedule(t.Schedule, t.TimeZone); err != nil {
			e, _ := AsError(err)
			refuse(true, c+"schedule", e.Hint, "%s", e.Message)
		}
	}
	if t.CallbackURL != "" {
		if err := checkCallbackURL(t.CallbackURL); err != nil {
			refuse(true, c+"callbackUrl", err.Hint, "%s", err.Message)
		}
	}
}

// maxTimeout returns the largest Timeout of a trigger.
func (t *Trigger) maxTimeout() time.Duration {
	if t.Type == TriggerHTTP {
		return MaxTriggerTimeout
	}
	return MaxTimeout
}

// timeoutHint says which Timeout is possible.
func (t *Trigger) timeoutHint() string {
	if t.Type == TriggerHTTP {
		return fmt.Sprintf("a request waits for at most %g seconds: set a timeout up to that, or use http-async, which does not wait", t.maxTimeout().Seconds())
	}
	return fmt.Sprintf("set a timeout of at most %g seconds", t.maxTimeout().Seconds())
}

// TasksOrOne returns the tasks of the trigger, or one task without args if it lists none.
func (t *Trigger) TasksOrOne() []json.RawMessage {
	if len(t.Tasks) == 0 {
		return []json.RawMessage{[]byte("{}")}
	}
	return t.Tasks
}

func checkCallbackURL(text string) *Error {
	u, err := url.Parse(text)
	if err == nil && u.Port() != "" {
		_, err = strconv.ParseUint(u.Port(), 10, 16)
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(text) > 2000 {
		return Errorf(CodeInvalidArgument, "the callback URL is not valid").
			WithHint("use an absolute http or https URL without user and fragment, 2000 characters at most")
	}
	return nil
}

// isToken reports whether text consists of at least one of the characters A-Z a-z 0-9 - _ .
func isToken(text string) bool {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'; !ok {
			return false
		}
	}
	return text != ""
}

func isTriggerPath(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if !isToken(strings.ReplaceAll(segment, "~", "-")) || segment == "." || segment == ".." {
			return false
		}
	}
	return len(path) <= maxTriggerPath
}

// FillTriggers adds missing ids and secrets to the triggers of a spec. A trigger without an id gets
// that of the trigger in previous that it resembles, if there is one, so that applying the same
// file again changes nothing. For the same reason, triggers with the id of one before get it with
// the first number from 2 that makes it unique.
func (s *JobSpec) FillTriggers(previous []Trigger) {
	taken := make(map[string]bool)
	for i := range s.Triggers {
		s.Triggers[i].Path = strings.Trim(s.Triggers[i].Path, "/")
		taken[s.Triggers[i].ID] = true
	}
	seen := make(map[string]bool)
	for i := range s.Triggers[:min(len(s.Triggers), MaxTriggers)] { // more are an error
		t := &s.Triggers[i]
		for id, n := t.ID, 2; t.ID != "" && seen[t.ID]; n++ {
			if numbered := id + "-" + strconv.Itoa(n); !taken[numbered] {
				t.ID = numbered
			}
		}
		seen[t.ID], taken[t.ID] = true, true
	}
	for i := range s.Triggers {
		t := &s.Triggers[i]
		for _, old := range previous {
			if t.ID == "" && !taken[old.ID] && t.resembles(&old) {
				t.ID = old.ID
				taken[old.ID] = true
			}
			if t.ID == old.ID && t.CallbackURL != "" && t.CallbackSecret == "" {
				t.CallbackSecret = old.CallbackSecret
			}
		}
		if t.ID == "" {
			t.ID = RandomHex(8)
			taken[t.ID] = true
		}
		if t.CallbackURL != "" && t.CallbackSecret == "" {
			t.CallbackSecret = RandomHex(32)
		}
	}
}

// resembles reports whether two triggers have the same path or schedule.
func (t *Trigger) resembles(old *Trigger) bool {
	return t.Type == old.Type && t.Path == old.Path && t.Schedule == old.Schedule && t.TimeZone == old.TimeZone
}

// RandomHex returns n random bytes in hexadecimal.
func RandomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
