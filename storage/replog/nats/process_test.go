package nats_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog/nats/engine"
)

// processVar has the options of the server that the test's own program is, as JSON.
const processVar = "FAS_TEST_ENGINE"

// serve runs a server until the process is killed.
func serve(text string) error {
	var o engine.Options
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	o.Key = key.Key{}
	o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	e, err := engine.Start(o)
	if err != nil {
		return err
	}
	return <-e.Failed()
}

// process is a server in a process of its own.
type process struct {
	o   engine.Options
	cmd *exec.Cmd
}

// startProcess starts a server in a process of its own, which ends with the test.
func startProcess(t testing.TB, o engine.Options) *process {
	t.Helper()
	p := &process{o: o}
	p.start(t)
	t.Cleanup(p.kill)
	return p
}

func (p *process) start(t testing.TB) {
	t.Helper()
	o := p.o
	o.Log = nil
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(filepath.Dir(o.Dir), o.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), processVar+"="+string(text), "GOMEMLIMIT=1GiB")
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the process by SIGKILL.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()
}
