//go:build linux

package console

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
