package spawn

import (
	"io"
	"log/slog"
)

// Log returns the log of a process that was started by a [Spawner], or is one: its records become those
// of the server's log.
func Log(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
