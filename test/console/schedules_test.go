//go:build linux

package console

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

// TestConsoleSchedules uses the calendar of schedules.
func TestConsoleSchedules(t *testing.T) {
	b, s := use(t)
	schedulesStory(b, s, b.story)
}

// zone is one in which it is neither night nor evening, so that runs of this test start on one day, of which some is left.
var zone = func() string {
	if hour := time.Now().UTC().Hour(); hour >= 4 && hour < 19 {
		return "Europe/Berlin"
	}
	return "Asia/Tokyo"
}()

// timed creates a job with a schedule that has started executions: five that succeeded and three that failed.
func timed(b *Browser, s *process.Server) {
	s.Deploy(b.t, "timed", strings.ReplaceAll(flaky, "TEXT", `"of a schedule"`))
	// Requests start executions of the trigger, which becomes a schedule afterwards.
	s.Must(b.t, "POST", "/v0/jobs", `{"metadata":{"name":"reports"},"spec":{"function":"timed","triggers":[
		{"id":"nightly","type":"http","configuration":{"path":"nightly"}}]}}`)
	for _, n := range []int{0, 1, 2, 3, 4, 5, 6, 8} {
		s.Must(b.t, "POST", "/v0/jobs/reports/triggers/nightly", `{"tasks":[{"n":`+asJSON(n)+`}]}`)
	}
	s.Must(b.t, "PUT", "/v0/jobs/reports", `{"spec":{"function":"timed","triggers":[
		{"id":"nightly","type":"cron","configuration":{"schedule":"30 3 * * MON-FRI","timezone":"`+zone+`","tasks":[{"n":4}]}},
		{"id":"often","type":"cron","configuration":{"schedule":"* * * * *"}}]}}`)
}

// cells is an expression for the texts of the days of a schedule in the calendar.
func cells(row string) string {
	return `[...[...document.querySelectorAll(".calendar [role=row]")].find((r) => r.innerText.includes(` + quoted(row) + `)).querySelectorAll("[role=cell]")].map((c) => c.innerText.replace(/\s+/g, " ").trim())`
}

// schedulesStory reads the calendar by keyboard, pauses a schedule and starts its job.
func schedulesStory(b *Browser, s *process.Server, story func(string, func())) {
	timed(b, s)
	type trigger struct {
		Enabled       bool
		Configuration struct{ Schedule, Timezone string }
	}
	nightly := func() trigger {
		var job struct{ Spec struct{ Triggers []trigger } }
		if err := json.Unmarshal(s.Must(b.t, "GET", "/v0/jobs/reports", "").Body, &job); err != nil {
			b.t.Fatal(err)
		}
		return job.Spec.Triggers[0]
	}
	story("calendar", func() {
		b.visit("schedules", "nightly", "often", "Week", "All schedules")
		b.fill("Zone of the calendar", "")
		b.do(`(() => { const e = document.querySelector("[aria-label='Zone of the calendar']"); e.value = "` + zone + `"; e.dispatchEvent(new Event("change", {bubbles: true})); })()`)
		b.until("the zone", `location.hash.includes("zone=" + `+quoted(zone)+`.split("/")[0])`)
		b.until("what it has started", cells("nightly")+`.some((c) => c.includes("5 ok") && c.includes("3 failed"))`)
		b.until("what the frequent one will start", cells("often")+`.some((c) => c.includes("100+ to come"))`)
		b.picture("schedules", "light")
	})
	story("next week", func() {
		b.click("Next week")
		b.until("five working days", cells("nightly")+`.filter((c) => c.includes("03:30")).length === 5`)
		b.click("Today")
		b.until("this week", `!location.hash.includes("day=") && document.querySelector("[aria-current=date]") !== null`)
	})
	story("a day", func() {
		b.until("a day", `document.querySelector(".calendar [role=cell] a") !== null`)
		b.do(`[...document.querySelectorAll(".calendar [role=cell] a")].find((a) => a.innerText.includes("5 ok")).focus()`)
		b.press("\r", 0)
		b.until("the view of a day", `location.hash.includes("view=day")`)
		b.see("succeeded", "failed", "1 task", "to come")
		b.click("1 task")
		b.until("the execution", `location.hash.startsWith("#/jobs/reports/")`)
	})
	story("pause a schedule", func() {
		b.visit("schedules", "nightly")
		b.click("Pause nightly of reports")
		b.until("its button", named("button", "Resume nightly of reports")+" !== undefined")
		if nightly().Enabled {
			b.t.Error("the schedule goes on")
		}
		b.until("its next ticks are gone", cells("nightly")+`.every((c) => !c.includes("to come") && !c.includes("03:30"))`)
		b.click("Resume nightly of reports")
		b.until("its button", named("button", "Pause nightly of reports")+" !== undefined")
		if !nightly().Enabled {
			b.t.Error("the schedule is still paused")
		}
	})
	story("edit a schedule", func() {
		before := nightly().Configuration
		b.visit("jobs/reports", "nightly")
		b.click("Edit nightly of reports")
		const ticks = `document.querySelector("dialog [role=status]").innerText`
		b.until("the next ticks", ticks+`.split(", ").length === 5 && `+ticks+`.includes(" 03:30")`)
		b.fill("Schedule", "0 12 29 2 *")
		b.until("those of the other schedule", ticks+` === "2028-02-29 12:00, 2032-02-29 12:00, 2036-02-29 12:00, 2040-02-29 12:00, 2044-02-29 12:00"`)
		b.fill("Zone", "Nowhere/At all")
		b.until("that there is no such zone", `document.querySelector("dialog [role=status] .bad")?.innerText.includes("Nowhere")`)
		b.click("Save")
		b.until("why it is not saved", `document.querySelector("dialog [role=alert]")?.innerText.includes("Nowhere")`)
		if got := nightly().Configuration; got != before {
			b.t.Errorf("the schedule is %+v before it could be saved", got)
		}
		b.fill("Zone", "America/Lima")
		b.until("the next ticks again", ticks+`.startsWith("2028-02-29 12:00, ")`)
		b.click("Save")
		b.until("the end of the dialog", `document.querySelector("dialog") === null`)
		b.see("0 12 29 2 * America/Lima")
		if got := nightly(); got.Configuration.Schedule != "0 12 29 2 *" || got.Configuration.Timezone != "America/Lima" || !got.Enabled {
			b.t.Errorf("the schedule is %+v", got)
		}
		b.click("Edit nightly of reports")
		b.fill("Schedule", "30 3 * * MON-FRI")
		b.fill("Zone", zone)
		b.click("Save")
		b.until("the schedule as before", `document.querySelector("dialog") === null && document.body.innerText.includes("30 3 * * MON-FRI `+zone+`")`)
	})
	story("schedules of a function", func() {
		b.visit("functions/timed?tab=schedules", "reports", "30 3 * * MON-FRI")
		b.click("Run now reports by nightly")
		b.until("the execution", `location.hash.startsWith("#/jobs/reports/")`)
		b.see("1 task", "succeeded")
		b.do(`(() => { const c = document.querySelector("canvas.grid"), {left, top} = c.getBoundingClientRect();
			c.dispatchEvent(new MouseEvent("click", {clientX: left + 3, clientY: top + 3, bubbles: true})); })()`)
		b.see("n: 4") // the args of its schedule
	})
}

