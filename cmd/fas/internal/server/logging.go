package server

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/lmittmann/tint"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
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

// accessLog returns the log of all requests, nil if it is off. It does not depend on the log level.
func (s *server) accessLog() *slog.Logger {
	if !s.AccessLog {
		return nil
	}
	return newLog(s.Terminal, LogLevel(slog.LevelInfo), s.LogFormat)
}

// newLog returns the server's log on the standard error. FormatAuto is text on a terminal and JSON
// elsewhere.
func newLog(t *ui.Terminal, level LogLevel, format LogFormat) *slog.Logger {
	w := t.Err
	if format == formatText || format == FormatAuto && ui.IsTerminal(w) {
		return slog.New(tint.NewTextHandler(ui.LogWriter(w), &tint.Options{
			Level:      slog.Level(level),
			TimeFormat: time.TimeOnly,
			NoColor:    t.NoColor || !ui.IsTerminal(w),
		}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.Level(level)}))
}
