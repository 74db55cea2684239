//go:build linux

package customers

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/process"
)

const (
	// taskCode is the function of the job of the customers. Some of its tasks fail.
	taskCode = `def main(args, context):
    if args["n"] % 5 == 0: raise ValueError(args["n"])
    return {"n": args["n"], "square": args["n"] ** 2}`
	taskRetries = 1
	mostTasks   = 30

	jobsPath = "/v0/jobs/squares/executions"
)

// jobPromise is an execution of the job whose id a customer has received. Its tasks are promises of their own.
type jobPromise struct {
	tasks  []string // ids
	cancel bool     // a customer may have cancelled it

	last    jobExecution
	history []porcupine.Operation
}

// jobExecution is an execution of a job as the server renders it.
type jobExecution struct {
	Metadata struct {
		UUID string `json:"uuid"`
	} `json:"metadata"`
	Status string `json:"status"`
	Stats  struct {
		Total     int `json:"total"`
		Success   int `json:"success"`
		Failure   int `json:"failure"`
		Cancelled int `json:"cancelled"`
	} `json:"stats"`
}

func (x *jobExecution) ended() int { return x.Stats.Success + x.Stats.Failure + x.Stats.Cancelled }

func (x *jobExecution) done() bool {
	return slices.Contains([]string{"succeeded", "failed", "cancelled"}, x.Status)
}

// observe returns what is seen of an execution of a job: its states never go backwards, and in each of them tasks end.
func (x *jobExecution) observe(seed maphash.Seed) observation {
	o := observation{rank: slices.Index([]string{"queued", "pending", "running", "cancelling"}, x.Status)*(runtime.MaxBulk+1) + x.ended(), cancel: x.Status == "cancelling"}
	if x.done() {
		o.rank, o.end = math.MaxInt, maphash.String(seed, fmt.Sprint(*x))
	}
	return o
}

// useJob starts an execution of the job, or looks at one, or cancels one.
func (c *customer) useJob() {
	switch id := c.recentJob(c.rng.IntN); {
	case id == "" || c.chance(30) && !c.busy():
		c.startJob()
	case c.chance(10):
		c.mu.Lock()
		c.jobs[id].cancel = true
		c.mu.Unlock()
		c.askForJob("DELETE", id)
	default:
		c.askForJob("GET", id)
	}
}

// startJob starts an execution of the job.
func (c *customer) startJob() {
	promises, body := c.bulkOf("task", 1+c.rng.IntN(mostTasks))
	body = fmt.Sprintf(`{"tasks":%s}`, body)
	key := c.key()
	r := c.insist("POST", jobsPath, body, "Idempotency-Key", key)
	var x struct{ ExecutionID string }
	if !c.taken(r, "POST", jobsPath, &x) {
		return
	}
	ids := make([]string, len(promises))
	for i := range promises {
		p := &promises[i]
		ids[i], p.retries, p.raises, p.job = runtime.TaskID(x.ExecutionID, i), taskRetries, p.n%5 == 0, true
	}
	c.gave(ids, promises)
	c.remember(keyed{jobsPath, body, key, string(r.Body)})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs[x.ExecutionID] = &jobPromise{tasks: ids}
	c.jobIDs = append(c.jobIDs, x.ExecutionID)
}

// askForJob reads or cancels an execution of the job.
func (c *customer) askForJob(method, id string) {
	tick, path := c.now(), jobsPath+"/"+id
	r, ok := c.try(method, path, "")
	var x jobExecution
	if ok && c.taken(r, method, path, &x) {
		c.sawJob(id, x, tick)
	}
}

// recentJob returns the id of one of the latest executions of the job, empty if there is none.
func (l *ledger) recentJob(pick func(n int) int) string {
	const last = 5
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.jobIDs) == 0 {
		return ""
	}
	return l.jobIDs[len(l.jobIDs)-1-pick(min(last, len(l.jobIDs)))]
}

// sawJob records what was seen of an execution of the job, which was requested after the given tick.
func (l *ledger) sawJob(id string, x jobExecution, tick int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.jobs[id]
	if x.Metadata.UUID != id || x.Stats.Total != len(j.tasks) || x.ended() > len(j.tasks) || x.done() && x.ended() != len(j.tasks) {
		l.breach("the execution %s of a job with %d tasks is %+v", id, len(j.tasks), x)
	}
	j.history = append(j.history, l.operation(tick, x.observe(l.seed)))
	j.last = x
}

// checkJobs compares the counts of all executions of the job with its tasks, which are done.
func (l *Load) checkJobs(t *testing.T, server *process.Client) {
	t.Helper()
	for _, id := range l.jobIDs {
		tick := l.now()
		x := process.Decode[jobExecution](t, read(t, server, "GET", jobsPath+"/"+id+"?wait=60", ""))
		l.sawJob(id, x, tick)
		j := l.jobs[id]
		statuses := map[string]int{}
		for _, task := range j.tasks {
			statuses[l.promises[task].status]++
		}
		want := "succeeded"
		switch {
		case j.cancel && x.Status == "cancelled" || statuses[process.Cancelled] == len(j.tasks):
			want = "cancelled"
		case statuses[process.Failed] > 0:
			want = "failed"
		}
		if s := x.Stats; x.Status != want || s.Success != statuses[process.Success] || s.Failure != statuses[process.Failed] || s.Cancelled != statuses[process.Cancelled] {
			l.wrong("the execution %s of a job is %+v, want %s, its tasks are %v", id, x, want, statuses)
		}
		l.Happened("executions of jobs: " + x.Status)
	}
}
