package client

import (
	"bufio"
	"io"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// maxLine is how long a line of a stream may be: a server sends 16 KiB of log at
// a time, as JSON, and at the end the traceback of the function.
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

// next reads the next event. At the end of the stream it gives io.EOF, also if
// that cut an event off, and bufio.ErrTooLong if a line has more than maxLine
// bytes.
func (r *eventReader) next() (event, error) {
	var e event
	var data []string
	for r.lines.Scan() {
		line := r.lines.Text()
		if line == "" {
			if data == nil { // as the standard says, what has no data is no event
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

// listener tells of every byte that comes.
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
