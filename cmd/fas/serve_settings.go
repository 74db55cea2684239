package main

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/server"
	"github.com/faaspot/faaspot/cmd/fas/internal/serverfile"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/suggest"
)

// serveEnv maps flags of `fas serve` to their environment variables. A flag overrides its variable.
var serveEnv = map[string]string{
	"config":                   "FAASPOT_SERVE_CONFIG",
	"listen":                   "FAASPOT_LISTEN",
	"health-listen":            "FAASPOT_HEALTH_LISTEN",
	"tls-cert":                 "FAASPOT_TLS_CERT",
	"tls-key":                  "FAASPOT_TLS_KEY",
	"acme-domain":              "FAASPOT_ACME_DOMAIN",
	"acme-email":               "FAASPOT_ACME_EMAIL",
	"acme-directory":           "FAASPOT_ACME_DIRECTORY",
	"data":                     "FAASPOT_DATA",
	"cache":                    "FAASPOT_CACHE",
	"secrets-file":             "FAASPOT_SECRETS_FILE",
	"memory-budget":            "FAASPOT_MEMORY_BUDGET",
	"image-disk":               "FAASPOT_IMAGE_DISK",
	"disk-floor":               "FAASPOT_DISK_FLOOR",
	"ballast":                  "FAASPOT_BALLAST",
	"audit-age":                "FAASPOT_AUDIT_AGE",
	"audit-bytes":              "FAASPOT_AUDIT_BYTES",
	"grace":                    "FAASPOT_GRACE",
	"retention-age":            "FAASPOT_RETENTION_AGE",
	"retention-count":          "FAASPOT_RETENTION_COUNT",
	"retention-min-age":        "FAASPOT_RETENTION_MIN_AGE",
	"retention-bytes":          "FAASPOT_RETENTION_BYTES",
	"retention-tenant-bytes":   "FAASPOT_RETENTION_TENANT_BYTES",
	"retention-function-bytes": "FAASPOT_RETENTION_FUNCTION_BYTES",
	"keep-args":                "FAASPOT_KEEP_ARGS",
	"public-url":               "FAASPOT_PUBLIC_URL",
	"egress-allow":             "FAASPOT_EGRESS_ALLOW",
	"egress-ceiling":           "FAASPOT_EGRESS_CEILING",
	"egress-proxy":             "FAASPOT_EGRESS_PROXY",
	"workers":                  "FAASPOT_WORKERS",
	"own-workers":              "FAASPOT_OWN_WORKERS",
	"tenant-requests":          "FAASPOT_TENANT_REQUESTS",
	"tenant-request-burst":     "FAASPOT_TENANT_REQUEST_BURST",
	"tenant-runs":              "FAASPOT_TENANT_RUNS",
	"tenant-queued":            "FAASPOT_TENANT_QUEUED",
	"tenant-functions":         "FAASPOT_TENANT_FUNCTIONS",
	"tenant-code-bytes":        "FAASPOT_TENANT_CODE_BYTES",
	"tenant-stored-bytes":      "FAASPOT_TENANT_STORED_BYTES",
	"tenant-egress-bytes":      "FAASPOT_TENANT_EGRESS_BYTES",
	"tenant-egress-hosts":      "FAASPOT_TENANT_EGRESS_HOSTS",
	"tenant-processor-share":   "FAASPOT_TENANT_PROCESSOR_SHARE",
	"tenant-memory-bytes":      "FAASPOT_TENANT_MEMORY_BYTES",
	"tenant-image-bytes":       "FAASPOT_TENANT_IMAGE_BYTES",
	"cluster":                  "FAASPOT_CLUSTER",
	"cluster-name":             "FAASPOT_CLUSTER_NAME",
	"node":                     "FAASPOT_NODE",
	"node-listen":              "FAASPOT_NODE_LISTEN",
	"node-address":             "FAASPOT_NODE_ADDRESS",
	"cluster-key-file":         "FAASPOT_CLUSTER_KEY_FILE",
	"otlp-endpoint":            "FAASPOT_OTLP_ENDPOINT",
	"otlp-sample-ratio":        "FAASPOT_OTLP_SAMPLE_RATIO",
	"log-level":                "FAASPOT_LOG_LEVEL",
	"access-log":               "FAASPOT_ACCESS_LOG",
	"log-format":               "FAASPOT_LOG_FORMAT",
	"unconfined":               "FAASPOT_UNCONFINED",
}

// configFlag is the flag with the file of settings, which has a variable, but no key in the file.
const configFlag = "config"

// fileKey returns the key in the file of settings for a flag.
func fileKey(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

// serveSettings are the values of the flags of `fas serve`, and where they come from.
type serveSettings struct {
	flags  *pflag.FlagSet
	from   map[string]string // by flag: the flag, its variable, or the line of the file; others have their default
	values map[string]string // by flag, of those that are settings
	errs   runtime.Errors
}

// readServeSettings sets the flags that are not on the command line from their variables, and the rest from the
// file of settings, if there is one. It finds all mistakes. scratch are flags of the same command, by
// which the values of the file are checked that have no effect.
func readServeSettings(flags, scratch *pflag.FlagSet, env environ.Environment) *serveSettings {
	s := &serveSettings{flags: flags, from: make(map[string]string), values: make(map[string]string)}
	flags.VisitAll(func(f *pflag.Flag) {
		variable := serveEnv[f.Name]
		switch {
		case f.Changed:
			s.from[f.Name] = "--" + f.Name
		case strings.TrimSpace(env[variable]) != "":
			s.from[f.Name] = variable
			s.errs.Add(f.Name, setFromEnv(f, variable, env[variable]))
		}
	})
	if path := flags.Lookup(configFlag).Value.String(); path != "" {
		s.readFile(path, scratch)
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if serveEnv[f.Name] != "" {
			s.values[f.Name] = f.Value.String()
		}
	})
	return s
}

