//go:build linux

package console

import (
	"fmt"

	"github.com/faaspot/faaspot/test/process"
)

// againStory runs an execution again, with its args and with others, and all that failed of its function: the
// 100 failed tasks of a job are skipped.
func againStory(b *Browser, failed string, story func(string, func())) {
	story("run again", func() {
		b.visit("executions/"+failed, "Args, 7 B")
		b.click("Run again")
		b.until("the new execution", `location.hash.startsWith("#/executions/") && !location.hash.endsWith(`+quoted(failed)+`)`)
		b.see("Repeats", failed[len(failed)-8:], "ValueError: bad n of a page")
	})
	story("edit args", func() {
		b.click("Edit args")
		b.fill("Args, a JSON object", `{"n": 1, "big": 12345678901234567890}`)
		b.do(`document.querySelector("dialog form").requestSubmit()`)
		b.see("n is 1", "Success", "12345678901234567890", "Args, 34 B")
	})
	story("run all again", func() {
		b.visit("executions?function=flaky&status=Failed", "ValueError")
		b.click("Run all failed again")
		b.see("Running again: 3 of 103 executions that matched, 100 skipped, done")
		b.click("Its executions")
		b.see("Trace ")
		b.until("its executions", `document.querySelectorAll("tbody tr").length === 3`)
	})
}

// liveStory looks at a list while the server changes it: over a stream, after a pause, and without a stream.
func liveStory(b *Browser, s *process.Server, story func(string, func())) {
	s.Deploy(b.t, "lively", process.EchoCode)
	rows := func(n int) string {
		return fmt.Sprintf(`[...document.querySelectorAll("tbody .status")].filter((e) => e.innerText === "Success").length === %d`, n)
	}
	run := func() { s.Must(b.t, "POST", "/v1/functions/lively/rpc/", `{"n":1}`) }
	const requests = `performance.getEntriesByType("resource").filter((e) => /executions\/\?.*function=lively/.test(e.name) && !e.name.includes("follow=1")).length`
	story("live list", func() {
		run()
		b.visit("executions?function=lively", "lively")
		b.until("the deployment and the run", rows(2))
		run()
		b.until("the second run", rows(3))
		if n := eval[int](b, requests); n != 0 {
			b.t.Errorf("the list was requested %d times; want it over one stream", n)
		}
	})
	story("paused list", func() {
		b.click("Live")
		b.see("Paused")
		run()
		b.click("Paused")
		b.until("the third run", rows(4))
	})
	story("list without a stream", func() {
		b.do(`window.realFetch = window.fetch;
			window.fetch = (u, o) => String(u).includes("follow=1") ? Promise.resolve(new Response("{}", {status: 429})) : window.realFetch(u, o); undefined`)
		b.visit("functions/lively")
		b.visit("executions?function=lively", "lively")
		b.until("the runs", rows(4))
		run()
		b.until("the fourth run", rows(5))
		b.do("window.fetch = window.realFetch; undefined")
	})
}

// nextStory reads when schedules are due.
func nextStory(b *Browser, story func(string, func())) {
	story("schedules", func() {
		b.visit("schedules", "30 3 * * MON-FRI", "Europe/Berlin", " 03:30")
		b.fill("Schedule", "0 12 29 2 *")
		b.fill("Zone", "Asia/Tokyo")
		b.see("2028-02-29 12:00, 2032-02-29 12:00, ")
		b.fill("Schedule", "61 * * * *")
		b.see("61")
		b.until("the reason", `document.querySelector("main p .bad") !== null`)
	})
	story("next ticks of a job", func() { b.visit("jobs/pages", " 03:30, ") })
}

// limitedStory uses the console with a token that is limited to a function: these pages request nothing that is refused.
func limitedStory(b *Browser, s *process.Server, story func(string, func())) {
	token := field(b.t, s.Must(b.t, "POST", "/v1/tokens", `{"name":"few","scope":"invoke","functions":["lively"]}`), "token")
	story("limited token", func() {
		b.click("Log out")
		b.see("paste one here")
		b.fill("Token", token)
		b.click("Log in")
		b.visit("", "few", "Latest executions")
		b.visit("metrics", "This needs a token that reads all functions")
		b.visit("queue", "Nothing waits")
		b.visit("executions?function=flaky", "No execution matches.")
		if eval[bool](b, named("button", "Run all")+` !== undefined || document.querySelector("[role=alert]") !== null`) {
			b.t.Error("the page offers what the token may not do, or shows a problem")
		}
	})
}

// logStory shows a log of many pieces, some of which end within lines: each line is shown once and has one time.
func logStory(b *Browser, s *process.Server, story func(string, func())) {
	s.Deploy(b.t, "chatty", `import sys
def main(args, context):
    for i in range(5000):
        print("line", i, end="", flush=True)
        print(" ends", flush=True)
        if i % 1000 == 0:
            print("oh", file=sys.stderr)
`)
	id := s.Submit(b.t, "chatty", `{}`)
	s.Must(b.t, "GET", "/v1/executions/"+id+"?wait=100", "")
	const (
		whole = `(() => { const log = document.querySelector(".log").cloneNode(true); log.querySelectorAll("time").forEach((e) => e.remove());
			let want = ""; for (let i = 0; i < 5000; i++) want += "line " + i + " ends\n" + (i % 1000 === 0 ? "oh\n" : ""); return log.textContent === want; })()`
		times = `document.querySelectorAll(".log time").length`
	)
	story("long log", func() {
		b.visit("executions/"+id, "line 0 ends")
		b.until("all lines", whole+" && "+times+" === 0")
		b.click("Times")
		b.until("a time for each line", whole+" && "+times+" === 5005")
		b.click("Times")
		b.until("all lines again", whole+" && "+times+" === 0")
	})
}
