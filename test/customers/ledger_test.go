//go:build linux

package customers

import (
	"net/http"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// A ledger of one run with the key k: answers that cannot all be true are found, and others are not taken for such.
func TestAnswersThatCannotAllBeTrue(t *testing.T) {
	const id = "an id"
	x := func(status string, attempts int, output string) process.Execution {
		return process.Execution{ID: id, Name: "echo", Kind: "run", Status: status, Attempts: attempts, Output: []byte(output), Text: status + output}
	}
	started, success := x(process.Started, 1, ""), x(process.Success, 1, `{"n":3,"square":9}`)
	cancelling := started
	cancelling.CancelRequested = true
	key := func(l *ledger, status int, id, replayed string) {
		l.usedKey("k", l.now(), process.Reply{Status: status, Header: http.Header{"X-Execution-Id": {id}, "Idempotency-Replayed": {replayed}}}, status != 0)
	}
	for name, test := range map[string]struct {
		answers func(l *ledger)
		want    string // part of the breach, empty for none
	}{
		"one after the other": {func(l *ledger) {
			l.saw(x(process.Pending, 0, ""), l.now())
			l.saw(started, l.now())
			l.saw(success, l.now())
			l.saw(success, l.now())
		}, ""},
		"asked at once": {func(l *ledger) {
			tick := l.now()
			l.saw(success, l.now())
			l.saw(started, tick)
		}, ""},
		"it is lost":           {func(l *ledger) { l.saw(x(process.NotFound, 0, ""), l.now()) }, "lost"},
		"it steps back":        {func(l *ledger) { l.saw(started, l.now()); l.saw(x(process.Pending, 0, ""), l.now()) }, "no order"},
		"it ends and goes on":  {func(l *ledger) { l.saw(success, l.now()); l.saw(started, l.now()) }, "has changed"},
		"a cancel is lost":     {func(l *ledger) { l.wanted(id); l.saw(cancelling, l.now()); l.saw(started, l.now()) }, "no order"},
		"nobody cancelled it":  {func(l *ledger) { l.saw(x(process.Cancelled, 1, "null"), l.now()) }, "no customer"},
		"too many attempts":    {func(l *ledger) { l.saw(x(process.Success, 2, `{"n":3,"square":9}`), l.now()) }, "1 to 1 attempts"},
		"an attempt was lost":  {func(l *ledger) { l.Begin(); l.saw(x(process.Success, 2, `{"n":3,"square":9}`), l.now()) }, ""},
		"another result":       {func(l *ledger) { l.saw(x(process.Success, 1, `{"n":3,"square":8}`), l.now()) }, "does not belong"},
		"a key twice":          {func(l *ledger) { key(l, 200, "a", ""); key(l, 200, "b", "") }, "no order"},
		"a key of another run": {func(l *ledger) { key(l, 200, "a", ""); key(l, 200, "b", "true") }, "no order"},
		"a key that conflicts": {func(l *ledger) { key(l, 409, "", ""); key(l, 200, "a", "") }, "no order"},
		"a key again":          {func(l *ledger) { key(l, 0, "", ""); key(l, 400, "", ""); key(l, 200, "a", "true"); key(l, 409, "", "") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			l.gave([]string{id}, []promise{{kind: "run", function: "echo", n: 3}})
			test.answers(l)
			l.checkHistories()
			if all := strings.Join(l.broken, "\n"); all == "" && test.want != "" || all != "" && test.want == "" || !strings.Contains(all, test.want) {
				t.Errorf("%q, want %q", all, test.want)
			}
		})
	}
}
