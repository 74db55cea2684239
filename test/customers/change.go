//go:build linux

package customers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/faaspot/faaspot/test/process"
)

// ownFunction is the state of a function that only one customer changes.
type ownFunction struct {
	there   bool
	version int
	mark    int // number in its code: the generation times marksOf plus the number of updates
}

func (c *customer) ownName() string { return fmt.Sprintf("own-%d-%d", c.number, c.owns) }

// changeOwn checks that the customer's function is unchanged since the last step, and then changes
// or runs it.
func (c *customer) changeOwn() {
	now, ok := c.readOwn()
	if !ok {
		return
	}
	if now != c.own {
		c.wrong("%s is %+v, it was left as %+v", c.ownName(), now, c.own)
		c.own = now
	}
	switch after := c.own; {
	case !c.own.there:
		after = ownFunction{true, 1, (c.own.mark/marksOf + 1) * marksOf}
		c.changeTo(after, "create", "PUT", "/v1/functions/", process.FunctionJSON(c.ownName(), markedCode(after.mark)))
	case c.chance(50):
		c.runOwn()
	case c.chance(20):
		after.there = false
		c.changeTo(after, "delete", "DELETE", "/v1/functions/"+c.ownName(), "")
	case after.mark%marksOf < marksOf-1:
		after.version++
		after.mark++
		c.changeTo(after, "update", "PATCH", "/v1/functions/"+c.ownName(), process.FunctionJSON("", markedCode(after.mark)))
	}
}

func markedCode(mark int) string {
	return fmt.Sprintf("def main(args, context): return {'n': args['n'], 'square': args['n'] ** 2, 'mark': %d}", mark)
}

// changeTo sends one change. With a key it is sent until it is answered, and made once. Without a
// key, if the answer is lost, it was made or not.
func (c *customer) changeTo(after ownFunction, kind, method, path, body string) {
	p := promise{kind: kind, function: c.ownName(), born: c.current()}
	if c.chance(60) {
		c.changed(p, after, c.insist(method, path, body, "Idempotency-Key", c.key()), method, path)
		return
	}
	if r, ok := c.try(method, path, body); ok {
		c.changed(p, after, r, method, path)
		return
	}
	c.unanswered(p, 1)
	switch now, ok := c.readOwn(); {
	case ok && now == after:
		c.own = after
		c.Happened("changes without an answer, made")
	case ok && now == c.own:
		c.Happened("changes without an answer, not made")
	case ok:
		c.wrong("%s is %+v after a change without an answer from %+v to %+v", c.ownName(), now, c.own, after)
	}
	if c.Late { // nobody knows when it is made
		c.own = ownFunction{}
		c.owns++
	}
}

// changed records an acknowledged change.
func (c *customer) changed(p promise, after ownFunction, r process.Reply, method, path string) {
	var id string
	if c.taken(r, method, path, &id) {
		c.own = after
		c.gave([]string{id}, []promise{p})
	}
}

// readOwn reads the customer's function.
func (c *customer) readOwn() (now ownFunction, ok bool) {
	path := "/v1/functions/" + c.ownName()
	r := c.insist("GET", path+"?encoding=plain", "")
	if r.Status == http.StatusNotFound {
		// The last known state, but deleted.
		now = c.own
		now.there = false
		return now, true
	}
	var f struct {
		Code    string `json:"code"`
		Version int    `json:"version"`
	}
	if !c.taken(r, "GET", path, &f) {
		return now, false
	}
	now = ownFunction{there: true, version: f.Version}
	_, mark, _ := strings.Cut(f.Code, "'mark': ")
	if err := json.Unmarshal([]byte(strings.TrimSuffix(mark, "}")), &now.mark); err != nil {
		c.wrong("the code of %s is %q", c.ownName(), f.Code)
	}
	return now, true
}

// runOwn runs the customer's function in the background.
func (c *customer) runOwn() {
	p := promise{kind: "run", function: c.ownName(), n: int(c.n.Add(1)), born: c.current(), mark: c.own.mark, deleted: true}
	path := "/v1/functions/" + p.function + "/rpc/"
	r := c.insist("POST", path, fmt.Sprintf(`{"n":%d}`, p.n), "Idempotency-Key", c.key())
	var id string
	if c.taken(r, "POST", path, &id) {
		c.gave([]string{id}, []promise{p})
	}
}

// updateAndRun updates the customer's second function, and then runs it on each server. One that was ready after the update
// was answered runs no earlier version.
func (c *customer) updateAndRun() {
	name := fmt.Sprintf("%s%d", freshPrefix, c.number)
	c.mark++
	p := promise{kind: "update", function: name, born: c.current()}
	method, path, body := "PATCH", "/v1/functions/"+name, process.FunctionJSON("", markedCode(c.mark))
	if c.mark == 1 {
		p.kind = "create"
		method, path, body = "PUT", "/v1/functions/", process.FunctionJSON(name, markedCode(c.mark))
	}
	var id string
	if !c.taken(c.insist(method, path, body, "Idempotency-Key", c.key()), method, path, &id) {
		return
	}
	c.gave([]string{id}, []promise{p})
	for _, server := range c.servers() {
		ready, ok := c.tryAt(server, "GET", "/readyz", "")
		if !ok || ready.Status != http.StatusOK {
			c.Happened(notCompared)
			continue
		}
		n := c.n.Add(1)
		r, ok := c.tryAt(server, "POST", "/v1/sync/functions/"+name+"/rpc", fmt.Sprintf(`{"n":%d}`, n))
		if !ok {
			c.Happened(notCompared)
			continue
		}
		var o product
		if r.Status != http.StatusOK || json.Unmarshal(r.Body, &o) != nil || o.Mark != c.mark {
			c.wrong("after update %d of %s, a server that was ready answered a run with %d %s", c.mark, name, r.Status, r.Body)
		}
		c.Happened(Compared)
	}
}

const (
	freshPrefix = "fresh-" // of functions that updateAndRun changes
	// Compared counts runs right after an update, on a server that was ready.
	Compared    = "runs after an update, on a server that was ready"
	notCompared = "runs after an update, on a server that was not"
)
