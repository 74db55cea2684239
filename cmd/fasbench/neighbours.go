package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// openConnections is the number of connections of the neighbour. It is many times what it needs: a
	// request that is due does not wait for the response to another one.
	openConnections = 128
	// hostileQueued, hostileSleepers, hostileImages and hostileLoops are the sizes of the hostile loads.
	hostileQueued   = bulkRuns
	hostileSleepers = 1000
	hostileImages   = 500
	hostileLoops    = 100
	// imageCallsAtOnce is the number of clients that call the functions with images in turns.
	imageCallsAtOnce = 4
	// hostileTime is the timeout of hostile runs, in seconds: longer than a measurement.
	hostileTime = 600
)

// hostileLoad is what one tenant does while another one is measured.
type hostileLoad struct {
	what string
	// prepare deploys functions and starts runs in the background.
	prepare func(h *server, l *lab) error
	// during makes further calls until ctx ends. Nil: there are none.
	during func(ctx context.Context, h *server, l *lab) error
}

// hostileLoads are in the order of the rows.
var hostileLoads = []hostileLoad{
	{"10,000 queued runs of 50 ms", func(h *server, _ *lab) error {
		return h.floodRuns("busy", "import time\ndef main(args, context):\n    end = time.process_time() + 0.05\n    while time.process_time() < end: pass\n", hostileQueued)
	}, nil},
	{"1,000 sleepers", func(h *server, _ *lab) error {
		return h.floodRuns("sleeper", "import time\ndef main(args, context):\n    while True: time.sleep(1)\n", hostileSleepers)
	}, nil},
	{"calls of functions with images of 1 MB in turns", func(h *server, l *lab) error {
		for i := range l.rounds(hostileImages, hostileImages/5) {
			if err := h.create(function{Name: fmt.Sprintf("image%d", i), Code: "X = bytearray(b'\\x5a') * (1 << 20)\ndef main(args, context):\n    return len(X)\n"}); err != nil {
				return err
			}
		}
		return nil
	}, callImages},
	{"100 endless loops", func(h *server, _ *lab) error {
		return h.floodRuns("loop", loopCode, hostileLoops)
	}, nil},
}

// floodRuns deploys a function and starts n background runs of it.
func (s *server) floodRuns(name, code string, n int) error {
	if err := s.create(function{Name: name, Code: code, Timeout: hostileTime}); err != nil {
		return err
	}
	_, err := s.succeed(s.bulkRequest(name, "{}", n))
	return err
}

// callImages calls the functions of a load one after the other, with some clients, until ctx ends.
func callImages(ctx context.Context, h *server, l *lab) error {
	var clients sync.WaitGroup
	failed := make([]error, imageCallsAtOnce)
	n := l.rounds(hostileImages, hostileImages/5)
	for i := range failed {
		clients.Go(func() {
			c := newClient(h.address)
			defer c.close()
			for at := i * n / len(failed); ctx.Err() == nil && failed[i] == nil; at++ {
				_, failed[i] = c.succeed(h.runRequest(fmt.Sprintf("image%d", at%n), "{}"))
			}
		})
	}
	clients.Wait()
	return errors.Join(failed...)
}

var neighboursBench = bench{
	name: "neighbours",
	how: "One tenant calls the trivial function over HTTP at half of the rate that 8 clients reach alone, at fixed times, whether responses are late or not; " +
		"a time is from when a request was due to its response. Another tenant has, in a server of its own for each: 10,000 queued runs that compute until 50 ms have passed, with the time that they wait for a processor; 1,000 " +
		"runs that sleep for 1 s in a loop; 500 functions with a module-level state of 1 MB, which four clients call in turns; 100 runs of `while True: pass`.",
	rows: []row{
		besideRow("10,000 queued runs of another tenant", "queued"),
		besideRow("1,000 sleepers of another tenant", "sleepers"),
		besideRow("500 deployed images of another tenant", "images"),
		besideRow("100 endless loops of another tenant", "loops"),
	},
	measure: measureNeighbours,
}

// measureNeighbours measures a trivial function of one tenant, called at half of the rate that the
// machine has for it, beside each hostile load of another tenant.
func measureNeighbours(ctx context.Context, l *lab) ([]measured, error) {
	var all []measured
	for _, load := range hostileLoads {
		m, err := measureBeside(ctx, l, &load)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", load.what, err)
		}
		all = append(all, m)
	}
	return all, nil
}

