package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// target is what wrk sends requests to.
type target struct {
	process     *process // the server, whose processor time is measured
	url         string   // with NUMBER in place of a function's number if there are several
	token       string   // empty for none
	body        string
	functions   int // requests go to as many functions at random, which are numbered from 0; 0 for a URL without a number
	connections int
}

// numberInURL is replaced in a target's URL by the number of a function.
const numberInURL = "NUMBER"

// blockingTarget returns a target that waits for runs of a function.
func (s *server) blockingTarget(name, args string) target {
	return target{
		process: s.process, url: "http://" + s.address + "/v1/sync/functions/" + name + "/rpc/", token: s.token, body: args,
		connections: blockingConnections,
	}
}

// queueTarget returns a target that submits background runs of a function.
func (s *server) queueTarget(name, args string) target {
	return target{
		process: s.process, url: "http://" + s.address + "/v1/functions/" + name + "/rpc/", token: s.token, body: args,
		connections: acceptClients,
	}
}

// loads are the results of loads on one target.
type loads struct {
	rates     []float64 // responses per second, of each load
	responses int
	usage     usage
}

// rate returns the median of the loads' rates.
func (r *loads) rate() float64 { return median(r.rates) }

// cpu returns the server's processor time per response.
func (r *loads) cpu() time.Duration { return r.usage.server / time.Duration(r.responses) }

// measure sends requests to a target for a length of time by wrk, and adds the result. All responses
// must be successful.
func (r *loads) measure(ctx context.Context, l *lab, t target, length time.Duration) error {
	var rate float64
	var responses int
	used, err := t.process.observe(wrkThreads, func() (err error) {
		rate, responses, err = l.wrk(ctx, t, length)
		return err
	})
	if err != nil {
		return err
	}
	r.rates, r.responses, r.usage = append(r.rates, rate), r.responses+responses, r.usage.add(used)
	return nil
}

// wrkThreads is the number of threads of wrk.
const wrkThreads = 1

// wrk sends requests to a target for a length of time, and returns the successful responses per second,
// and how many there were.
func (l *lab) wrk(ctx context.Context, t target, length time.Duration) (rate float64, responses int, err error) {
	dir, err := l.peersFolder()
	if err != nil {
		return 0, 0, err
	}
	text, err := output(ctx, "", "wrk",
		"--threads", strconv.Itoa(wrkThreads), "--connections", strconv.Itoa(t.connections), "--duration", length.String(),
		"--script", filepath.Join(dir, "post.lua"), t.url, "--", t.token, t.body, strconv.Itoa(t.functions))
	if err != nil {
		return 0, 0, err
	}
	return parseWrk(string(text))
}

// parseWrk returns the rate and the number of responses in wrk's output.
func parseWrk(text string) (rate float64, responses int, err error) {
	if strings.Contains(text, "Non-2xx") {
		return 0, 0, fmt.Errorf("wrk got responses that were not successful: %s", tail([]byte(text)))
	}
	_, rest, _ := strings.Cut(text, "Requests/sec:")
	line, _, _ := strings.Cut(rest, "\n")
	rate, err = strconv.ParseFloat(strings.TrimSpace(line), 64)
	if before, _, ok := strings.Cut(text, " requests in "); ok && err == nil {
		responses, err = strconv.Atoi(strings.TrimSpace(before[strings.LastIndexByte(before, '\n')+1:]))
	}
	if err != nil || rate <= 0 || responses <= 0 {
		return 0, 0, fmt.Errorf("wrk printed no rate: %s", tail([]byte(text)))
	}
	return rate, responses, nil
}
