package client

import (
	"bufio"
	"io"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// maxLine bounds a line of a stream, in bytes. A server sends at most 16 KiB of logs in a line of
// JSON, and in the last event the traceback of the function.
const maxLine = 8 * runtime.MiB

// event is a server-sent event, see
// https://html.spec.whatwg.org/multipage/server-sent-events.html.
type event struct{ name, id, data string }

// eventReader reads events from a stream of bytes.
type eventReader struct{ lines *bufio.Scanner }

func newEventReader(r io.Reader) *eventReader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	return &eventReader{lines}
}

// next reads the next event. It returns io.EOF at the end of the stream, even within an event, and
// bufio.ErrTooLong if a line has more than maxLine bytes.
func (r *eventReader) next() (event, error) {
	var e event
	var data []string
	for r.lines.Scan() {
		line := r.lines.Text()
		if line == "" {
			if data == nil { // the standard ignores an event without data
				e = event{}
				continue
			}
			e.data = strings.Join(data, "\n")
			return e, nil
		}
		field, value, _ := strings.Cut(line, ":") // a comment has no field
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			data = append(data, value)
		}
	}
	if err := r.lines.Err(); err != nil {
		return event{}, err
	}
	return event{}, io.EOF
}

// listener is a Reader that calls heard each time it has read something.
type listener struct {
	io.Reader
	heard func()
}

func (l listener) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if n > 0 {
		l.heard()
	}
	return n, err
}
