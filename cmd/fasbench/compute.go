package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// suiteTimeout bounds one pass of the suite as a function.
const suiteTimeout = 2 * time.Minute

// measureCompute alternates between the suite as a function and the suite in a native CPython.
func measureCompute(ctx context.Context, l *lab) ([]measured, error) {
	if _, err := os.Stat(l.python); err != nil {
		return nil, fmt.Errorf("cannot find the native CPython 3.13 to compare with: run cmd/fasbench/peers.sh as root, or set its path with -python: %w", err)
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
	ours, natives := map[string][]float64{}, map[string][]float64{}
	for range l.rounds(5, 2) {
		native, err := output(ctx, "", l.python, "-I", "-S", filepath.Join(dir, "compute.py"), args)
		if err != nil {
			return nil, err
		}
		guest, err := s.succeed(s.runRequest(suite.Name, args))
		if err != nil {
			return nil, err
		}
		if err := addTimes(natives, native); err != nil {
			return nil, err
		}
		if err := addTimes(ours, guest); err != nil {
			return nil, err
		}
	}
	return []measured{compareSuites(ours, natives, strings.TrimSpace(string(version)))}, nil
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
func compareSuites(ours, natives map[string][]float64, version string) measured {
	var guest, native []float64
	var parts []string
	for _, part := range slices.Sorted(maps.Keys(natives)) {
		g, n := median(ours[part]), median(natives[part])
		guest, native = append(guest, g), append(native, n)
		parts = append(parts, fmt.Sprintf("%s %.2f", strings.ReplaceAll(part, "_", " "), g/n))
	}
	return measured{
		value: quantity{geometricMean(guest), inSeconds}, peer: quantity{geometricMean(native), inSeconds},
		notes: []string{"ratio by part: " + strings.Join(parts, ", "), "native: CPython " + strings.Join(strings.Fields(version), " ")},
	}
}
