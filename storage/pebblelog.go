package storage

import (
	"fmt"
	"log/slog"
)

// pebbleLog is where Pebble logs. What it calls information is for debugging
// to us.
type pebbleLog struct {
	log   *slog.Logger
	fatal func(message string)
}

func (l pebbleLog) Infof(format string, args ...any) {
	l.log.Debug("storage: pebble: " + fmt.Sprintf(format, args...))
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Error("storage: pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble would go on as if a failed commit had
// succeeded.
func (l pebbleLog) Fatalf(format string, args ...any) {
	message := "storage: pebble: " + fmt.Sprintf(format, args...)
	l.fatal(message)
	panic(message)
}
