package server

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/lmittmann/tint"
)

// logLevel is a flag value.
type LogLevel slog.Level

var LevelNames = []string{"debug", "info", "warn", "error"}

func (l *LogLevel) Set(text string) error {
	if !slices.Contains(LevelNames, strings.ToLower(text)) {
		return errors.New("give one of " + strings.Join(LevelNames, ", "))
	}
	return (*slog.Level)(l).UnmarshalText([]byte(text))
}

func (l *LogLevel) String() string { return strings.ToLower(slog.Level(*l).String()) }
func (l *LogLevel) Type() string   { return "LEVEL" }

// logFormat is a flag value.
type logFormat string

const (
	FormatAuto logFormat = "auto"
	formatText logFormat = "text"
	formatJSON logFormat = "json"
)

var FormatNames = []string{string(FormatAuto), string(formatText), string(formatJSON)}

func (f *logFormat) Set(text string) error {
	if !slices.Contains(FormatNames, text) {
		return errors.New("give one of " + strings.Join(FormatNames, ", "))
	}
	*f = logFormat(text)
	return nil
}

func (f *logFormat) String() string { return string(*f) }
func (f *logFormat) Type() string   { return "FORMAT" }

// newLog makes the server's log: for people on a terminal, for programs
// elsewhere.
func newLog(t *ui.Terminal, level LogLevel, format logFormat) *slog.Logger {
	w := t.Err
	if format == formatText || format == FormatAuto && ui.IsTerminal(w) {
		return slog.New(tint.NewTextHandler(w, &tint.Options{
			Level:      slog.Level(level),
			TimeFormat: time.TimeOnly,
			NoColor:    !bool(t.Paint(w)),
		}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.Level(level)}))
}
