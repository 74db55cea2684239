package disk

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
)

// NewLogger returns a logger for Pebble. What Pebble logs as information is logged as debug
// messages. fatal must not return.
func NewLogger(log *slog.Logger, fatal func(message string)) pebble.Logger {
	return logger{log, fatal}
}

type logger struct {
	log   *slog.Logger
	fatal func(message string)
}

func (l logger) Infof(format string, args ...any) {
	l.log.Debug("storage: pebble", "text", fmt.Sprintf(format, args...))
}

func (l logger) Errorf(format string, args ...any) {
	l.log.Error("storage: pebble", "text", fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble would continue as if a failed commit had succeeded.
func (l logger) Fatalf(format string, args ...any) {
	message := "storage: pebble: " + fmt.Sprintf(format, args...)
	l.fatal(message)
	panic(message)
}
