package main

import (
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/lmittmann/tint"
)

// logLevel is a flag value.
type logLevel slog.Level

var levelNames = []string{"debug", "info", "warn", "error"}

func (l *logLevel) Set(text string) error {
	if !slices.Contains(levelNames, strings.ToLower(text)) {
		return errors.New("give one of " + strings.Join(levelNames, ", "))
	}
	return (*slog.Level)(l).UnmarshalText([]byte(text))
}

func (l *logLevel) String() string { return strings.ToLower(slog.Level(*l).String()) }
func (l *logLevel) Type() string   { return "LEVEL" }

// logFormat is a flag value.
type logFormat string

const (
	formatAuto logFormat = "auto"
	formatText logFormat = "text"
	formatJSON logFormat = "json"
)

var formatNames = []string{string(formatAuto), string(formatText), string(formatJSON)}

func (f *logFormat) Set(text string) error {
	if !slices.Contains(formatNames, text) {
		return errors.New("give one of " + strings.Join(formatNames, ", "))
	}
	*f = logFormat(text)
	return nil
}

func (f *logFormat) String() string { return string(*f) }
func (f *logFormat) Type() string   { return "FORMAT" }

// newLog makes the server's log: for people on a terminal, for programs
// elsewhere.
func (a *app) newLog(w io.Writer, level logLevel, format logFormat) *slog.Logger {
	if format == formatText || format == formatAuto && isTerminal(w) {
		return slog.New(tint.NewTextHandler(w, &tint.Options{
			Level:      slog.Level(level),
			TimeFormat: time.TimeOnly,
			NoColor:    !bool(a.paint(w)),
		}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.Level(level)}))
}
