//go:build linux

package console

import (
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// TestConsoleActions disables a job, pauses a function, and sends the dead letters of a host again.
func TestConsoleActions(t *testing.T) {
	b, s := use(t)
	stock(t, s)
	b.story("disable a job", func() {
		b.visit("jobs/pages", "nightly")
		b.click("Disable")
		b.see("neither requests nor schedules start it")
		if r, err := s.Do(t.Context(), "POST", "/v0/jobs/pages/executions", `{"tasks":[{"n":1}]}`); err != nil || r.Status != 400 || !strings.Contains(string(r.Body), "is disabled") {
			t.Errorf("the job was started: %d %s, %v", r.Status, r.Body, err)
		}
		b.visit("schedules", "the job is disabled")
		b.visit("jobs/pages", "neither requests nor schedules start it")
		b.click("Enable")
		b.until("that it can be run", named("button", "Run")+" !== undefined")
	})
	b.story("pause a function", func() {
		s.Deploy(t, "held", process.EchoCode)
		b.visit("functions/held", "main.py")
		b.click("Pause")
		b.see("It is paused: its background runs and tasks are queued")
		id := s.Submit(t, "held", `{"n":1}`)
		if got := field(t, s.Must(t, "GET", "/v1/executions/"+id+"?wait=0.5", ""), "status"); got != "Pending" {
			t.Errorf("a run of the paused function is %s", got)
		}
		b.click("Resume")
		b.until("the end of the pause", `!document.querySelector("main").innerText.includes("It is paused")`)
		if got := field(t, s.Must(t, "GET", "/v1/executions/"+id+"?wait=100", ""), "status"); got != "Success" {
			t.Errorf("the run is %s after the pause", got)
		}
	})
	b.story("dead letters of a host", func() {
		b.visit("deadletters?host=example.com:1", "None is for this host")
		b.visit("deadletters?host=127.0.0.1:9", "127.0.0.1:9/")
		b.click("Send those of 127.0.0.1:9 again")
		b.see("1 callback will be sent again")
	})
	b.story("delete dead letters", func() {
		b.visit("deadletters", "127.0.0.1:9/") // it failed again
		b.click("Delete all")
		b.see("1 callback deleted", "Every callback was delivered")
		if left := string(s.Must(t, "GET", "/v1/dlq/", "").Body); strings.TrimSpace(left) != "[]" {
			t.Errorf("the server still has %s", left)
		}
	})
}
