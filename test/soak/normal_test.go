//go:build linux

package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

const (
	// echoCode sees nothing of other runs: seen is always 1.
	echoCode = `SEEN = []
def main(args, context):
    SEEN.append(args["n"])
    print("run", args["n"])
    return {"n": args["n"], "square": args["n"] ** 2, "seen": len(SEEN)}`
	waitCode = `import asyncio
async def main(args, context):
    await asyncio.sleep(0.2)
    return args["n"]`
)

// prepare deploys what the customers use.
func (w *world) prepare() {
	w.server.Deploy(w.t, "echo", echoCode)
	w.server.Deploy(w.t, "wait", waitCode)
	w.server.Deploy(w.t, "own", ownCode(0))
	w.server.Must(w.t, "POST", "/v0/jobs", `{"metadata":{"name":"steady"},"spec":{"function":"echo","runtime":{"maxRetries":0}}}`)
}

func ownCode(version int) string {
	return fmt.Sprintf("def main(args, context): return %d", version)
}

func answerOfEcho(n int) string { return fmt.Sprintf(`{"n":%d,"square":%d,"seen":1}`, n, n*n) }

// customers are the kinds of normal use. A step fails with an error if an answer is wrong.
var customers = []struct {
	what string
	step func(*customer) error
}{
	{"right results of blocking runs", (*customer).blocking},
	{"right results and logs of background runs", (*customer).background},
	{"right results of bulks", (*customer).bulk},
	{"results of the version that was just deployed", (*customer).redeploy},
	{"right results of runs that wait", (*customer).wait},
	{"right counts of executions of a job", (*customer).job},
}

// customer is a client that uses the server as intended.
type customer struct {
	*world
	client *process.Client
	rng    *rand.Rand
	n      int // unique in the round
	own    int // version of its function
}

// customerAddress is where customers come from. Hostile clients come from 127.0.0.1.
var customerAddress = net.IPv4(127, 0, 0, 2)

func (w *world) newCustomer(number int) *customer {
	return &customer{
		world: w, client: process.NewClientFrom(w.server.Base, w.server.Token, customerAddress),
		rng: rand.New(rand.NewPCG(uint64(w.rounds), uint64(number))), n: w.rounds * 1_000_000 * (number + 1), own: w.rounds * 1_000_000,
	}
}

// serve takes steps until ctx ends. A step that has begun is completed.
func (c *customer) serve(ctx context.Context, what string, step func(*customer) error) {
	defer c.client.Close()
	for pause(ctx, time.Duration(c.rng.IntN(100))*time.Millisecond) {
		c.n++
		if err := step(c); err != nil {
			c.t.Errorf("a customer did not get %s: %v", what, err)
			return
		}
		c.happened(what)
	}
}

func (c *customer) ask(method, path, body string, headers ...string) ([]byte, error) {
	return c.world.ask(c.client, method, path, body, headers...)
}

// await waits until an execution is done.
func (c *customer) await(id string) (x process.Execution, err error) {
	for deadline := time.Now().Add(process.Patience); time.Now().Before(deadline); {
		text, err := c.ask("GET", "/v1/executions/"+id+"?wait=20", "")
		if err == nil {
			err = json.Unmarshal(text, &x)
		}
		if err != nil || x.Done() {
			return x, err
		}
	}
	return x, fmt.Errorf("%s does not end: %s", id, x.Text)
}

// want returns an error unless an execution succeeded with an output.
func want(x process.Execution, output string) error {
	if x.Status != process.Success || string(x.Output) != output {
		return fmt.Errorf("%s, want %s", x.Text, output)
	}
	return nil
}

func (c *customer) blocking() error {
	got, err := c.ask("POST", "/v1/sync/functions/echo/rpc/", fmt.Sprintf(`{"n":%d}`, c.n))
	if err == nil && string(got) != answerOfEcho(c.n) {
		err = fmt.Errorf("%s for n = %d", got, c.n)
	}
	return err
}

// submit starts something under a key of its own, so that a lost answer can be asked for again.
func (c *customer) submit(path, body string, into any) error {
	text, err := c.ask("POST", path, body, "Idempotency-Key", fmt.Sprint("key ", path, c.n))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	return err
}

func (c *customer) background() error {
	var id string
	if err := c.submit("/v1/functions/echo/rpc/", fmt.Sprintf(`{"n":%d}`, c.n), &id); err != nil {
		return err
	}
	x, err := c.await(id)
	if err == nil {
		err = want(x, answerOfEcho(c.n))
	}
	if err != nil {
		return err
	}
	log, err := c.ask("GET", "/v1/executions/"+id+"/logs?format=raw", "")
	if err == nil && string(log) != fmt.Sprintf("run %d\n", c.n) {
		err = fmt.Errorf("the log of run %d is %q", c.n, log)
	}
	return err
}

func (c *customer) bulk() error {
	const many = 20
	args := make([]string, many)
	for i := range args {
		c.n++
		args[i] = fmt.Sprintf(`{"n":%d}`, c.n)
	}
	var ids []string
	if err := c.submit("/v1/functions/echo/bulk_rpc/", process.JSONArray(args), &ids); err != nil {
		return err
	}
	for i, id := range ids {
		x, err := c.await(id)
		if err == nil {
			err = want(x, answerOfEcho(c.n-many+1+i))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *customer) redeploy() error {
	c.own++
	if _, err := c.ask("PATCH", "/v1/functions/own", process.FunctionJSON("", ownCode(c.own))); err != nil {
		return err
	}
	got, err := c.ask("POST", "/v1/sync/functions/own/rpc/", "{}")
	if err == nil && string(got) != fmt.Sprint(c.own) {
		err = fmt.Errorf("%s of version %d", got, c.own)
	}
	return err
}

func (c *customer) wait() error {
	got, err := c.ask("POST", "/v1/sync/functions/wait/rpc/", fmt.Sprintf(`{"n":%d}`, c.n))
	if err == nil && string(got) != fmt.Sprint(c.n) {
		err = fmt.Errorf("%s for n = %d", got, c.n)
	}
	return err
}

func (c *customer) job() error {
	var started struct {
		ID string `json:"executionId"`
	}
	if err := c.submit("/v0/jobs/steady/executions", `{"tasks":[{"n":1},{"n":2},{"n":3}]}`, &started); err != nil {
		return err
	}
	for deadline := time.Now().Add(process.Patience); ; {
		text, err := c.ask("GET", "/v0/jobs/steady/executions/"+started.ID+"?wait=20", "")
		if err != nil {
			return err
		}
		var x struct {
			Stats struct{ Success, Failure, Cancelled, Total int }
		}
		if err := json.Unmarshal(text, &x); err != nil {
			return err
		}
		if x.Stats.Success == 3 {
			return nil
		}
		if x.Stats.Failure+x.Stats.Cancelled > 0 || strings.Contains(string(text), `"failed"`) || time.Now().After(deadline) {
			return fmt.Errorf("the execution of the job: %.1000s", text)
		}
	}
}
