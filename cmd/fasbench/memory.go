package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// restTime is how long a server gets no requests before it counts as idle.
	restTime = 5 * time.Second
	// manyFunctions is the number of functions of a busy server.
	manyFunctions = 1000
)

var memoryBench = bench{
	name: "memory",
	how: "The server's resident memory (`VmRSS` of `/proc/PID/status`: its heap, the interpreter's images and slots, the mapped parts of files; pages " +
		"of the base image count once for every slot that maps them) plus its swapped memory (`VmSwap`). Idle: 5 s after its start with the compiled guest present. " +
		"Then 1,000 functions are deployed and each is run once. 1 MB is 2^20 bytes.",
	rows: []row{
		{what: "memory: idle server", part: "idle", of: "resident", goal: "at most 150 MB", holds: bytesAtMost(150 * mb), limit: "the compiled guest, and Go's heap"},
		{what: "memory: 1,000 deployed functions, each run once", part: "1,000 functions", of: "resident", goal: "at most 1 GB", holds: bytesAtMost(1 * gb), limit: "the images of the functions"},
	},
	measure: measureMemory,
}

// measureMemory measures the memory of an idle server, and again after it has run many functions.
func measureMemory(ctx context.Context, l *lab) ([]measured, error) {
	s, err := l.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	select {
	case <-time.After(restTime):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	idle, err := s.memory()
	if err != nil {
		return nil, err
	}
	for i := range manyFunctions {
		f := function{Name: fmt.Sprintf("f%d", i), Code: fmt.Sprintf("number = %d\n\n\n%s", i, helloCode())}
		if err := s.create(f); err != nil {
			return nil, err
		}
	}
	for i := range manyFunctions {
		if _, err := s.succeed(s.runRequest(fmt.Sprintf("f%d", i), helloArgs)); err != nil {
			return nil, err
		}
	}
	many, err := s.memory()
	if err != nil {
		return nil, err
	}
	return []measured{
		{value: quantity{idle.total(), inBytes}, notes: []string{idle.String()}},
		{value: quantity{many.total(), inBytes}, notes: []string{many.String()}},
	}, nil
}

// String formats the parts of the memory, in MiB.
func (m memory) String() string {
	return fmt.Sprintf("anonymous %.0f, files %.0f, shared (the base image) %.0f, swapped out %.0f MB", m.anonymous/mb, m.file/mb, m.shared/mb, m.swapped/mb)
}