// hintsStory writes code with the proposals of the editor.
func hintsStory(b *Browser, story func(string, func())) {
	const shadow = `document.querySelector(".editor").shadowRoot`
	story("context", func() {
		b.visit("functions/greet?tab=settings", "It is empty")
		b.fill("Name of a value", "api_key")
		b.fill("Value", "hush-hush")
		b.click("Set value")
		b.until("the name of the value", `[...document.querySelectorAll(".keys code")].some((e) => e.innerText === "api_key")`)
		if eval[bool](b, `document.documentElement.outerHTML.includes("hush-hush") || [...document.querySelectorAll("input")].some((e) => e.value === "hush-hush")`) {
			b.t.Error("the page has the secret")
		}
	})
	story("signature help", func() {
		b.visit("functions/greet", "main.py")
		b.write("def main(")
		b.until("the signature", shadow+`.querySelector(".signature")?.textContent.includes("context: dict: the settings and secrets")`)
	})
	story("completion", func() {
		b.write("def main(args, context):\n    return context")
		b.insert("[\"")
		b.insert("a")
		b.until("the proposal", `[...`+shadow+`.querySelectorAll("[role=option]")].some((e) => e.textContent.includes("api_key"))`)
		b.picture("completion", "light")
		b.do("new Promise((done) => setTimeout(done, 100))") // the editor takes keys for proposals 75 ms after they are shown
		b.press("\r", 0)
		b.until("the name", shadow+`.querySelector(".cm-content").innerText.includes('context["api_key')`)
		b.press("\x1b", 0)
		b.click("Discard")
	})
	story("earlier args", func() {
		b.visit("functions/greet?tab=versions", "Args of an earlier run", "Restore")
		b.fill("name", "Bob")
		b.do(`(() => { const e = document.querySelector("[aria-label='Args of an earlier run']"); e.value = e.options[1].value; e.dispatchEvent(new Event("change", {bubbles: true})); })()`)
		b.until("the form", `document.querySelector("[name=arg-name]").value === "Ada"`)
	})
}

// argsStory switches off that args are kept.
func argsStory(b *Browser, s *process.Server, story func(string, func())) {
	story("keep no args", func() {
		s.Deploy(b.t, "lively", process.EchoCode)
		b.visit("functions/lively?tab=settings", "Keep the args of runs")
		b.do(`document.querySelector(".check input").click()`)
		b.click("Save")
		b.see("not kept")
		id := s.Submit(b.t, "lively", `{"n":"unkept"}`)
		s.Must(b.t, "GET", "/v1/executions/"+id+"?wait=100", "")
		b.visit("executions/"+id, "were not kept")
		if strings.Contains(eval[string](b, `(async () => (await fetch("/v1/executions/`+id+`", {headers: {"X-Faaspot-Console": localStorage.getItem("faaspot.console.key")}})).text())()`), `"args":{`) {
			b.t.Error("the server has the args")
		}
	})
}
