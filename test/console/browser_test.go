//go:build linux

package console

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/faaspot/faaspot/test/process"
)

// patience bounds every wait; nothing takes that long unless it is broken.
const patience = 30 * time.Second

// axePath is the script of axe-core, from the folder of this package.
const axePath = "../../httpapi/console/node_modules/axe-core/axe.min.js"

// axe returns the script of axe-core. Without it, or Chromium, the test is skipped, or fails in CI.
func axe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(axePath))
	if err == nil {
		_, err = exec.LookPath("chromium")
	}
	if err == nil {
		return string(text)
	}
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// Browser is a tab of Chromium that has the cookies of no other.
type Browser struct {
	t    *testing.T
	ctx  context.Context
	base string // URL of the server
	axe  string

	refuses  atomic.Bool  // dialogs, in place of accepting them
	asked    atomic.Int32 // dialogs
	mu       sync.Mutex
	problems []string // violations of the policy, exceptions, and requests to other servers
}

// open starts Chromium with an empty tab. At the end of the test there must have been no problems.
func open(t *testing.T, base string) *Browser {
	b := &Browser{t: t, base: base, axe: axe(t)}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocated)
	b.ctx = ctx
	t.Cleanup(func() {
		cancel() // ends the browser, too
		stop()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, p := range b.problems {
			t.Error(p)
		}
	})
	if err := chromedp.Listen(ctx, b.watch); err != nil {
		t.Fatal(err)
	}
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	call(b, page.Enable, page.EnableParams{})
	return b
}

// use starts a server, and logs in to its console. Without a browser it skips the test.
func use(t *testing.T) (*Browser, *process.Server) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes a browser")
	}
	axe(t) // or skips
	s := process.NewSite(t, "--public-url", "").Serve(t)
	b := open(t, s.Base)
	b.size(1280, 800, "light")
	b.navigate(s.Base + field(t, s.Must(t, "POST", "/console/ticket", ""), "path"))
	b.see("Latest executions")
	return b, s
}

// story uses the console and checks the page at which that ends. After a failure it does nothing: a page that hangs would
// take its patience for each story.
func (b *Browser) story(name string, f func()) {
	b.t.Helper()
	if !b.t.Failed() {
		f()
		b.checkEverywhere(name)
	}
}

// watch records problems, and answers dialogs.
func (b *Browser) watch(event any) {
	problem := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		// A response with an error status is an entry too.
		if e.Entry.Source != log.EntrySourceNetwork && e.Entry.Level == log.EntryLevelError {
			problem = fmt.Sprintf("%s: %s\n%s", e.Entry.Source, e.Entry.Text, asJSON(e.Entry))
		}
	case *cdpruntime.EventExceptionThrown:
		problem = "an exception: " + asJSON(e.ExceptionDetails)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, b.base+"/") && !strings.HasPrefix(e.Request.URL, "about:") {
			problem = "a request to " + e.Request.URL
		}
	case *page.EventJavascriptDialogOpening:
		b.asked.Add(1)
		go call(b, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: !b.refuses.Load()}) // the listener must not block
	}
	if problem != "" {
		b.mu.Lock()
		b.problems = append(b.problems, problem)
		b.mu.Unlock()
	}
}

// call sends a command to the browser.
func call[P, R any](b *Browser, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	r, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.t.Error(err)
	}
	return r
}

// eval returns the value of an expression, awaited if it is a promise.
func eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// do evaluates an expression for what it does.
func (b *Browser) do(expression string) {
	b.t.Helper()
	eval[chromedp.Void](b, expression)
}

// navigate opens an address.
func (b *Browser) navigate(address string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(address)); err != nil {
		b.t.Fatal(err)
	}
}

// insert writes a text into what has the focus.
func (b *Browser) insert(text string) {
	b.t.Helper()
	call(b, input.InsertText, input.InsertTextParams{Text: text})
}

