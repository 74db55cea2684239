package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime/strictjson"
	"github.com/faaspot/faaspot/runtime/stricttoml"
)

const schemaFile = "../../docs/faasd.schema.json"

// TestSettingsSchema compares the JSON Schema of the file of settings with the one in the documentation, and with what
// the server accepts.
func TestSettingsSchema(t *testing.T) {
	var out bytes.Buffer
	root := newRoot(&app{Terminal: ui.Terminal{Out: &out}})
	root.SetArgs([]string{"serve", "--schema"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, out.Bytes(), 0o644); err != nil { //nolint:gosec // everyone may read it
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(schemaFile)
	if err != nil || !bytes.Equal(committed, out.Bytes()) {
		t.Errorf("%s is not what `fas serve --schema` prints (%v); run this test with -update", schemaFile, err)
	}
	document, err := jsonschema.UnmarshalJSON(&out)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("faasd.json", document); err != nil {
		t.Fatal(err)
	}
	schema := c.MustCompile("faasd.json")
	path := filepath.Join(t.TempDir(), "faasd.toml")

	// both returns whether the schema and the server accept a file.
	both := func(text string) (bySchema, byServer error) {
		file, err := stricttoml.Parse([]byte(text), strictjson.DefaultMaxDepth)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		root := newRoot(&app{Terminal: ui.Terminal{Out: &bytes.Buffer{}}})
		root.SetArgs([]string{"serve", "--config", path, "--data", t.TempDir(), "--check"})
		return schema.Validate(file.Map()), root.Execute()
	}
	accepted := func(text string) {
		t.Helper()
		if bySchema, byServer := both(text); bySchema != nil || byServer != nil {
			t.Errorf("%q is refused: by the schema %v, by the server %v", text, bySchema, byServer)
		}
	}
	refused := func(text string) {
		t.Helper()
		if bySchema, byServer := both(text); bySchema == nil || byServer == nil {
			t.Errorf("%q is accepted: the schema says %v, the server %v", text, bySchema, byServer)
		}
	}

	properties := document.(map[string]any)["properties"].(map[string]any)
	if len(properties) != len(serveEnv)-1 {
		t.Errorf("the schema has %d settings, there are %d", len(properties), len(serveEnv)-1)
	}
	for flag := range serveEnv {
		key := fileKey(flag)
		property, ok := properties[key].(map[string]any)
		switch {
		case flag == configFlag:
			if ok {
				t.Error("the file of settings has a key for itself")
			}
			continue
		case !ok:
			t.Errorf("the schema has no %s", key)
			continue
		case len(property["description"].(string)) < 10:
			t.Errorf("%s is described by %q", key, property["description"])
		}
		refused(key + "x = 1")
		for kind, value := range map[string]string{"boolean": "true", "integer": "1", "array": `["x"]`, "string": `"x"`, "none": "[[]]"} {
			if kind != property["type"] {
				refused(key + " = " + value)
			}
		}
		if property["type"] == "array" {
			refused(key + " = [1]")
		}
		if property["pattern"] != nil || property["enum"] != nil || property["anyOf"] != nil {
			refused(key + ` = ""`)
			refused(key + ` = "lots"`)
		}
		if value := property["default"]; value != nil {
			text := fmt.Sprint(value)
			if property["type"] == "string" {
				text = `"` + text + `"`
			}
			accepted(key + " = " + text)
		}
		with := map[string]string{"tenant_request_burst": "tenant_requests = 1\n"}[key]
		if n := property["minimum"]; n != nil {
			accepted(fmt.Sprintf("%s%s = %v", with, key, n))
			refused(fmt.Sprintf("%s%s = -1", with, key))
		}
		if n := property["maximum"]; n != nil {
			accepted(fmt.Sprintf("%s%s = %v", with, key, n))
			refused(fmt.Sprintf("%s%s = %v1", with, key, n))
		} else if property["type"] == "integer" && key != "retention_count" {
			t.Errorf("%s has no largest value", key)
		}
	}
	for _, text := range []string{
		`ballast = "0KB"`, `memory_budget = "1.5 GiB"`, `disk_floor = "100 bytes"`, `audit_bytes = "64m"`, `tenant_stored_bytes = "0"`,
		`grace = "1m30s"`, `grace = "0.5h"`, `retention_age = "2w"`, `retention_min_age = "90s"`, `otlp_sample_ratio = "0.25"`, `log_level = "warn"`,
		`log_level = "INFO"`, `log_level = "Error"`, `grace = "0"`, `grace = "0s"`, `grace = "+30s"`, `retention_age = "0.5d"`, `retention_age = "0h10m"`,
		`memory_budget = "3999999999GB"`, `disk_floor = "00000000000000000001GB"`, `audit_bytes = "+64MB"`,
	} {
		accepted(text)
	}
	for _, text := range []string{
		`ballast = "512"`, `ballast = "-1MB"`, `memory_budget = "1 TB"`, `grace = "3d"`, `grace = "30"`, `retention_age = "7"`,
		`retention_age = "0d"`, `retention_age = "0s"`, `retention_age = "0"`, `retention_min_age = "0.0w"`, `grace = "-30s"`, `log_level = "infos"`,
		`memory_budget = "99999999999GB"`, `memory_budget = "99999999999999MB"`, `memory_budget = "99999999999999999KB"`, `memory_budget = "99999999999999999999bytes"`,
		`otlp_sample_ratio = "1.5"`, `log_format = "xml"`, `retention_count = 0`, `memory_budgte = "4GB"`, "workers = 2.5", "[listen]\nx = 1",
	} {
		refused(text)
	}

	// The example, and each line in it that is a comment.
	example, err := os.ReadFile("../../examples/systemd/faasd.toml")
	if err != nil {
		t.Fatal(err)
	}
	accepted(string(example))
	comment := regexp.MustCompile(`(?m)^# ([a-z_]+ = .*)$`)
	lines := comment.FindAllStringSubmatch(string(example), -1)
	if len(lines) < 8 {
		t.Errorf("the example has %d settings in comments", len(lines))
	}
	for _, line := range lines {
		file, err := stricttoml.Parse([]byte(line[1]), strictjson.DefaultMaxDepth)
		if err := cmp.Or(err, schema.Validate(file.Map())); err != nil {
			t.Errorf("%s: %v", line[1], err)
		}
	}

	// The settings that the documentation shows.
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "```toml\n")
	block, _, ended := strings.Cut(block, "```")
	if !found || !ended || !strings.Contains(block, "memory_budget") {
		t.Fatalf("the documentation shows %q", block)
	}
	accepted(block)
}