// readFile sets the flags that nothing else has set from a file.
func (s *serveSettings) readFile(path string, scratch *pflag.FlagSet) {
	all, err := serverfile.Read(path)
	s.errs.Add(configFlag, err)
	lines := make(map[string]int)
	for _, one := range all {
		flag := strings.ReplaceAll(one.Key, "_", "-")
		place := fmt.Sprintf("%s:%d", path, one.Line)
		before := lines[flag]
		lines[flag] = one.Line
		switch {
		case before > 0:
			s.errs.Add(place, serverfile.Wrong(path, one.Line, "leave one of them out", "%s is in line %d already", one.Key, before))
		case serveEnv[flag] == "" || flag == configFlag:
			s.errs.Add(place, serverfile.Wrong(path, one.Line, nearestKey(one.Key), "there is no setting %s", one.Key))
		default:
			err := setFromFile(scratch.Lookup(flag), path, one)
			if err == nil && s.from[flag] == "" {
				err, s.from[flag] = setFromFile(s.flags.Lookup(flag), path, one), place
			}
			s.errs.Add(place, err)
		}
	}
}

// nearestKey is the hint for a key that does not exist.
func nearestKey(key string) string {
	var keys []string
	for flag := range serveEnv {
		if flag != configFlag {
			keys = append(keys, fileKey(flag))
		}
	}
	slices.Sort(keys)
	if near := suggest.Closest(fileKey(key), keys); near != "" {
		return "did you mean " + near + "?"
	}
	return "the keys are the flags of `fas serve --help` with _ in place of -, except for those of one start, such as --demo"
}

// setFromEnv sets a flag from its variable.
func setFromEnv(f *pflag.Flag, variable, value string) error {
	if err := f.Value.Set(value); err != nil {
		return clierror.Usagef("see `fas serve --help`", "the variable %s has the invalid value %q: %v", variable, value, err)
	}
	return nil
}

// setFromFile sets a flag from a setting of a file.
func setFromFile(f *pflag.Flag, path string, s serverfile.Setting) error {
	wanted := serverfile.Text
	switch f.Value.Type() {
	case "bool":
		wanted = serverfile.Flag
	case "int":
		wanted = serverfile.Whole
	case "stringSlice":
		wanted = serverfile.List
	}
	if s.Kind != wanted {
		return serverfile.Wrong(path, s.Line, "give "+string(wanted), "%s is %s", s.Key, s.Kind)
	}
	var err error
	if list, ok := f.Value.(pflag.SliceValue); ok {
		err = list.Replace(s.Values)
	} else {
		err = f.Value.Set(s.Values[0])
	}
	if err != nil {
		return serverfile.Wrong(path, s.Line, "see `fas serve --help`", "%s has the invalid value %q: %v", s.Key, s.Values[0], err)
	}
	return nil
}

// inForce returns the settings in force, in the order of their names: all, or only those that do not have
// their default. It shows no passwords.
func (s *serveSettings) inForce(all bool) (list []server.Setting) {
	s.flags.VisitAll(func(f *pflag.Flag) {
		if serveEnv[f.Name] == "" || !all && s.from[f.Name] == "" {
			return
		}
		value := strings.TrimSuffix(strings.TrimPrefix(f.Value.String(), "["), "]")
		if u, err := url.Parse(value); err == nil && u.User != nil {
			value = u.Redacted()
		}
		list = append(list, server.Setting{Name: fileKey(f.Name), Value: value, From: cmp.Or(s.from[f.Name], "default")})
	})
	return list
}

// writeSettings prints the settings in force, for `fas serve --check`.
func (a *app) writeSettings(list []server.Setting) error {
	t := ui.Table[server.Setting]{
		Out: a.Out, ForPeople: ui.IsTerminal(a.Out), Heading: "SETTING\tVALUE\tFROM", Elastic: "VALUE",
		Row: func(s server.Setting, _ bool) string {
			return s.Name + "\t" + ui.OneLine(s.Value) + "\t" + ui.OneLine(s.From)
		},
	}
	return t.Write(list)
}

// flagsFromEnv sets flags that are not on the command line from their variables. It ignores empty
// variables.
func flagsFromEnv(flags *pflag.FlagSet, names map[string]string, env environ.Environment) error {
	var errs runtime.Errors
	flags.VisitAll(func(f *pflag.Flag) {
		if value := env[names[f.Name]]; !f.Changed && strings.TrimSpace(value) != "" {
			errs.Add(f.Name, setFromEnv(f, names[f.Name], value))
		}
	})
	return errs.Err()
}