// until waits until an expression is true.
func (b *Browser) until(what, expression string) {
	b.t.Helper()
	end := time.Now().Add(patience)
	safe := "(() => { try { return Boolean(" + expression + "); } catch { return false; } })()" // a part of the page may be missing yet
	for !eval[bool](b, safe) {
		if time.Now().After(end) {
			b.t.Fatalf("%s never came; the page is %s\n%s", what, eval[string](b, "location.href"), eval[string](b, "document.body.innerText"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func asJSON(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// quoted returns a text as a literal of JavaScript.
func quoted(text string) string { return asJSON(text) }

// see waits until the page shows texts.
func (b *Browser) see(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf("%q", text), "document.body.innerText.includes("+quoted(text)+")")
	}
}

// visit opens a view and waits until it shows texts.
func (b *Browser) visit(view string, texts ...string) {
	b.t.Helper()
	b.do("location.hash = " + quoted("#/"+view))
	b.see(texts...)
}

// named is an expression for the first element with a role of HTML and a name that begins with a text.
func named(selector, name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(%s)].find((e) => !e.disabled && (e.getAttribute("aria-label") ?? e.innerText ?? "").trim().startsWith(%s))`, quoted(selector), quoted(name))
}

// click clicks the first button or link with a name, once there is one.
func (b *Browser) click(name string) {
	b.t.Helper()
	const selector = "button, a, [role=option]"
	b.until("the button "+name, named(selector, name)+" !== undefined")
	b.do(named(selector, name) + ".click()")
}

// fill replaces the text of the field with a label.
func (b *Browser) fill(label, text string) {
	b.t.Helper()
	field := fmt.Sprintf(`([...document.querySelectorAll("label.field")].find((l) => l.innerText.trim().startsWith(%s))?.querySelector("input, textarea, select") ?? document.querySelector("[aria-label=" + JSON.stringify(%s) + "]"))`, quoted(label), quoted(label))
	b.until("the field "+label, field+" != null")
	b.do(field + ".focus(); " + field + ".select?.()")
	b.insert(text)
	b.do(field + `.dispatchEvent(new Event("change", {bubbles: true}))`)
}

// write replaces the text of the editor.
func (b *Browser) write(code string) {
	b.t.Helper()
	const editor = `document.querySelector(".editor").shadowRoot?.querySelector(".cm-content")`
	b.until("the editor", editor+" != null")
	b.do(editor + ".focus()")
	b.press("a", chromedp.ModifierCtrl)
	b.insert(code)
}

// press presses a key.
func (b *Browser) press(key string, modifiers chromedp.Modifier) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.KeyEvent(key, chromedp.KeyModifiers(modifiers))); err != nil {
		b.t.Fatal(err)
	}
}

// drag drags the mouse over an element, between two parts of its width.
func (b *Browser) drag(selector string, from, to float64) {
	b.t.Helper()
	box := eval[[]float64](b, "(({left, top, width, height}) => [left, top, width, height])(document.querySelector("+quoted(selector)+").getBoundingClientRect())")
	for _, step := range []struct {
		kind input.DispatchMouseEventType
		at   float64
	}{{input.DispatchMouseEventTypeMousePressed, from}, {input.DispatchMouseEventTypeMouseMoved, (from + to) / 2}, {input.DispatchMouseEventTypeMouseMoved, to}, {input.DispatchMouseEventTypeMouseReleased, to}} {
		call(b, input.DispatchMouseEvent, input.DispatchMouseEventParams{
			Type: step.kind, X: box[0] + box[2]*step.at, Y: box[1] + box[3]/2, Button: input.MouseButtonLeft, Buttons: 1, ClickCount: 1,
		})
	}
}

// size sets the size of the window and its theme, light or dark.
func (b *Browser) size(width, height int64, theme string) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// check checks the page by axe-core, and that nothing of it was run or became markup.
func (b *Browser) check(name string) {
	b.t.Helper()
	if eval[bool](b, "typeof axe === 'undefined'") {
		b.do(b.axe + "; undefined")
	}
	// Without preload: false, axe-core adds style elements, which the policy refuses.
	found := eval[[]string](b, `axe.run(document, {preload: false, runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
		.then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html.slice(0, 160) + " " + (n.any[0]?.message ?? n.failureSummary))))`)
	for _, problem := range found {
		b.t.Errorf("%s: %s", name, problem)
	}
	if eval[bool](b, `window.pwned !== undefined || document.querySelector("img, iframe, main script, [onerror]") !== null`) {
		b.t.Errorf("%s: a text became markup", name)
	}
}

// checkEverywhere checks the page in both themes, and that it fits a window of 375 pixels.
func (b *Browser) checkEverywhere(name string) {
	b.t.Helper()
	b.size(375, 700, "dark")
	b.check(name + ", dark")
	if width := eval[int](b, "document.documentElement.scrollWidth"); width > 375 {
		b.t.Errorf("%s is %d pixels wide in a window of 375", name, width)
	}
	if *walk != "" {
		b.size(375, 1600, "dark")
		b.shoot(filepath.Join(*walk, name+" narrow.png"))
		b.size(1280, 1100, "light")
		b.shoot(filepath.Join(*walk, name+" wide.png"))
	}
	b.size(1280, 800, "light")
	b.check(name + ", light")
}
