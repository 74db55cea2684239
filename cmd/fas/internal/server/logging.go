package server

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lmittmann/tint"

	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime/redact"
)

// LogLevel is the flag value of a log level.
type LogLevel slog.Level

// LevelNames are the names of all log levels.
var LevelNames = []string{"debug", "info", "warn", "error"}

func (l *LogLevel) Set(text string) error {
	if !slices.Contains(LevelNames, strings.ToLower(text)) {
		return errors.New("give one of " + strings.Join(LevelNames, ", "))
	}
	return (*slog.Level)(l).UnmarshalText([]byte(text))
}

func (l *LogLevel) String() string { return strings.ToLower(slog.Level(*l).String()) }
func (l *LogLevel) Type() string   { return "LEVEL" }

// LogFormat is the flag value of a log format.
type LogFormat string

// Log formats.
const (
	FormatAuto LogFormat = "auto"
	formatText LogFormat = "text"
	formatJSON LogFormat = "json"
)

// FormatNames are the names of all log formats.
var FormatNames = []string{string(FormatAuto), string(formatText), string(formatJSON)}

func (f *LogFormat) Set(text string) error {
	if !slices.Contains(FormatNames, text) {
		return errors.New("give one of " + strings.Join(FormatNames, ", "))
	}
	*f = LogFormat(text)
	return nil
}

func (f *LogFormat) String() string { return string(*f) }
func (f *LogFormat) Type() string   { return "FORMAT" }

// logLevels are the levels of the logs of a server, which change while it serves.
type logLevels struct {
	server, requests slog.LevelVar
}

// noRequests is the level of a log of requests that is off.
const noRequests = slog.Level(math.MaxInt)

func newLogLevels(o Options) *logLevels {
	l := new(logLevels)
	l.set(o.LogLevel, o.AccessLog)
	return l
}

// set sets the level of the log, and whether requests are logged.
func (l *logLevels) set(level LogLevel, requests bool) {
	l.server.Set(slog.Level(level))
	l.requests.Set(noRequests)
	if requests {
		l.requests.Set(slog.LevelInfo)
	}
}

// accessLog returns the log of all requests, nil if it is off for good. It does not depend on the log level.
func (s *server) accessLog() *slog.Logger {
	if s.Requests != nil {
		return s.Requests
	}
	if !s.AccessLog && s.Config == nil {
		return nil
	}
	return newLog(s.Terminal, &s.levels.requests, s.LogFormat, s.secrets)
}

// newLog returns the server's log on the standard error, which does not show secrets. FormatAuto is text
// on a terminal and JSON elsewhere.
func newLog(t *ui.Terminal, level slog.Leveler, format LogFormat, secrets *redact.Registry) *slog.Logger {
	w := t.Err
	if format == formatText || format == FormatAuto && ui.IsTerminal(w) {
		return slog.New(redact.NewHandler(tint.NewTextHandler(ui.LogWriter(w), &tint.Options{
			Level:      level,
			TimeFormat: time.TimeOnly,
			NoColor:    t.NoColor || !ui.IsTerminal(w),
		}), secrets))
	}
	return slog.New(redact.NewHandler(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}), secrets))
}

// logSettings logs the settings that do not have their default.
func (s *server) logSettings() {
	if len(s.Settings) == 0 {
		return
	}
	attrs := make([]slog.Attr, len(s.Settings))
	for i, one := range s.Settings {
		attrs[i] = slog.String(one.Name, one.Value)
	}
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "settings that are not the defaults", attrs...)
}

// hideOwn keeps the secrets of the server's own settings out of the log, for as long as it runs.
func (s *server) hideOwn() {
	s.secrets.Hold(s.Environ[environ.AdminTokenVar], s.Environ[environ.TokenVar])
	s.secrets.Hold(strings.FieldsFunc(s.Environ[environ.SecretsVar], func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })...)
	if proxy, err := url.Parse(s.EgressProxy); err == nil && proxy.User != nil {
		password, _ := proxy.User.Password()
		_, raw, _ := strings.Cut(proxy.User.String(), ":")
		s.secrets.Hold(password, raw)
	}
}
