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
	dir, err := l.peersFolder()
	if err != nil {
		return err
	}
	const threads = 1
	args := []string{
		"--threads", strconv.Itoa(threads), "--connections", strconv.Itoa(t.connections), "--duration", length.String(),
		"--script", filepath.Join(dir, "post.lua"), t.url, "--", t.token, t.body, strconv.Itoa(t.functions),
	}
	var text []byte
	used, err := t.process.observe(threads, func() error {
		text, err = output(ctx, "", "wrk", args...)
		return err
	})
	if err != nil {
		return err
	}
	rate, responses, err := parseWrk(string(text))
	if err != nil {
		return err
	}
	r.rates, r.responses, r.usage = append(r.rates, rate), r.responses+responses, r.usage.add(used)
	return nil
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
