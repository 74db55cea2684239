package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

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
	err := readServeSettings(cmd.Flags(), newServe(&app{env: env}).Flags(), env).errs.Err()
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

// oneStart are the flags of `fas serve` that are not settings.
var oneStart = []string{"check", "schema", "compile-only", "cluster-create", "demo", "address-file", "reset-admin-token"}

// TestEverySettingHasAKey checks that each flag is a key of the file, unless it is for one start, and that the
// file overrides the default alone.
func TestEverySettingHasAKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "faasd.toml")
	newServe(&app{}).Flags().VisitAll(func(f *pflag.Flag) {
		if setting := serveEnv[f.Name] != ""; setting == slices.Contains(oneStart, f.Name) {
			t.Errorf("--%s: it is a setting: %t", f.Name, setting)
		}
		if serveEnv[f.Name] == "" || f.Name == configFlag {
			return
		}
		value := map[string]string{"bool": "true", "int": "3", "stringSlice": `["a:1", "b:2"]`, "string": `"text"`, "duration": `"3s"`, "LEVEL": `"warn"`, "ratio": `"0.5"`, "FORMAT": `"json"`}[f.Value.Type()]
		if value == "" {
			value = `"3MB"` // of sizes
			if strings.HasSuffix(f.Name, "-age") {
				value = `"3d"`
			}
		}
		if value == f.DefValue {
			value = "false"
		}
		plain := strings.NewReplacer("[", "", "]", "", `"`, "", " ", "").Replace(value) // as a flag takes it
		if err := os.WriteFile(path, []byte(fileKey(f.Name)+" = "+value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for source, given := range map[string]struct {
			args []string
			env  environ.Environment
		}{
			path + ":1":      {args: []string{"--config", path}},
			serveEnv[f.Name]: {args: []string{"--config", path}, env: environ.Environment{serveEnv[f.Name]: plain}},
			"--" + f.Name:    {args: []string{"--config", path, "--" + f.Name + "=" + plain}, env: environ.Environment{serveEnv[f.Name]: plain}},
		} {
			cmd := newServe(&app{})
			if err := cmd.ParseFlags(given.args); err != nil {
				t.Fatal(err)
			}
			s := readServeSettings(cmd.Flags(), newServe(&app{}).Flags(), given.env)
			if err := s.errs.Err(); err != nil || s.from[f.Name] != source {
				t.Errorf("--%s is from %q, want %q; %v", f.Name, s.from[f.Name], source, err)
			}
			if got := cmd.Flags().Lookup(f.Name).Value.String(); got == f.DefValue {
				t.Errorf("--%s is %q from %q", f.Name, got, source)
			}
		}
	})
}

// TestFlagsInTheDocuments compares the table of flags in docs/cli.md with the flags and their variables.
func TestFlagsInTheDocuments(t *testing.T) {
	text, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	flag, variable := regexp.MustCompile("`--([a-z-]+)[ `]"), regexp.MustCompile("`(FAASPOT_[A-Z_]+)`")
	found := map[string]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || !strings.HasPrefix(line, "| `--") {
			continue
		}
		flags, variables := flag.FindAllStringSubmatch(cells[1], -1), variable.FindAllStringSubmatch(cells[2], -1)
		for i, f := range flags {
			found[f[1]] = ""
			if i < len(variables) {
				found[f[1]] = variables[i][1]
			}
		}
	}
	newServe(&app{}).Flags().VisitAll(func(f *pflag.Flag) {
		if got, ok := found[f.Name]; !ok || got != serveEnv[f.Name] {
			t.Errorf("docs/cli.md: --%s has the variable %q, want %q; in the table: %t", f.Name, got, serveEnv[f.Name], ok)
		}
		delete(found, f.Name)
	})
	for name := range found {
		t.Errorf("docs/cli.md has --%s, which does not exist", name)
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
