package main

import (
	"regexp"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/jobfile"
)

// The whole example is a valid job, including the lines that are commented out.
func TestExampleJob(t *testing.T) {
	env := func(name string) (string, bool) { return "secret " + name, true }
	for _, text := range []string{exampleJob, regexp.MustCompile(`(?m)^#`).ReplaceAllString(exampleJob, "")} {
		f, err := jobfile.Parse(defaultJobFile, []byte(text), env)
		if err != nil || f.Name != "nightly" {
			t.Errorf("%v of\n%s", err, text)
		}
	}
}
