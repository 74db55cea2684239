package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// runRequests is the number of requests of a run whose times count. A run may open 1,000
	// connections in ten seconds.
	runRequests = 100
	// requestsTimeout bounds a run that sends requests.
	requestsTimeout = time.Minute
)

// requestArgs are the args of http_requests.py.
type requestArgs struct {
	URL       string `json:"url"`
	Requests  int    `json:"requests"`
	Authority string `json:"authority,omitempty"` // PEM of the certificate to trust
}

// requestTimes is the result of http_requests.py.
type requestTimes struct {
	Seconds []float64 `json:"seconds"` // of each request
	CPU     float64   `json:"cpu"`     // processor time of all requests in seconds, user and system
	Bytes   int       `json:"bytes"`   // of all responses
}

// measureRequests alternates between requests that a run sends, and that a native CPython sends, to the
// same website.
func measureRequests(ctx context.Context, l *lab) ([]measured, error) {
	if err := l.needPython(); err != nil {
		return nil, err
	}
	site, err := newWebsite()
	if err != nil {
		return nil, err
	}
	defer site.close()
	s, err := l.serveLocal(ctx,
		function{Name: "hello", Code: helloCode()},
		function{Name: "requests", Code: peerFile("http_requests.py"), Timeout: requestsTimeout.Seconds(), Allow: site.allow()},
	)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	secure := requestArgs{URL: site.url(true, "/small"), Requests: runRequests, Authority: site.authority}
	plain := requestArgs{URL: site.url(false, "/small"), Requests: runRequests}
	var rows []measured
	for _, measure := range []func() (measured, error){
		func() (measured, error) { return l.compareRequests(ctx, s, secure) },
		func() (measured, error) { return l.compareRequests(ctx, s, plain) },
		func() (measured, error) {
			return l.compareDownloads(ctx, s, requestArgs{URL: site.url(false, "/large"), Requests: 1})
		},
	} {
		m, err := measure()
		if err != nil {
			m = measured{err: err} // the others count nevertheless
		}
		rows = append(rows, m)
	}
	return rows, context.Cause(ctx)
}

// serveLocal starts a server whose functions may reach this machine, and deploys functions.
func (l *lab) serveLocal(ctx context.Context, functions ...function) (*server, error) {
	data, err := l.compiledData(ctx)
	if err != nil {
		return nil, err
	}
	s, err := l.serveIn(ctx, data, "--egress-allow", "127.0.0.1")
	if err != nil {
		return nil, err
	}
	if err := s.createAll(functions); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// compareRequests compares the time of a request. The notes have what a run with one request costs.
func (l *lab) compareRequests(ctx context.Context, s *server, args requestArgs) (measured, error) {
	var guest, native []float64 // seconds of each request
	var medians, cpu [2][]float64
	for range l.rounds(7, 3) {
		ours, theirs, err := l.requestBoth(ctx, s, args, len(smallBody))
		if err != nil {
			return measured{}, err
		}
		guest, native = append(guest, ours.Seconds...), append(native, theirs.Seconds...)
		for i, times := range []requestTimes{ours, theirs} {
			medians[i] = append(medians[i], median(times.Seconds))
			cpu[i] = append(cpu[i], times.CPU/float64(args.Requests))
		}
	}
	args.Requests = 1
	one, err := json.Marshal(args)
	if err != nil {
		return measured{}, err
	}
	run, err := l.compareWithTrivial(ctx, s, "requests", string(one))
	if err != nil {
		return measured{}, err
	}
	fastest := slices.Min(guest) / slices.Min(native)
	return measured{
		value: quantity{median(medians[0]), inSeconds}, peer: quantity{median(medians[1]), inSeconds},
		notes: append([]string{
			fmt.Sprintf("the fastest of %d requests: %v, native %v, %s", len(guest), quantity{slices.Min(guest), inSeconds}, quantity{slices.Min(native), inSeconds}, ratioText(fastest)),
			fmt.Sprintf("processor time of the server per request: %v, of the native CPython %v, %s",
				quantity{median(cpu[0]), inSeconds}, quantity{median(cpu[1]), inSeconds}, ratioText(median(cpu[0])/median(cpu[1]))),
			fmt.Sprintf("a blocking run that sends one request: %v, and the trivial run %v", run.value, run.peer),
		}, run.notes...),
	}, nil
}

// compareDownloads compares the bytes per second of one large response.
func (l *lab) compareDownloads(ctx context.Context, s *server, args requestArgs) (measured, error) {
	var guest, native []float64 // bytes per second
	for range l.rounds(9, 4) {
		ours, theirs, err := l.requestBoth(ctx, s, args, largeBytes)
		if err != nil {
			return measured{}, err
		}
		guest, native = append(guest, largeBytes/ours.Seconds[0]), append(native, largeBytes/theirs.Seconds[0])
	}
	return measured{
		value: quantity{median(guest), bytesPerSecond}, peer: quantity{median(native), bytesPerSecond},
		notes: []string{fmt.Sprintf("the fastest: %v, native %v", quantity{slices.Max(guest), bytesPerSecond}, quantity{slices.Max(native), bytesPerSecond})},
	}, nil
}

// requestBoth sends requests from a run, and then from a native CPython. Each response must have size
// bytes.
func (l *lab) requestBoth(ctx context.Context, s *server, args requestArgs, size int) (guest, native requestTimes, err error) {
	dir, err := l.peersFolder()
	if err != nil {
		return guest, native, err
	}
	encoded, err := json.Marshal(args)
	if err != nil {
		return guest, native, err
	}
	before, err := s.cpuTime()
	if err != nil {
		return guest, native, err
	}
	text, err := s.succeed(s.runRequest("requests", string(encoded)))
	if err == nil {
		guest, err = readTimes(text, args.Requests, size)
	}
	if err == nil {
		var after time.Duration
		after, err = s.cpuTime()
		guest.CPU = (after - before).Seconds() // of the server, which a run does not see
	}
	if err != nil {
		return guest, native, fmt.Errorf("a function cannot request %s: %w", args.URL, err)
	}
	text, err = output(ctx, dir, l.python, "-I", "-S", "http_requests.py", string(encoded))
	if err == nil {
		native, err = readTimes(text, args.Requests, size)
	}
	if err != nil {
		return guest, native, fmt.Errorf("the native CPython cannot request %s: %w", args.URL, err)
	}
	return guest, native, nil
}

// readTimes reads the result of http_requests.py: the times of n requests with size bytes each.
func readTimes(text []byte, n, size int) (t requestTimes, err error) {
	if err := json.Unmarshal(text, &t); err != nil {
		return t, fmt.Errorf("the result is %q: %w", tail(text), err)
	}
	if len(t.Seconds) != n || t.Bytes != n*size {
		return t, errors.New("the responses are not complete")
	}
	return t, nil
}
