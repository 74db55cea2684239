//go:build linux

package customers

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/faaspot/faaspot/test/process"
)

// Functions that customers run.
const (
	NapCode = `import time
def main(args, context):
    print("run", args["n"])
    time.sleep(args["seconds"])
    return {"n": args["n"], "square": args["n"] ** 2}`
	RaiseCode = `def main(args, context): raise ValueError(args["n"])`
)

// submitOne starts one run in the background.
func (c *customer) submitOne() {
	if c.busy() {
		return
	}
	p := promise{kind: "run", function: "echo", n: int(c.n.Add(1)), born: c.current()}
	args := fmt.Sprintf(`{"n":%d}`, p.n)
	var headers []string
	switch c.rng.IntN(10) {
	case 0:
		p.function = "nap"
		args = fmt.Sprintf(`{"n":%d,"seconds":%.3f}`, p.n, c.rng.Float64()/20)
	case 1:
		p.function, p.raises = "raise", true
	case 2:
		p.function, p.raises, p.retries = "raise", true, 1
		headers = []string{"X-Retries", "1"}
	}
	if c.chance(40) {
		c.submitOnce(p, args, headers...)
		return
	}
	path, key := "/v1/functions/"+p.function+"/rpc/", c.key()
	r := c.insist("POST", path, args, append(headers, "Idempotency-Key", key)...)
	var id string
	if !c.taken(r, "POST", path, &id) {
		return
	}
	c.gave([]string{id}, []promise{p})
	if len(headers) == 0 {
		c.remember(keyed{path, args, key, string(r.Body)})
	}
}

// submitOnce starts one run without a key, of a function for such runs only. If the answer is lost,
// the run was accepted or not.
func (c *customer) submitOnce(p promise, args string, headers ...string) {
	p.function += "-once"
	path := "/v1/functions/" + p.function + "/rpc/"
	r, ok := c.try("POST", path, args, headers...)
	if !ok {
		c.unanswered(p, 1)
		return
	}
	var id string
	if c.taken(r, "POST", path, &id) {
		c.gave([]string{id}, []promise{p})
	}
}

// runAndWait sends a blocking run. With a key it is found again after a kill.
func (c *customer) runAndWait() {
	p := promise{kind: "run", function: "echo", n: int(c.n.Add(1)), born: c.current()}
	args := fmt.Sprintf(`{"n":%d}`, p.n)
	want := fmt.Sprintf(`{"n":%d,"square":%d}`, p.n, p.n*p.n)
	if c.chance(70) {
		r, ok := c.try("POST", "/v1/sync/functions/now/rpc/", args)
		if ok && (r.Status != http.StatusOK || string(r.Body) != want) {
			c.wrong("a blocking run was answered with %d %s, want %s", r.Status, r.Body, want)
		}
		return
	}
	r := c.insist("POST", "/v1/sync/functions/echo/rpc/", args, "Idempotency-Key", c.key())
	c.gave([]string{r.Header.Get("X-Execution-Id")}, []promise{p})
	if r.Status == http.StatusInternalServerError && (r.Code() == "internal" || r.Code() == "cancelled") {
		return // LookUp checks whether it may have been given up or cancelled
	}
	if r.Status == http.StatusGatewayTimeout && r.Code() == "unfinished" {
		c.Happened("blocking runs whose results came too late")
		return
	}
	if r.Status != http.StatusOK || string(r.Body) != want {
		c.wrong("a blocking run with a key was answered with %d %s, want %s", r.Status, r.Body, want)
	}
}

// cancelOne cancels one of the latest runs.
func (c *customer) cancelOne() {
	id, run := c.recent(c.rng.IntN)
	if !run || c.chance(50) {
		return
	}
	c.wanted(id)
	path := "/v1/executions/" + id
	tick := c.now()
	r, ok := c.try("DELETE", path, "")
	if !ok {
		return
	}
	var x process.Execution
	if !c.taken(r, "DELETE", path, &x) {
		return
	}
	// A run that has returned is not cancelled, although its end cannot be stored for a while.
	returned := c.Late && x.Changed != nil && !*x.Changed
	if x.Changed == nil || !x.Done() && !x.CancelRequested && !returned {
		c.wrong("a cancel was answered with %s", r.Body)
	}
	if x.Changed != nil && *x.Changed {
		c.Happened("cancels that made a difference")
	}
	// Remove the two fields that only answers to cancels have, to compare it with other answers.
	x.Text, _, _ = strings.Cut(x.Text, `,"changed":`)
	x.Text += "}"
	c.saw(x, tick)
}

