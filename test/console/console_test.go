//go:build linux

package console

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/faaspot/faaspot/test/process"
)

func TestMain(m *testing.M) { process.Main(m) }

var (
	screens = flag.String("screens", "", "write the pictures of the documents into this folder")
	walk    = flag.String("walk", "", "write pictures of the page of each story into this folder: narrow and dark, wide and light")
)

// canary would set window.pwned if it became markup.
const canary = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script><a href="javascript:window.pwned=1">x</a>`

// flaky fails for every third n. What it prints, returns and raises is TEXT.
const flaky = `import time
def main(args, context):
    n = args.get("n", 0)
    time.sleep(n % 7 / 500)
    print("n is", n, TEXT)
    if n % 3 == 2:
        raise ValueError("bad n " + TEXT)
    return {"n": n, "text": TEXT, "list": [1, 2.5, None, True], "big": 12345678901234567890}
`

// field returns a field of an answer.
func field(t *testing.T, r process.Reply, name string) string {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(r.Body, &all); err != nil {
		t.Fatal(err)
	}
	text, _ := all[name].(string)
	return text
}

// stock gives a server functions, a job and executions to show. It returns the id of one that failed.
func stock(t *testing.T, s *process.Server) (failed string) {
	t.Helper()
	s.Deploy(t, "flaky", strings.ReplaceAll(flaky, "TEXT", `"of a page"`))
	s.Deploy(t, "resize", process.EchoCode)
	s.Must(t, "POST", "/v1/functions/resize/bulk_rpc/", process.JSONArray(process.NumberedArgs(60)))
	for n := range 8 {
		id := s.Submit(t, "flaky", fmt.Sprintf(`{"n":%d}`, n))
		if n == 2 {
			failed = id
		}
	}
	s.Must(t, "POST", "/v0/jobs", `{"metadata":{"name":"pages","displayName":`+quoted(canary)+`,"labels":{"team":`+quoted("<b>scans</b>")+`}},"spec":{"function":"flaky","triggers":[
		{"id":"nightly","type":"cron","configuration":{"schedule":"30 3 * * MON-FRI","timezone":"Europe/Berlin"}},
		{"id":"hook","type":"http-async","configuration":{"path":"hook","callbackUrl":"https://127.0.0.1:9/<b>","retry":0}}]}}`)
	tasks := process.JSONArray(process.NumberedArgs(300))
	s.Must(t, "POST", "/v0/jobs/pages/executions", `{"tasks":`+tasks+`,"executionId":"monday"}`)
	s.Must(t, "POST", "/v0/jobs/pages/triggers/hook", `{"n":1}`)
	for _, path := range []string{"/v0/jobs/pages/executions/monday?wait=100", "/v1/executions/" + failed + "?wait=100"} {
		s.Must(t, "GET", path, "")
	}
	process.Until(t, "the callback is a dead letter", func() bool { return len(s.Must(t, "GET", "/v1/dlq/", "").Body) > 3 })
	return failed
}

// TestConsole uses each page as people do.
func TestConsole(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a browser")
	}
	axe(t) // or skips
	s := process.NewSite(t, "--public-url", "").Serve(t)
	failed := stock(t, s)
	b := open(t, s.Base)
	b.size(1280, 800, "light")

	ticket := field(t, s.Must(t, "POST", "/console/ticket", ""), "path")
	story := b.story
	story("log in", func() {
		b.navigate(s.Base + "/console/#ticket=AAAA")
		b.see("the ticket is not valid", "paste one here")
		b.fill("Token", "wrong")
		b.click("Log in")
		b.see("the token is not valid")
	})
	story("home", func() {
		b.navigate("about:blank")
		b.navigate(s.Base + ticket)
		b.see("Failed in the last hour", "Runs in the last hour", "369", "Dead letters", "ValueError, line 7", "Latest executions", "30 3 * * MON-FRI", " 03:30, ")
		if address := eval[string](b, "location.href"); strings.Contains(address, "ticket") {
			t.Errorf("the address still has the ticket: %s", address)
		}
		b.picture("home", "light")
	})
	story("palette", func() {
		b.press("k", chromedp.ModifierCtrl)
		b.see("resize")
		b.insert("resi")
		b.until("one function", `document.querySelectorAll("[role=option]").length === 1`)
		b.press("\r", 0)
		b.until("the function", `location.hash === "#/functions/resize"`)
	})
	story("functions", func() {
		b.visit("functions", "2 in all", "flaky", "resize", "309")
		b.fill("Filter by name", "fla")
		b.until("the filter", `document.querySelectorAll("tbody tr").length === 1`)
	})
	story("executions", func() {
		b.visit("executions?status=Failed", "ValueError: bad n of a page", "fas executions list --include-completed --status Failed")
		b.until("the chart", `document.querySelector(".chart canvas") !== null`)
		b.click("All")
		b.see("Success")
		b.until("the chart of all", `document.querySelector(".chart .u-over") !== null`)
		b.picture("executions", "dark")
		b.size(1280, 800, "light")
		b.drag(".chart .u-over", 0.2, 0.7)
		b.until("the times", `location.hash.includes("from=") && location.hash.includes("to=")`)
		b.see("Selected times")
	})
	story("executions by an expression", func() {
		b.visit("executions?function=flaky&status=Failed", "ValueError")
		b.fill("Where", "reason = timeout or duration >= 1h")
		b.see("No execution matches.", "--status Failed --where 'reason = timeout or duration >= 1h'")
		b.fill("Where", "duration >> 1h")
		b.see(`">" is not an operator, at column 10 of`, "duration takes >=, <=")
		b.until("the field is marked", `document.querySelector("[aria-label=Where]").getAttribute("aria-invalid") === "true" && document.querySelector("table") === null`)
		b.fill("Where", "not reason = error and version = 1 or reason = error")
		b.until("what failed", `document.querySelectorAll("tbody tr").length > 3 && document.querySelector("[role=alert]") === null`)
		b.fill("Where", "reason = error and version = 9")
		b.until("none", `document.body.innerText.includes("No execution matches.")`)
	})
	story("execution", func() {
		b.visit("executions/"+failed, "ValueError: bad n of a page", "raise ValueError", "n is 2", "Attempt 1")
		times := `[...document.querySelectorAll(".log time")].map((e) => e.innerText)`
		timed := `performance.getEntriesByType("resource").some((e) => /\/logs\?.*times=1/.test(e.name))`
		b.until("no times", times+".length === 0 && !"+timed)
		b.click("Times")
		b.until("a request for times", timed)
		b.until("the times of the lines", times+`.length === 1 && `+times+`.every((t) => /^\d\d:\d\d:\d\d\.\d\d\d$/.test(t))`)
		b.see("n is 2")
		b.click("Times")
		b.until("no times", times+".length === 0")
		b.picture("execution", "light")
	})
	againStory(b, failed, story)
	liveStory(b, s, story)
	logStory(b, s, story)
	hostileStory(b, s, story)
	cancelStory(b, s, story)
	story("jobs", func() {
		b.visit("jobs", "pages")
		b.visit("jobs/pages", canary, "nightly", "<b>scans</b>", "monday")
	})
	story("job execution", func() {
		b.visit("jobs/pages/monday", "300 tasks", "Failures by message", "100")
		b.until("the grid", `document.querySelector("canvas.grid").height > 20`)
		b.picture("job", "dark")
	})
	story("a task", func() {
		b.do(`(() => { const c = document.querySelector("canvas.grid"), {left, top} = c.getBoundingClientRect();
			c.dispatchEvent(new MouseEvent("click", {clientX: left + 12 * 5 + 3, clientY: top + 3, bubbles: true})); })()`)
		b.until("its execution", `location.hash.startsWith("#/executions/")`)
		b.see("n: 5", "ValueError: bad n of a page")
	})
	story("run tasks again", func() {
		b.visit("jobs/pages/monday", "100")
		b.click("Run failed tasks again")
		b.until("the new execution", `!location.hash.endsWith("/monday")`)
		b.see("100 tasks", "failed")
	})
	story("run a job", func() {
		b.visit("jobs/pages")
		b.click("Run")
		b.fill("Tasks, a JSON array", `[{"n": 1}, {"n": 3}]`)
		b.do(`document.querySelector("dialog form").requestSubmit()`)
		b.see("2 tasks", "succeeded")
	})
	nextStory(b, story)
	story("dead letters", func() {
		b.visit("deadletters", "https://127.0.0.1:9/")
		b.do(`document.querySelector("tbody a").click()`)
		b.see("Send again", "Why")
	})
	story("metrics", func() {
		b.visit("metrics", "Durations", "p99", "Waiting now")
		b.until("the charts", `document.querySelectorAll(".chart canvas").length === 2`)
		b.visit("metrics?function=resize", "60 runs", "v1/stats/?since=1h&function=resize")
	})
	accessStory(b, story)
	story("server", func() { b.visit("server", "Accepts new work", "Resident memory") })
	limitedStory(b, s, story)
	story("an address of somebody else", func() {
		const key = `Object.entries(localStorage).map(String).join()`
		before, asked := eval[string](b, key), b.asked.Load()
		b.refuses.Store(true)
		b.navigate("about:blank")
		b.navigate(s.Base + field(t, s.Must(t, "POST", "/console/ticket", ""), "path"))
		b.see("Log out")
		if after := eval[string](b, key); after != before || b.asked.Load() != asked+1 {
			t.Errorf("the session was %s and is %s; %d questions", before, after, b.asked.Load()-asked)
		}
		b.refuses.Store(false)
	})
	story("log out", func() {
		b.do(`sessionStorage.setItem("draft f", "secret")`)
		b.click("Log out")
		b.see("paste one here")
		if eval[int](b, "sessionStorage.length") != 0 {
			t.Error("drafts stay for the next user")
		}
		if eval[int](b, `fetch("/v1/functions/").then((r) => r.status)`) != 401 {
			t.Error("the session goes on")
		}
	})
}

// TestConsoleEditor writes functions in the console.
func TestConsoleEditor(t *testing.T) {
	b, s := use(t)
	newFunctionStory(b, b.story)
	hintsStory(b, b.story)
	argsStory(b, s, b.story)
}

// newFunctionStory writes a function, runs it, breaks it, and reads where it is broken.
func newFunctionStory(b *Browser, story func(string, func())) {
	story("new function", func() {
		b.visit("functions", "New function")
		b.click("New function")
		b.fill("Name", "greet")
		b.do(`document.querySelector("dialog form").requestSubmit()`)
		b.see("Not deployed yet")
		b.fill("name", "Ada")
		b.click("Deploy and run")
		b.see("greeting Ada", "Hello Ada", "in the sandbox", "version 1")
		b.picture("function", "light")
	})
	story("function", func() {
		b.write("def main(args, context):\n    return 1 +\n")
		b.press("s", chromedp.ModifierCtrl)
		b.see("line 2")
		b.until("the mark", `document.querySelector(".editor").shadowRoot.querySelector(".failed") !== null`)
		b.write("def main(args, context):\n    print(\"again\")\n    return {\"a\": args.get(\"name\"), \"b\": " + quoted(canary) + "}\n")
		b.press("\r", chromedp.ModifierCtrl)
		b.see("again", "not deployed", "version 1, changed", "<img src=x")
	})
	story("deploy", func() {
		b.press("s", chromedp.ModifierCtrl)
		b.see("version 2")
		b.click("Run")
		b.see("in the sandbox")
		b.click("Settings")
		b.fill("Timeout, seconds", "7")
		b.click("Save")
		b.see("7 s")
		b.click("Call it")
		b.see("fas functions run greet")
	})
	story("versions", func() {
		b.click("Versions")
		b.click("Compare version 1")
		b.see("From version 1 to version 3", `-    print("greeting", name)`, `+    print("again")`, "timeout: 60 → 7", "fas diff greet 1 3")
		b.click("Restore version 1")
		b.see("version 4")
		b.until("the restored code", `document.querySelector(".editor").shadowRoot.textContent.includes("greeting")`)
	})
}

// hostileStory looks at a function whose texts are markup.
func hostileStory(b *Browser, s *process.Server, story func(string, func())) {
	s.Deploy(b.t, "hostile", strings.ReplaceAll(flaky, "TEXT", quoted(canary)), "context", map[string]string{canary: "s3cret"})
	failed, good := s.Submit(b.t, "hostile", `{"n":2}`), s.Submit(b.t, "hostile", `{"n":1}`)
	for _, id := range []string{failed, good} {
		s.Must(b.t, "GET", "/v1/executions/"+id+"?wait=100", "")
	}
	story("hostile failure", func() { b.visit("executions/"+failed, "ValueError: bad n <img", "n is 2 <img", "raise ValueError") })
	story("hostile result", func() { b.visit("executions/"+good, "12345678901234567890", "n is 1 <img") })
	story("hostile failures", func() { b.visit("", "ValueError: bad n <img") })
	story("hostile function", func() {
		b.visit("functions/hostile?tab=settings", "<img src=x", "Remove")
		b.until("the code", `document.querySelector(".editor").shadowRoot?.textContent.includes("raise ValueError")`)
		if strings.Contains(eval[string](b, "document.documentElement.outerHTML"), "s3cret") {
			b.t.Error("the page has a secret")
		}
	})
}

// cancelStory cancels executions that run, one and all that wait.
func cancelStory(b *Browser, s *process.Server, story func(string, func())) {
	s.Deploy(b.t, "slow", process.SleepCode, "timeout", 300)
	var ids []string
	for range 3 {
		ids = append(ids, s.Submit(b.t, "slow", `{"seconds":200,"n":1}`))
	}
	story("queue", func() {
		b.visit("queue", "slow")
		b.click("Pause")
		b.see("Paused")
		if answer := s.Must(b.t, "GET", "/v1/functions/slow", ""); !strings.Contains(string(answer.Body), `"paused":true`) {
			b.t.Errorf("the function is not paused: %s", answer.Body)
		}
		b.visit("functions", "slow", "Paused")
		b.visit("functions/slow", "Paused")
		b.visit("queue", "slow", "Paused")
		b.click("Resume")
		b.until("the end of the pause", `!document.querySelector("main").innerText.includes("Paused")`)
		if answer := s.Must(b.t, "GET", "/v1/functions/slow", ""); !strings.Contains(string(answer.Body), `"paused":false`) {
			b.t.Errorf("the function is paused: %s", answer.Body)
		}
	})
	story("cancel", func() {
		b.visit("executions/"+ids[0], "slow")
		b.click("Cancel")
		b.see("Cancelled")
		b.visit("executions?function=slow", "slow")
		b.until("all of them", `document.querySelectorAll("tbody tr").length === 6`)
		b.do(`document.querySelector("[aria-label='Select all']").click()`)
		b.click("Cancel 2")
		b.until("the end", `[...document.querySelectorAll("tbody .status")].filter((e) => e.innerText === "Cancelled").length === 3`)
	})
	story("cancel all", func() {
		for range 3 {
			s.Submit(b.t, "slow", `{"seconds":200,"n":2}`)
		}
		b.visit("executions?function=slow&status=", "slow")
		b.until("all of them", `document.querySelectorAll("tbody tr").length === 9`)
		b.click("Cancel all waiting and running")
		b.see("Cancelling: 3 of 3 executions that matched, done")
		b.until("the end", `[...document.querySelectorAll("tbody .status")].filter((e) => e.innerText === "Cancelled").length === 6`)
	})
}

// accessStory creates a token and deletes it.
func accessStory(b *Browser, story func(string, func())) {
	story("access", func() {
		b.visit("access", "New token", "function.create")
		b.click("New token")
		b.fill("Name", "ci")
		b.do(`document.querySelector("dialog form").requestSubmit()`)
		b.see("it is not shown again", "fas_")
		b.do(`document.querySelector("dialog").close()`)
		b.see("ci")
		b.click("Delete ci")
		b.until("the token is gone", `![...document.querySelectorAll("td b")].some((e) => e.innerText === "ci")`)
	})
}

// picture writes a picture of the page for the documents.
func (b *Browser) picture(name, theme string) {
	b.t.Helper()
	if *screens == "" {
		return
	}
	b.size(1280, 800, theme)
	b.shoot(filepath.Join(*screens, name+".png"))
}

// shoot writes a picture of the page into a file.
func (b *Browser) shoot(path string) {
	b.t.Helper()
	b.do("new Promise((done) => setTimeout(done, 400))") // charts are drawn
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(path, png, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
