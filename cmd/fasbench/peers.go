package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// peersFS has the function that everything but the compute suite runs, that
// suite, and what gunicorn and wrk need.
//
//go:embed peers
var peersFS embed.FS

const (
	// debianPython is the Python that Debian's gunicorn runs with.
	debianPython = "/usr/bin/python3"
	// helloArgs are the args of every run of hello.py, and helloResult what it
	// answers to them.
	helloArgs   = `{"name": "user1"}`
	helloResult = `{"output":"Hello user1"}`
)

// helloCode is the trivial function.
func helloCode() string { return peerFile("hello.py") }

// peerFile reads one of the embedded files.
func peerFile(name string) string {
	text, err := peersFS.ReadFile("peers/" + name)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// peersFolder writes the embedded files to a folder.
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

// need says how to get a program that is not there.
func need(program string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("%w: run cmd/fasbench/peers.sh as root", err)
	}
	return nil
}
