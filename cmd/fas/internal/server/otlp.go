package server

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/tracing"
)

// Ratio is a part of a whole, from 0 to 1.
type Ratio float64

// String implements pflag.Value.
func (r *Ratio) String() string { return strconv.FormatFloat(float64(*r), 'g', -1, 64) }

// Set implements pflag.Value.
func (r *Ratio) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return fmt.Errorf("%q is not a number from 0 to 1", text)
	}
	*r = Ratio(v)
	return nil
}

// Type implements pflag.Value.
func (*Ratio) Type() string { return "ratio" }

// tracePath is the path of a collector for traces.
const tracePath = "/v1/traces"

// traceOptions returns how traces are exported, and false if they are not. What no setting says, the standard
// variables of OpenTelemetry do.
func traceOptions(endpoint string, ratio Ratio, env environ.Environment) (o tracing.Options, on bool, err error) {
	own := func(name string) string {
		return strings.TrimSpace(cmp.Or(env["OTEL_EXPORTER_OTLP_TRACES_"+name], env["OTEL_EXPORTER_OTLP_"+name]))
	}
	off := strings.EqualFold(env["OTEL_SDK_DISABLED"], "true") || env["OTEL_TRACES_EXPORTER"] == "none"
	o.URL, o.Ratio = endpoint, float64(ratio)
	switch base := strings.TrimSpace(env["OTEL_EXPORTER_OTLP_ENDPOINT"]); {
	case endpoint != "" || off:
	case env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] != "":
		o.URL = strings.TrimSpace(env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
	case base != "":
		o.URL = strings.TrimRight(base, "/") + tracePath
	}
	if o.URL == "" {
		return o, false, nil
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "" {
		return o, false, clierror.Usagef("give a URL such as http://127.0.0.1:4318", "the endpoint of the collector of traces is not a URL of http or https")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = tracePath
	}
	o.URL = u.String()
	if p := own("PROTOCOL"); p != "" && p != "http/protobuf" {
		return o, false, clierror.Usagef("set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf, and the endpoint to the port for it, which is usually 4318",
			"traces are exported by http/protobuf, not by %q", p)
	}
	if o.Header, err = pairs("OTEL_EXPORTER_OTLP_HEADERS", own("HEADERS")); err != nil {
		return o, false, err
	}
	if o.Resource, err = pairs("OTEL_RESOURCE_ATTRIBUTES", env["OTEL_RESOURCE_ATTRIBUTES"]); err != nil {
		return o, false, err
	}
	if name := env["OTEL_SERVICE_NAME"]; name != "" {
		o.Resource["service.name"] = name
	}
	switch c := own("COMPRESSION"); c {
	case "", "none":
	case "gzip":
		o.Compress = true
	default:
		return o, false, clierror.Usagef("use gzip or none", "OTEL_EXPORTER_OTLP_COMPRESSION has the unknown value %q", c)
	}
	if text := own("TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 || ms > int(time.Hour/time.Millisecond) {
			return o, false, clierror.Usagef("give a number of milliseconds", "OTEL_EXPORTER_OTLP_TIMEOUT has the invalid value %q", text)
		}
		o.Timeout = time.Duration(ms) * time.Millisecond
	}
	if path := own("CERTIFICATE"); path != "" {
		if o.TLS, err = trusting(path); err != nil {
			return o, false, err
		}
	}
	return o, true, nil
}

// pairs reads a variable with pairs of a name and a percent-encoded value, such as a=b,c=d.
func pairs(variable, text string) (map[string]string, error) {
	all := make(map[string]string)
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || name == "" || err != nil {
			return nil, clierror.Usagef("give pairs such as name=value,name=value; a value has %XX in place of special characters", "the variable %s is not valid", variable) // it may have secrets
		}
		all[name] = value
	}
	return all, nil
}

// trusting returns a configuration that trusts the authorities in a file alone.
func trusting(path string) (*tls.Config, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, clierror.Usagef("give a PEM file", "cannot read OTEL_EXPORTER_OTLP_CERTIFICATE: %v", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, clierror.Usagef("give a PEM file", "%s has no certificate", path)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// startTraces begins to export traces, if that is wanted. Their headers are kept out of the log. An environment
// that the server has inherited does not keep it from starting: only a collector in its settings requires that
// the variables are right.
func (s *server) startTraces() error {
	o, on, err := traceOptions(s.OTLPEndpoint, s.OTLPSampleRatio, s.Environ)
	switch {
	case err != nil && s.OTLPEndpoint == "":
		hint := ""
		if known, ok := runtime.AsError(err); ok {
			hint = known.Hint
		}
		s.log.Warn("traces are not exported, because the environment does not say how", "error", err, "hint", hint)
		return nil
	case err != nil || !on:
		return err
	}
	for _, value := range o.Header {
		s.secrets.Hold(value)
	}
	o.Version, o.Memory, o.Log = s.Version, s.memory, s.log
	s.traces = tracing.New(o)
	u, _ := url.Parse(o.URL) // it was checked
	s.log.Info("exporting traces", "collector", u.Host, "ratio", o.Ratio)
	return nil
}

// engineTraces returns what the engine reports to; nil: nothing.
func (s *server) engineTraces() engine.Traces {
	if s.traces == nil {
		return nil // and no interface with a nil in it
	}
	return s.traces
}

// notedCalls returns the number of connections that a run notes.
func (s *server) notedCalls() int {
	if s.traces == nil {
		return 0
	}
	return runtime.MaxEgressCalls
}

// traceFigures returns the figures of the exporter of traces.
func (s *server) traceFigures() (f runtime.TraceFigures) {
	if s.traces != nil {
		f.Exported, f.Dropped, f.Waiting = s.traces.Figures()
	}
	return f
}
