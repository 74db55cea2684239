package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faaspot/faaspot/test/freeport"
)

// patience bounds every wait of a test; nothing takes that long unless it is broken.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"fas":      main,
		"stubborn": stubborn,
	})
}

// TestScripts runs the stories in testdata/script: sessions of a user with the real server. Each
// has its own home folder; all share the compiled guest. Shortened tests run each fourth one.
//
// The commands besides those of testscript are:
//
//	await FILE            wait until a file exists, and set ADDRESS to its content
//	await-line FILE TEXT  wait until a file contains a text
//	status N COMMAND      run a command that must exit with status N
//	mode PERM FILE        check a file's permissions
//	free VARIABLE         set a variable to an address at which nothing listens
func TestScripts(t *testing.T) {
	cache := compiledGuest(t)
	testscript.Run(t, testscript.Params{
		Files:               scripts(t),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("HOME", home)
			for _, name := range []string{"no_proxy", "NO_PROXY"} {
				e.Setenv(name, "127.0.0.1")
			}
			data := filepath.Join(home, ".faaspot", "data")
			if err := os.MkdirAll(data, 0o700); err != nil {
				return err
			}
			return os.Symlink(cache, filepath.Join(data, "cache"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":      await,
			"await-line": awaitLine,
			"status":     status,
			"mode":       mode,
			"free":       free,
		},
	})
}

// scripts returns the files of the stories to run.
func scripts(t *testing.T) (files []string) {
	t.Helper()
	all, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(all) == 0 {
		t.Fatalf("%d scripts, %v", len(all), err)
	}
	for i, file := range all {
		if !testing.Short() || i%4 == 0 {
			files = append(files, file)
		}
	}
	return files
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	ts.Setenv("ADDRESS", strings.TrimSpace(poll(ts, args[0], "")))
}

func awaitLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await-line FILE TEXT")
	}
	poll(ts, args[0], args[1])
}

// poll returns the content of a file once it contains the text. Between processes there is nothing
// else to wait on.
func poll(ts *testscript.TestScript, file, text string) string {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		data, err := os.ReadFile(ts.MkAbs(file))
		if err == nil && strings.Contains(string(data), text) {
			return string(data)
		}
	}
	ts.Fatalf("%s does not contain %q in time", file, text)
	return ""
}

func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode PERM FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("mode %s, want %s", got, args[0])
	}
}

func free(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: free VARIABLE")
	}
	address, err := freeport.Find()
	ts.Check(err)
	ts.Setenv(args[0], address)
}
