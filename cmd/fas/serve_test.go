package main

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/runtime"
)

// serveFlags parses the flags of `fas serve` and applies the environment.
func serveFlags(t *testing.T, env environ.Environment, args ...string) (map[string]string, error) {
	t.Helper()
	cmd := newServe(&app{env: env})
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	err := flagsFromEnv(cmd.Flags(), serveEnv, env)
	values := make(map[string]string)
	for name := range serveEnv {
		f := cmd.Flags().Lookup(name)
		if f == nil {
			t.Fatalf("there is a variable for --%s, but no such flag", name)
		}
		values[name] = f.Value.String()
	}
	return values, err
}

func TestFlagsAreStrongerThanVariables(t *testing.T) {
	env := environ.Environment{
		"FAASPOT_LISTEN": "127.0.0.1:1", "FAASPOT_DATA": "/data", "FAASPOT_MEMORY_BUDGET": "1GB", "FAASPOT_IMAGE_DISK": "2GB", "FAASPOT_GRACE": "5s",
		"FAASPOT_PUBLIC_URL": "https://faas.example.com", "FAASPOT_LOG_LEVEL": "debug", "FAASPOT_LOG_FORMAT": "json",
	}
	got, err := serveFlags(t, env, "--listen", "127.0.0.1:2", "--log-level", "warn")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"listen": "127.0.0.1:2", "data": "/data", "memory-budget": "1 GB", "image-disk": "2 GB", "grace": "5s",
		"public-url": "https://faas.example.com", "log-level": "warn", "log-format": "json",
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("--%s is %q, want %q", name, got[name], value)
		}
	}
}

// TestHelpNamesAllVariables checks the help against the variables that there are.
func TestHelpNamesAllVariables(t *testing.T) {
	words := strings.FieldsFunc(newServe(&app{}).Long, func(r rune) bool { return strings.ContainsRune(" ,.\n", r) })
	for flag, name := range serveEnv {
		if !slices.Contains(words, name) {
			t.Errorf("the help does not name %s, of --%s", name, flag)
		}
	}
}

func TestDefaultsWithoutVariables(t *testing.T) {
	got, err := serveFlags(t, environ.Environment{"FAASPOT_LISTEN": " ", "FAASPOT_GRACE": ""})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"listen": "127.0.0.1:8080", "grace": (30 * time.Second).String(), "memory-budget": "", "image-disk": "", "log-format": "auto",
		"log-level": strings.ToLower(slog.LevelInfo.String()),
	} {
		if got[name] != value {
			t.Errorf("--%s is %q, want %q", name, got[name], value)
		}
	}
}

func TestWrongVariableIsNamed(t *testing.T) {
	_, err := serveFlags(t, environ.Environment{"FAASPOT_MEMORY_BUDGET": "lots"})
	if runtime.CodeOf(err) != runtime.CodeInvalidArgument || !strings.Contains(err.Error(), "FAASPOT_MEMORY_BUDGET") {
		t.Errorf("got %v", err)
	}
}
