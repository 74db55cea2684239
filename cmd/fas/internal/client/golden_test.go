package client

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGoldenForms decodes the responses of a server in testdata/answers.txt, and compares the JSON
// forms of the results with testdata/forms.golden: the --json output of the command line.
func TestGoldenForms(t *testing.T) {
	text, err := os.ReadFile("testdata/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	answers := make(map[string]string)
	for block := range strings.SplitSeq(string(text), "\n\n") {
		request, body, _ := strings.Cut(block, "\n")
		answers[request] = strings.TrimSpace(body)
	}
	c := scriptedClient(t, func(r *http.Request) (*http.Response, error) {
		body, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			t.Errorf("no answer for %s %s", r.Method, r.URL.Path)
		}
		return say(http.StatusOK, body)
	})
	const id = "01935f9e-7d5c-7000-8000-00000000abcd"
	var got strings.Builder
	ctx := t.Context()
	record := func(name string, v any, err error) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		form, err := encode(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		fmt.Fprintf(&got, "%s\n%s\n\n", name, form)
	}
	job, err := c.Job(ctx, "j")
	record("job", job, err)
	jobs, err := c.Jobs(ctx)
	record("jobs", jobs, err)
	revisions, err := c.JobRevisions(ctx, "j")
	record("revisions", revisions, err)
	jobExecution, err := c.JobExecution(ctx, "j", "x")
	record("job execution", jobExecution, err)
	_, err = c.JobExecutions(ctx, "j", 0, func(page []JobExecution) error {
		record("job executions", page, nil)
		return nil
	})
	record("all job executions", nil, err)
	err = c.Tasks(ctx, "j", "x", func(page []Task) error {
		record("tasks", page, nil)
		for _, task := range page {
			code, message := task.Failure()
			record("task", fmt.Sprint(task.Index(), task.Attempts(), task.Duration(), code, message), nil)
		}
		return nil
	})
	record("all tasks", nil, err)
	triggered, err := c.TriggerJob(ctx, "j", "in", nil)
	record("triggered", triggered, err)
	name, err := c.RunJob(ctx, "j", JobRun{})
	record("started", name, err)
	x, err := c.Execution(ctx, id)
	record("execution", x, err)
	record("its error", fmt.Sprint(x.Err()), nil)
	absent, err := c.ExecutionsByID(ctx, []string{"gone"})
	record("absent", absent, err)
	_, err = c.ListExecutions(ctx, Filter{}, 0, func(page []Execution) error {
		record("executions", page, nil)
		return nil
	})
	record("all executions", nil, err)
	cancellation, err := c.Cancel(ctx, id)
	record("cancellation", cancellation, err)
	logs, err := c.Logs(ctx, id, LogOptions{})
	record("logs", logs, err)
	_, err = c.DeadLetters(ctx, 0, func(page []DeadLetter) error {
		record("dead letters", page, nil)
		return nil
	})
	record("all dead letters", nil, err)
	letter, err := c.DeadLetter(ctx, id)
	record("dead letter", letter, err)
	functions, err := c.Functions(ctx)
	record("functions", functions, err)
	function, err := c.Function(ctx, "hi")
	record("function", function, err)
	_, err = c.SearchExecutions(ctx, Search{RID: "r"}, 0, func(page []Observed) error {
		record("found", page, nil)
		return nil
	})
	record("all found", nil, err)

	if *update {
		if err := os.WriteFile("testdata/forms.golden", []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/forms.golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Error(diff)
	}
}
