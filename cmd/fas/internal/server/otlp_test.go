package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
)

// TestInheritedTraceVariables tests that variables of OpenTelemetry that are of no use to the server keep it from
// starting only if its own settings name a collector.
func TestInheritedTraceVariables(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_RESOURCE_ATTRIBUTES": "nonsense", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon",
		"OTEL_EXPORTER_OTLP_CERTIFICATE": "/absent.pem", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd",
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s := &server{log: slog.New(slog.NewTextHandler(&log, nil))}
			s.Environ = environ.Environment{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", name: value}
			if err := s.startTraces(); err != nil || s.traces != nil || !strings.Contains(log.String(), "level=WARN") {
				t.Errorf("without a setting: %v, log %q", err, log.String())
			}
			s.OTLPEndpoint = "http://127.0.0.1:1"
			if err := s.startTraces(); err == nil || s.traces != nil {
				t.Error("the setting is not refused")
			}
		})
	}
}