// look reads executions, in one of several ways.
func (c *customer) look() {
	id, _ := c.recent(c.rng.IntN)
	if id == "" {
		return
	}
	ids := []string{id}
	method, path, body := "GET", "/v1/executions/"+id, ""
	switch c.rng.IntN(4) {
	case 0:
		path += "?wait=0.5"
	case 1:
		ids = c.Some(100, c.rng.IntN)
		text, _ := json.Marshal(ids) // strings
		method, path, body = "POST", "/v1/executions/bulk/", string(text)
	case 2:
		ids = nil
		path = "/v1/executions/?include_completed=True&limit=100"
	}
	tick := c.now()
	r, ok := c.try(method, path, body)
	if !ok {
		return
	}
	if r.Status == http.StatusOK && len(r.Body) > 0 && r.Body[0] == '{' {
		r.Body = []byte(process.JSONArray([]string{string(r.Body)}))
	}
	var all []process.Execution
	if !c.taken(r, method, path, &all) {
		return
	}
	for i, x := range all {
		if ids == nil && i > 0 && x.ID >= all[i-1].ID {
			c.wrong("%s is listed behind %s", x.ID, all[i-1].ID)
		}
		if ids != nil && (len(all) != len(ids) || x.ID != ids[i]) {
			c.wrong("requested %s, received %s, of %d", ids[min(i, len(ids)-1)], x.ID, len(all))
		}
		c.saw(x, tick)
	}
}

// follow follows the log of an execution until it or its server ends.
func (c *customer) follow() {
	id, _ := c.recent(c.rng.IntN)
	if id == "" {
		return
	}
	tick := c.now()
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	response, err := c.server().Open(ctx, "GET", "/v1/executions/"+id+"/logs?follow=1", "")
	if err != nil {
		return
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if lines.Text() != "event: end" || !lines.Scan() {
			continue
		}
		var x process.Execution
		if err := json.Unmarshal([]byte(strings.TrimPrefix(lines.Text(), "data: ")), &x); err != nil || !x.Done() {
			c.wrong("a stream ended with %s", lines.Text())
			return
		}
		c.Happened("streams read to their end")
		c.saw(x, tick)
	}
}

// bulkFunction is a function that only one customer runs, in bulk and without keys, so that its
// runs can be counted.
type bulkFunction struct {
	name string
	runs int // number of accepted runs
}

const (
	// fewRuns is the largest size of most bulks; some have up to manyRuns more.
	fewRuns, manyRuns = 40, 2_000
	// countedRuns is the number of runs after which a customer takes another bulkFunction.
	countedRuns = 1_000
)

// submitMany starts many runs at once, all or none.
func (c *customer) submitMany() {
	if c.busy() {
		return
	}
	size := 1 + c.rng.IntN(fewRuns)
	if c.chance(50) {
		c.submitCounted(size)
		return
	}
	if c.chance(5) {
		size += c.rng.IntN(manyRuns)
	}
	promises, body := c.bulkOf("echo", size)
	path, key := "/v1/functions/echo/bulk_rpc/", c.key()
	r := c.insist("POST", path, body, "Idempotency-Key", key)
	var ids []string
	if c.taken(r, "POST", path, &ids) {
		c.gave(ids, promises)
		c.remember(keyed{path, body, key, string(r.Body)})
	}
}

func (c *customer) bulkOf(function string, size int) (promises []promise, body string) {
	life := c.current()
	last := int(c.n.Add(int64(size)))
	promises = make([]promise, size)
	args := make([]string, size)
	for i := range promises {
		promises[i] = promise{kind: "run", function: function, n: last - size + 1 + i, born: life}
		args[i] = fmt.Sprintf(`{"n":%d}`, promises[i].n)
	}
	return promises, process.JSONArray(args)
}

// submitCounted starts a bulk without a key. If its answer is lost, it counts the runs of the
// function.
func (c *customer) submitCounted(size int) {
	if c.bulk.name == "" || c.bulk.runs > countedRuns {
		c.bulk = bulkFunction{name: fmt.Sprintf("bulk-%d", c.n.Add(1))}
		p := promise{kind: "create", function: c.bulk.name, born: c.current()}
		r := c.insist("PUT", "/v1/functions/", process.FunctionJSON(c.bulk.name, process.EchoCode), "Idempotency-Key", c.key())
		var id string
		if !c.taken(r, "PUT", "/v1/functions/", &id) {
			return
		}
		c.gave([]string{id}, []promise{p})
	}
	promises, body := c.bulkOf(c.bulk.name, size)
	path := "/v1/functions/" + c.bulk.name + "/bulk_rpc/"
	if r, ok := c.try("POST", path, body); ok {
		var ids []string
		if c.taken(r, "POST", path, &ids) {
			c.gave(ids, promises)
			c.bulk.runs += size
		}
		return
	}
	c.unanswered(promises[0], size)
	switch n := c.countRuns(c.bulk.name); n {
	case c.bulk.runs:
		c.Happened("bulks without an answer, not accepted")
	case c.bulk.runs + size:
		c.Happened("bulks without an answer, accepted")
	default:
		c.wrong("of a bulk of %d without an answer %d were accepted", size, n-c.bulk.runs)
	}
	c.bulk = bulkFunction{}
}

// countRuns counts the runs of a function in all pages of the list.
func (c *customer) countRuns(function string) (n int) {
	path := "/v1/executions/?" + url.Values{"include_completed": {"True"}, "function": {function}, "limit": {"400"}}.Encode()
	for path != "" {
		r := c.insist("GET", path, "")
		var page []process.Execution
		if !c.taken(r, "GET", path, &page) {
			return -1
		}
		for _, x := range page {
			if x.Kind == "run" {
				n++
			}
		}
		path = r.Next()
	}
	return n
}
