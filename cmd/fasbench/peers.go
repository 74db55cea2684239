package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// peersFS holds the function that all benches but the compute suite run, the compute suite, and the
// files that gunicorn and wrk need.
//
//go:embed peers
var peersFS embed.FS

const (
	// debianPython is the interpreter that Debian's gunicorn uses.
	debianPython = "/usr/bin/python3"
	// helloArgs are the args of every run of hello.py, and helloResult is its result.
	helloArgs   = `{"name": "user1"}`
	helloResult = `{"output":"Hello user1"}`
)

// helloCode returns the source of the trivial function.
func helloCode() string { return peerFile("hello.py") }

// peerFile returns the content of an embedded file.
func peerFile(name string) string {
	text, err := peersFS.ReadFile("peers/" + name)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// peersFolder returns a folder with the embedded files. The first call creates it.
func (l *lab) peersFolder() (string, error) {
	dir := filepath.Join(l.tmp, "peers")
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	files, err := fs.Sub(peersFS, "peers")
	if err != nil {
		return "", err
	}
	return dir, os.CopyFS(dir, files)
}

// needPython returns an error that says what to do if there is no native CPython 3.13.
func (l *lab) needPython() error {
	if _, err := os.Stat(l.python); err != nil {
		return fmt.Errorf("cannot find the native CPython 3.13 to compare with: run cmd/fasbench/peers.sh as root, or set its path with -python: %w", err)
	}
	return nil
}

// need returns an error that says how to install a program if it is missing.
func need(program string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("%w: run cmd/fasbench/peers.sh as root", err)
	}
	return nil
}
