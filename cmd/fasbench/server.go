package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// readyTime is how long a server may take to become ready: many times what a first start takes on a
// busy machine.
const readyTime = 2 * time.Minute

// server is a running `fas serve` with a client connected to it.
type server struct {
	*process
	*client
	address string // HOST:PORT
	token   string // admin token
}

// stop closes the client and stops the server.
func (s *server) stop() {
	if s.client != nil {
		s.close()
	}
	s.process.stop()
}

// kill closes the client and kills the server with SIGKILL, as the kernel does when memory runs
// out.
func (s *server) kill() {
	s.close()
	s.process.kill()
}

// serve starts a server that finds the guest compiled, as on any start but the first, waits until
// it is ready, and deploys functions.
func (l *lab) serve(ctx context.Context, functions ...function) (*server, error) {
	s, err := l.serveCompiled(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.createAll(functions); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// serveCompiled starts a server on a new data folder that holds the compiled guest.
func (l *lab) serveCompiled(ctx context.Context) (*server, error) {
	data, err := l.compiledData(ctx)
	if err != nil {
		return nil, err
	}
	return l.serveIn(ctx, data)
}

// compiledData creates a data folder that holds the compiled guest.
func (l *lab) compiledData(ctx context.Context) (string, error) {
	if l.compiled == "" {
		first, err := l.newFolder("data")
		if err != nil {
			return "", err
		}
		s, err := l.serveIn(ctx, first)
		if err != nil {
			return "", err
		}
		s.stop()
		l.compiled = filepath.Join(first, "cache")
	}
	data, err := l.newFolder("data")
	if err != nil {
		return "", err
	}
	return data, os.CopyFS(filepath.Join(data, "cache"), os.DirFS(l.compiled))
}

// serveIn starts a server on a data folder, with additional flags, and waits until it is ready.
func (l *lab) serveIn(ctx context.Context, data string, flags ...string) (*server, error) {
	return l.serveAs(ctx, data, rand.Text(), nil, flags...)
}

// serveAs is serveIn with an admin token and additional variables.
func (l *lab) serveAs(ctx context.Context, data, token string, env []string, flags ...string) (*server, error) {
	s := &server{token: token}
	file := filepath.Join(data, "address")
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var err error
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", data, "--address-file", file, "--grace", "1s", "--log-level", "warn"}
	s.process, err = l.start(ctx, "", append(env, "FAASPOT_ADMIN_TOKEN="+s.token, "FAASPOT_DIR="+data), l.fas, append(args, flags...)...)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	err = s.await(limited, func() error {
		address, err := os.ReadFile(file)
		s.address = strings.TrimSpace(string(address))
		return err
	})
	if err != nil {
		s.stop()
		return nil, err
	}
	s.client = newClient(s.address)
	return s, nil
}

// function is the request body of a deployment.
type function struct {
	Name    string   `json:"name"`
	Code    string   `json:"code"`
	Timeout float64  `json:"timeout,omitempty"` // seconds
	Memory  int      `json:"memory,omitempty"`  // MiB
	Allow   []string `json:"allow,omitempty"`   // HOST:PORT
	// KeepArgs says whether the args of its runs are kept; nil: as the server does.
	KeepArgs *bool `json:"keep_args,omitempty"`
}

// createAll deploys functions.
func (s *server) createAll(functions []function) error {
	for _, f := range functions {
		if err := s.create(f); err != nil {
			return err
		}
	}
	return nil
}

// create deploys a function.
func (s *server) create(f function) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	_, err = s.succeed(s.request("PUT", "/v1/functions/", body))
	return err
}

// runRequest returns the request for a blocking run.
func (s *server) runRequest(name, args string) []byte {
	return s.request("POST", "/v1/sync/functions/"+name+"/rpc/", []byte(args))
}

// queueRequest returns the request for a background run.
func (s *server) queueRequest(name, args string) []byte {
	return s.request("POST", "/v1/functions/"+name+"/rpc/", []byte(args))
}

// bulkRequest returns the request for n background runs, all with the same args.
func (s *server) bulkRequest(name, args string, n int) []byte {
	return s.request("POST", "/v1/functions/"+name+"/bulk_rpc/", []byte("["+strings.Repeat(args+",", n-1)+args+"]"))
}

// request returns an HTTP request with the admin token.
func (s *server) request(method, path string, body []byte) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Token %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, s.address, s.token, len(body), body)
}

// memory is the server's use of the machine's memory.
type memory struct {
	anonymous, file, shared, swapped float64 // bytes
}

func (m memory) total() float64 { return m.anonymous + m.file + m.shared + m.swapped }

// memory reads the server's memory use from /proc/PID/status, see proc_pid_status(5).
func (s *server) memory() (memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return memory{}, err
	}
	var m memory
	fields := map[string]*float64{"RssAnon:": &m.anonymous, "RssFile:": &m.file, "RssShmem:": &m.shared, "VmSwap:": &m.swapped}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, "\t")
		if into := fields[name]; into != nil {
			var kib float64
			if _, err := fmt.Sscanf(strings.TrimSpace(rest), "%g kB", &kib); err != nil {
				return memory{}, fmt.Errorf("cannot read %s in /proc/PID/status: %w", name, err)
			}
			*into = kib * 1024
			delete(fields, name)
		}
	}
	if len(fields) > 0 {
		return memory{}, fmt.Errorf("/proc/PID/status lacks some of RssAnon, RssFile, RssShmem and VmSwap")
	}
	return m, nil
}
