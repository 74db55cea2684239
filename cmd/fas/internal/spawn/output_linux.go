package spawn

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"
)

const (
	// maxLine bounds a line of output, in bytes; the rest of it is a line of its own.
	maxLine = 4096
	// maxLines bounds the lines that a process logs within linesTime; further ones are dropped.
	maxLines  = 200
	linesTime = 10 * time.Second
)

// forward logs what a process prints until it ends. A line that is a record of package slog keeps its
// level, message and attributes; any other is of a crash.
func forward(output *os.File, log *slog.Logger) {
	defer output.Close()
	lines := bufio.NewReaderSize(output, maxLine)
	var since time.Time
	var logged, dropped int
	for {
		line, _, err := lines.ReadLine()
		if now := time.Now(); now.Sub(since) > linesTime || err != nil {
			if dropped > 0 {
				log.Warn("a process prints too much", "dropped lines", dropped)
			}
			since, logged, dropped = now, 0, 0
		}
		switch {
		case err != nil:
			return
		case len(line) == 0:
		case logged == maxLines:
			dropped++
		default:
			logged++
			forwardLine(line, log)
		}
	}
}

func forwardLine(line []byte, log *slog.Logger) {
	var fields map[string]any
	if json.Unmarshal(line, &fields) != nil {
		log.Warn("a process has printed a line", "line", string(line))
		return
	}
	var level slog.Level
	name, _ := fields[slog.LevelKey].(string)
	if level.UnmarshalText([]byte(name)) != nil {
		level = slog.LevelWarn
	}
	message, _ := fields[slog.MessageKey].(string)
	var attributes []any
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch key {
		case slog.LevelKey, slog.MessageKey, slog.TimeKey:
		default:
			attributes = append(attributes, slog.Any(key, fields[key]))
		}
	}
	log.Log(context.Background(), level, message, attributes...)
}
