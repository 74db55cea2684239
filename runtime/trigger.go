package runtime

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Trigger starts executions of a job.
type Trigger struct {
	ID       string // unique in the job
	Type     TriggerType
	Disabled bool
	Path     string // of TriggerHTTP and TriggerHTTPAsync: below the job's triggers, without slashes around it
	// Schedule, TimeZone (IANA; empty: UTC) and Missed are of TriggerCron. Schedule
	// has five fields or is one of @hourly, @daily and so on.
	Schedule string
	TimeZone string
	Missed   MissedTicks
	// CallbackURL and CallbackSecret are of TriggerHTTPAsync, Retry is how often a
	// callback that failed is tried again.
	CallbackURL    string
	CallbackSecret string
	Retry          int
	Tasks          []json.RawMessage // what a schedule runs, and a request that brings no tasks of its own
	Timeout        time.Duration     // how long a request of TriggerHTTP waits for the end; zero: the default
}

// TriggerType says what starts executions of a job.
type TriggerType string

// The types of triggers.
const (
	TriggerHTTP      TriggerType = "http"       // a request, which waits for the end
	TriggerHTTPAsync TriggerType = "http-async" // a request; the end is told to CallbackURL
	TriggerCron      TriggerType = "cron"       // a schedule
)

// MissedTicks says what becomes of ticks of a schedule at which no server was
// running.
type MissedTicks string

// The policies for missed ticks.
const (
	MissedSkip    MissedTicks = "skip"    // nothing
	MissedCatchUp MissedTicks = "catchup" // one start for all of them
)

// Bounds of triggers.
const (
	// MaxTriggerTimeout is for how long a request of [TriggerHTTP] may wait.
	MaxTriggerTimeout = 280 * time.Second
	// MaxCallbackRetry is how often a callback may be tried again.
	MaxCallbackRetry = 20
	// maxTriggerPath is the longest path of a trigger, in bytes.
	maxTriggerPath = 200
)

// checkTrigger checks trigger number i of a job by itself.
func checkTrigger(i int, t Trigger) error {
	wrong := func(format string, args ...any) *Error {
		err := Errorf(CodeInvalidArgument, format, args...)
		err.Message = fmt.Sprintf("spec.triggers[%d]: %s", i, err.Message)
		return err
	}
	http := t.Type == TriggerHTTP || t.Type == TriggerHTTPAsync
	switch {
	case !http && t.Type != TriggerCron:
		return wrong("there is no type %q", t.Type).WithHint("use http, http-async or cron")
	case len(t.ID) > MaxName || !isToken(t.ID):
		return wrong("its id is not valid").WithHint("use 1 to 128 of the characters A-Z a-z 0-9 - _ ., or leave it out")
	case http && !isTriggerPath(t.Path):
		return wrong("the path %q is not valid", t.Path).
			WithHint("use segments of the characters A-Z a-z 0-9 - _ . ~ with single slashes between them, 200 characters at most")
	case !http && t.Path != "":
		return wrong("a schedule has no path").WithHint("leave the path out")
	case t.Type == TriggerCron && strings.TrimSpace(t.Schedule) == "":
		return wrong("its schedule is missing").WithHint(`give five fields, such as "0 3 * * *", or @daily`)
	case t.Type != TriggerCron && (t.Schedule != "" || t.TimeZone != "" || t.Missed != ""):
		return wrong("only cron has a schedule").WithHint("leave out schedule, time zone and missed ticks")
	case t.Type == TriggerCron && t.Missed != "" && t.Missed != MissedSkip && t.Missed != MissedCatchUp:
		return wrong("there is no policy %q for missed ticks", t.Missed).WithHint("use skip or catchup")
	case t.Type != TriggerHTTPAsync && (t.CallbackURL != "" || t.CallbackSecret != "" || t.Retry != 0):
		return wrong("only http-async has a callback").WithHint("leave out the URL, the secret and the retries of a callback")
	case t.Retry < 0 || t.Retry > MaxCallbackRetry:
		return wrong("%d retries are out of bounds", t.Retry).WithHint("give a number of retries between 0 and 20")
	case t.Timeout < 0 || t.Timeout > MaxTriggerTimeout:
		return wrong("a timeout of %g seconds is out of bounds", t.Timeout.Seconds()).WithHint("give a timeout of at most 280 seconds")
	case t.Type != TriggerHTTP && t.Timeout != 0:
		return wrong("only http has a timeout").WithHint("leave the trigger's timeout out; the job's is that of tasks")
	case t.Type == TriggerCron && len(t.Tasks) == 0:
		return wrong("it has no tasks").WithHint("give the tasks that the schedule runs; [{}] is one without args")
	case len(t.Tasks) > MaxTasks:
		return wrong("it has %d tasks, at most %d are allowed", len(t.Tasks), MaxTasks)
	}
	if t.Type == TriggerCron {
		if _, err := ParseSchedule(t.Schedule, t.TimeZone); err != nil {
			e, _ := AsError(err)
			return wrong("%s", e.Message).WithHint(e.Hint)
		}
	}
	if t.CallbackURL != "" {
		if err := checkCallbackURL(t.CallbackURL); err != nil {
			return wrong("%s", err.Message).WithHint(err.Hint)
		}
	}
	return nil
}

func checkCallbackURL(text string) *Error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(text) > 2000 {
		return Errorf(CodeInvalidArgument, "the callback URL is not valid").
			WithHint("give an absolute http or https URL without user and fragment, 2000 characters at most")
	}
	return nil
}

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

// Complete gives the triggers of a spec what they lack: ids and secrets. A trigger
// without an id is taken for the one of before that it looks like, if that is
// there, so that whoever applies a file again changes nothing.
func (s *JobSpec) Complete(before []Trigger) {
	taken := make(map[string]bool)
	for i := range s.Triggers {
		t := &s.Triggers[i]
		t.Path = strings.Trim(t.Path, "/")
		taken[t.ID] = true
	}
	for i := range s.Triggers {
		t := &s.Triggers[i]
		for _, old := range before {
			if t.ID == "" && !taken[old.ID] && t.looksLike(&old) {
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

// looksLike tells whether two triggers are started by the same.
func (t *Trigger) looksLike(old *Trigger) bool {
	return t.Type == old.Type && t.Path == old.Path && t.Schedule == old.Schedule && t.TimeZone == old.TimeZone
}

// RandomHex gives n random bytes as text.
func RandomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