func measureBeside(ctx context.Context, l *lab, load *hostileLoad) (measured, error) {
	s, err := l.serve(ctx, function{Name: "hello", Code: helloCode()})
	if err != nil {
		return measured{}, err
	}
	defer s.kill() // hostile runs would outlast a grace period
	h, err := s.tenant("hostile")
	if err != nil {
		return measured{}, err
	}
	defer h.close()
	hello := s.runRequest("hello", helloArgs)
	most, err := s.most(ctx, hello, 2*settleTime)
	if err != nil {
		return measured{}, err
	}
	rate := most / 2
	length := time.Duration(l.rounds(10, 4)) * time.Second
	alone, err := s.offer(ctx, hello, rate, length)
	if err != nil {
		return measured{}, err
	}
	if err := load.prepare(h, l); err != nil {
		return measured{}, err
	}
	calling, stop := context.WithCancel(ctx)
	defer stop()
	var hostile sync.WaitGroup
	var failed error
	if load.during != nil {
		hostile.Go(func() { failed = load.during(calling, h, l) })
	}
	times, err := s.offer(ctx, hello, rate, settleTime)
	if err == nil {
		times, err = s.offer(ctx, hello, rate, length)
	}
	stop()
	hostile.Wait()
	if err := errors.Join(err, failed); err != nil {
		return measured{}, err
	}
	return measured{
		value: elapsed(percentile(times, 0.99)),
		notes: []string{fmt.Sprintf("%s: %d calls at %.0f/s, half of %.0f; median %v, p90 %v, longest %v; alone median %v, p99 %v", load.what, len(times), rate, most,
			elapsed(median(times)), elapsed(percentile(times, 0.9)), elapsed(percentile(times, 1)), elapsed(median(alone)), elapsed(percentile(alone, 0.99)))},
	}, nil
}

// tenant creates a tenant, and returns the server with a token and a client of it.
func (s *server) tenant(name string) (*server, error) {
	if _, err := s.succeed(s.request("POST", "/v1/tenants/", fmt.Appendf(nil, `{"name":%q}`, name))); err != nil {
		return nil, err
	}
	body, err := s.succeed(s.request("POST", "/v1/tokens/", fmt.Appendf(nil, `{"name":"bench","tenant":%q,"scope":"deploy"}`, name)))
	if err != nil {
		return nil, err
	}
	var created struct{ Token string }
	if err := json.Unmarshal(body, &created); err != nil || strings.TrimSpace(created.Token) == "" {
		return nil, fmt.Errorf("a created token is %s: %w", tail(body), err)
	}
	return &server{process: s.process, client: newClient(s.address), address: s.address, token: created.Token}, nil
}

// most returns the number of requests per second that the server responds to, with as many clients as
// connections that keep it busy.
func (s *server) most(ctx context.Context, request []byte, length time.Duration) (perSecond float64, err error) {
	const clients = 8
	counts := make([]int, clients)
	failed := make([]error, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			c := newClient(s.address)
			defer c.close()
			var times []time.Duration
			times, failed[i] = c.repeat(ctx, request, length)
			counts[i] = len(times)
		})
	}
	all.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / length.Seconds(), errors.Join(failed...)
}

// offer sends requests at a rate, whether responses are late or not, and returns the time of each from
// when it was due to its response.
func (s *server) offer(ctx context.Context, request []byte, rate float64, length time.Duration) ([]time.Duration, error) {
	n := int64(rate * length.Seconds())
	times := make([]time.Duration, n)
	failed := make([]error, openConnections)
	var next atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for i := range failed {
		all.Go(func() {
			c := newClient(s.address)
			defer c.close()
			for at := next.Add(1) - 1; at < n && ctx.Err() == nil && failed[i] == nil; at = next.Add(1) - 1 {
				due := began.Add(time.Duration(float64(at) / rate * float64(time.Second)))
				time.Sleep(time.Until(due))
				_, failed[i] = c.succeed(request)
				times[at] = time.Since(due)
			}
		})
	}
	all.Wait()
	if err := errors.Join(append(failed, ctx.Err())...); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, fmt.Errorf("the machine is too slow to send requests at %g per second", rate)
	}
	return times, nil
}

// besideRow is a row for a neighbour at half of the machine's rate beside a hostile load.
func besideRow(load, part string) row {
	return row{
		what: "a trivial neighbour's p99, at half of the machine's rate, beside " + load, part: part,
		of: "p99", goal: "at most 15 ms", holds: timeAtMost(15 * time.Millisecond),
		limit: "the processors, which the two tenants share",
	}
}
