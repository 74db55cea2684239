package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/faaspot/faaspot/cmd/fas/internal/server"
	"github.com/faaspot/faaspot/runtime"
)

// fileSchema is the part of a JSON Schema that describes a file of settings.
type fileSchema struct {
	Schema      string                    `json:"$schema"`
	Title       string                    `json:"title"`
	Description string                    `json:"description"`
	Type        string                    `json:"type"`
	Closed      bool                      `json:"additionalProperties"`
	Properties  map[string]*settingSchema `json:"properties"`
}

// settingSchema is the JSON Schema of a setting.
type settingSchema struct {
	Description string          `json:"description,omitempty"`
	Type        string          `json:"type,omitempty"`
	Pattern     string          `json:"pattern,omitempty"`
	Not         *settingSchema  `json:"not,omitempty"`
	Enum        []string        `json:"enum,omitempty"`
	AnyOf       []settingSchema `json:"anyOf,omitempty"`
	Minimum     *int            `json:"minimum,omitempty"`
	Maximum     *int            `json:"maximum,omitempty"`
	Items       *settingSchema  `json:"items,omitempty"`
	Default     any             `json:"default,omitempty"`
}

// Patterns of settings that are strings.
const (
	decimal         = `([0-9]+(\.[0-9]*)?|\.[0-9]+)`
	zeroPattern     = `^[^1-9]*$`
	durationPattern = `^\+?(` + decimal + `(ns|us|µs|ms|s|m|h))+$|^\+?0$`
	spanPattern     = durationPattern + `|^\+?` + decimal + `[dw]$`
	ratioPattern    = `^(0(\.[0-9]*)?|\.[0-9]+|1(\.0*)?)$`
)

// sizePattern returns the pattern of sizes. Numbers with more digits do not fit.
func sizePattern() string {
	var units []string
	for unit, digits := range map[string]int{`[Gg]([Ii]?[Bb])?`: 9, `[Mm]([Ii]?[Bb])?`: 12, `[Kk]([Ii]?[Bb])?`: 15, `[Bb]([Yy][Tt][Ee][Ss])?`: 18} {
		units = append(units, fmt.Sprintf(`(0*[0-3]?[0-9]{1,%d}(\.[0-9]*)?|\.[0-9]+)\s*%s`, digits, unit))
	}
	slices.Sort(units)
	return `^\s*\+?(` + strings.Join(units, "|") + `)\s*$`
}

// anyCase returns the pattern of names in upper and lower case.
func anyCase(names []string) string {
	var pattern strings.Builder
	for _, c := range strings.Join(names, "|") {
		if lower, upper := unicode.ToLower(c), unicode.ToUpper(c); lower != upper {
			fmt.Fprintf(&pattern, "[%c%c]", upper, lower)
		} else {
			pattern.WriteRune(c)
		}
	}
	return "^(" + pattern.String() + ")$"
}

// settingBounds returns the bounds of a setting that is a number; a largest value of zero is none.
func settingBounds(flag string) (least, most int) {
	switch flag {
	case "retention-count":
		return 1, 0
	case "workers", "own-workers":
		return 0, server.MaxWorkers
	case "tenant-requests":
		flag = "tenant-requests-per-second"
	}
	for i := range runtime.TenantNumbers {
		if n := &runtime.TenantNumbers[i]; flag == "tenant-"+limitFlag(n) {
			return 0, n.Max()
		}
	}
	return 0, 0
}

// settingsSchema returns the JSON Schema of the file of settings, made from the flags of `fas serve`.
func settingsSchema(flags *pflag.FlagSet) ([]byte, error) {
	s := fileSchema{
		Schema: "https://json-schema.org/draft/2020-12/schema",
		Title:  "faasd.toml", Description: "The settings of a server: the file that `fas serve --config` reads.",
		Type: "object", Properties: make(map[string]*settingSchema),
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if serveEnv[f.Name] != "" && f.Name != configFlag {
			s.Properties[fileKey(f.Name)] = schemaOf(f)
		}
	})
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(s)
	return text.Bytes(), err
}

// namedKey is a flag in the help of another one.
var namedKey = regexp.MustCompile(`--[a-z-]+`)

// schemaOf returns the schema of the setting of a flag.
func schemaOf(f *pflag.Flag) *settingSchema {
	_, usage := pflag.UnquoteUsage(f)
	usage = namedKey.ReplaceAllStringFunc(usage, func(flag string) string { return fileKey(flag[len("--"):]) })
	s := &settingSchema{Type: "string", Description: strings.ToUpper(usage[:1]) + usage[1:] + "."}
	if f.DefValue != "" {
		s.Default = f.DefValue
	}
	switch f.Value.Type() {
	case "bool":
		s.Type, s.Default = "boolean", f.DefValue == "true"
	case "int":
		s.Type, s.Default = "integer", nil
		if n, err := strconv.Atoi(f.DefValue); err == nil && (n != 0 || !strings.Contains(f.Usage, "(default")) {
			s.Default = n
		}
		least, most := settingBounds(f.Name)
		s.Minimum = &least
		if most > 0 {
			s.Maximum = &most
		}
	case "stringSlice":
		s.Type, s.Items, s.Default = "array", &settingSchema{Type: "string"}, nil
	case "duration":
		s.Pattern = durationPattern
	case "DURATION":
		s.Pattern, s.Not = spanPattern, &settingSchema{Pattern: zeroPattern}
	case "SIZE":
		s.Pattern = sizePattern()
		if _, ok := f.Value.(*sizeLimit); ok {
			s.Pattern = "^0$|" + s.Pattern
		}
	case "ratio":
		s.Pattern = ratioPattern
	case "LEVEL":
		s.AnyOf = []settingSchema{{Enum: server.LevelNames}, {Pattern: anyCase(server.LevelNames)}}
	case "FORMAT":
		s.Enum = server.FormatNames
	}
	return s
}
