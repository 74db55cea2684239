//go:build linux

package server

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// confinement returns a line of the status in /proc of each thread of a server.
func confinement(t *testing.T, l *process.Server, field string) []string {
	t.Helper()
	return confinementOf(t, l.Cmd.Process.Pid, field)
}

// confinementOf is confinement of a process.
func confinementOf(t *testing.T, pid int, field string) []string {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("process %d has no threads: %v", pid, err)
	}
	var lines []string
	for _, file := range files {
		status, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, field+":") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	return lines
}

// checkConfined checks that all walls stand for all threads.
func checkConfined(t *testing.T, l *process.Server) {
	t.Helper()
	log := l.Log(t)
	if !strings.Contains(log, `"landlock":"ABI`) || !strings.Contains(log, `"seccomp":true`) {
		t.Skipf("the kernel lacks a wall:\n%s", log)
	}
	for field, want := range map[string]string{"NoNewPrivs": "NoNewPrivs:\t1", "Seccomp": "Seccomp:\t2"} {
		for _, line := range confinement(t, l, field) {
			if line != want {
				t.Errorf("a thread has %q, want %q", line, want)
			}
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", l.Cmd.Process.Pid))
	if err != nil || strings.Join(strings.Fields(lineWith(string(limits), "core file")), " ") != "Max core file size 1 1 bytes" {
		t.Errorf("%v, the limits are\n%s", err, limits)
	}
}

// lineWith returns the first line that contains a text.
func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// zipOf returns an archive of one file.
func zipOf(t *testing.T, name, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(name)
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A confined server does all that it promises: functions of one file and of bundles, names that it
// resolves, connections, jobs, and images on disk; and again after a restart. One with workers does so as
// well.
func TestConfinedServerServes(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{
		"in the server": {"--memory-budget", "400MB"},
		"in workers":    {"--workers", "2", "--memory-budget", "800MB"}, // of which the processes take some
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			confinedServes(t, flags...)
		})
	}
}

// connectsCode reads from a port in two ways, with options of the socket and with the poller.
const connectsCode = `
import asyncio, socket
port = %s
async def read():
    reader, writer = await asyncio.open_connection("localhost", port)
    return (await reader.read(5)).decode()
def main(args, context):
    with socket.create_connection(("localhost", port)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s.recv(5).decode() + ", " + asyncio.run(read())
`

func confinedServes(t *testing.T, flags ...string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("hello"))
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	peer := "localhost:" + port
	const images = 8
	s := process.NewSite(t, append(flags, "--egress-allow", peer, "--image-disk", "1GB", "--log-format", "json")...)

	l := s.Serve(t)
	checkConfined(t, l)
	l.Deploy(t, "connects", fmt.Sprintf(connectsCode, port), "allow", []string{peer})
	l.Must(t, "PUT", "/v1/functions/bundled/bundle", zipOf(t, "main.py", "import zoneinfo\ndef main(args, context): return open(__file__).read(6) + str(zoneinfo.ZoneInfo('Europe/Oslo'))"), "Content-Type", "application/zip")
	for i := range images {
		l.Deploy(t, fmt.Sprint("large-", i), "import os\ntable = os.urandom(40 << 20)\ndef main(args, context): return len(table)", "memory", 128)
	}
	check := func(l *process.Server) {
		t.Helper()
		results := map[string]string{"connects": `"hello, hello"`, "bundled": `"importEurope/Oslo"`}
		for i := range images {
			results[fmt.Sprint("large-", i)] = fmt.Sprint(40 << 20)
		}
		for name, want := range results {
			x := l.WaitEnd(t, l.Submit(t, name, `{}`))
			for strings.Contains(x.Text, "try again in a moment") { // the images are just being moved to disk
				x = l.WaitEnd(t, l.Submit(t, name, `{}`))
			}
			if x.Status != process.Success || !strings.Contains(x.Text, want) {
				t.Errorf("%s: %s", name, x.Text)
			}
		}
		onDisk := 0
		for _, pid := range descendants(l.Cmd.Process.Pid) {
			files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
			for _, f := range files {
				if target, err := os.Readlink(f); err == nil && strings.Contains(target, "/images/") {
					onDisk++
				}
			}
		}
		if onDisk == 0 {
			t.Error("no image is on disk")
		}
		for _, line := range strings.Split(l.Log(t), "\n") {
			if strings.Contains(line, "permission denied") || strings.Contains(line, "not permitted") || strings.Contains(line, "not implemented") {
				t.Errorf("the server lacks a right: %s", line)
			}
		}
	}
	check(l)
	l.Kill()

	l = s.Serve(t)
	checkConfined(t, l)
	check(l)
}

// A server with --unconfined keeps its rights, and so do its workers.
func TestUnconfinedServer(t *testing.T) {
	t.Parallel()
	l := process.NewSite(t).Serve(t, "--unconfined", "--workers", "1")
	pids := descendants(l.Cmd.Process.Pid)
	if len(pids) != 3 {
		t.Errorf("the processes are %v", pids)
	}
	for _, pid := range pids {
		for _, line := range confinementOf(t, pid, "NoNewPrivs") {
			if line != "NoNewPrivs:\t0" {
				t.Errorf("a thread of process %d has %q", pid, line)
			}
		}
	}
	if log := l.Log(t); !strings.Contains(log, "keeps all rights") {
		t.Errorf("the log does not warn:\n%s", log)
	}
}
