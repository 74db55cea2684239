package ui

import (
	"bytes"
	"io"
	"regexp"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen is a stream that is a terminal. Everything that a command writes passes through it, because
// most of it comes from functions and servers that the user does not trust: a terminal obeys escape
// sequences, which can erase what it shows, forge lines, change its title or write its clipboard.
//
// Write shows text only. [LogWriter] also lets colours pass, and the package writes its own sequences
// to tty.
type screen struct {
	tty     file
	colours bool // whether this terminal may get colours of this program

	mu  sync.Mutex
	log logWriter
}

// file is a stream with a file descriptor.
type file interface {
	io.Writer
	Fd() uintptr
}

// newScreen returns the stream itself unless it is a terminal.
func newScreen(stream io.Writer, dumb, noColor bool) io.Writer {
	f, ok := stream.(file)
	if !ok || !IsTerminal(stream) {
		return stream
	}
	s := &screen{tty: f, colours: !noColor}
	s.log = logWriter{screen: s, colours: !dumb}
	return s
}

// Fd returns the file descriptor of the terminal.
func (s *screen) Fd() uintptr { return s.tty.Fd() }

// Write shows text. It replaces control characters and escape sequences.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.log.reset(); err != nil {
		return 0, err
	}
	if _, err := s.tty.Write(visible(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Width returns the number of columns of a terminal, 0 if it is not known or the stream is none.
func Width(stream io.Writer) int { return width(stream) }

// width returns the number of columns of a terminal, 0 if it is not known or the stream is none.
func width(stream io.Writer) int {
	f, ok := stream.(file)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// logWriter shows a log: text with the colours that the function or the server gave it.
type logWriter struct {
	*screen
	colours bool
	rest    []byte // beginning of a sequence, rune or line end that the next write may complete
	tinted  bool   // whether a colour may be in force
}

// LogWriter returns the writer for logs on a stream: on a terminal it passes text and colours, and
// anywhere else the bytes as they are.
func LogWriter(stream io.Writer) io.Writer {
	if s, ok := stream.(*screen); ok {
		return &s.log
	}
	return stream
}

func (l *logWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, rest := appendVisible(nil, append(l.rest, p...), l.colours)
	l.rest = append([]byte(nil), rest...)
	l.tinted = l.tinted || l.colours && bytes.IndexByte(text, '\x1b') >= 0
	if _, err := l.tty.Write(text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// reset shows what the log has left unfinished, and ends its colours, so that they do not reach the
// text behind it. The caller holds mu.
func (l *logWriter) reset() error {
	end := visible(l.rest)
	l.rest = nil
	if l.tinted {
		end = append(end, "\x1b[0m"...)
		l.tinted = false
	}
	if len(end) == 0 {
		return nil
	}
	_, err := l.tty.Write(end)
	return err
}

// ResetColours ends the colours of logs on both streams.
func (t *Terminal) ResetColours() {
	for _, stream := range []io.Writer{t.Out, t.Err} {
		if s, ok := stream.(*screen); ok {
			s.mu.Lock()
			_ = s.log.reset()
			s.mu.Unlock()
		}
	}
}

// maxSGR bounds a sequence that sets colours, in bytes.
const maxSGR = 64

var (
	// sgrHere matches a sequence that sets colours and weights (ECMA-48 SELECT GRAPHIC RENDITION) at
	// the start of a text, and sgrBegins the beginning of one.
	sgrHere   = regexp.MustCompile("^\x1b\\[[0-9;:]*m")
	sgrBegins = regexp.MustCompile("^\x1b(\\[[0-9;:]*)?$")
	// sgrColour matches the parameters of one colour: of the palette, or red, green and blue.
	sgrColour = regexp.MustCompile(`\b[345]8([;:]5[;:][0-9]*|;2(;[0-9]*){3}|:2(:[0-9]*){3,4})`)
	sgrHides  = regexp.MustCompile("[[;:]0*8[;:m]")
)

// hides reports whether a sequence makes text invisible (parameter 8).
func hides(sequence []byte) bool { return sgrHides.Match(sgrColour.ReplaceAll(sequence, nil)) }

// visible returns a text as a terminal may get it.
func visible(text []byte) []byte {
	to, rest := appendVisible(nil, text, false)
	if len(rest) > 0 {
		to = utf8.AppendRune(to, unicode.ReplacementChar)
	}
	return to
}

// appendVisible appends a text as a terminal may get it: line ends and tabs stay, and any other
// control character, part of an invalid rune, or character that reorders the text around it becomes
// U+FFFD. If colours, it keeps sequences that set colours, and drops those that hide text. What the
// text ends with, and more text could complete, is the rest.
func appendVisible(to, text []byte, colours bool) (visible, rest []byte) {
	for len(text) > 0 {
		if colours && text[0] == '\x1b' {
			head := text[:min(len(text), maxSGR)]
			if found := sgrHere.Find(head); found != nil {
				if !hides(found) {
					to = append(to, found...)
				}
				text = text[len(found):]
				continue
			}
			if len(head) < maxSGR && sgrBegins.Match(head) {
				return to, head
			}
		}
		if !utf8.FullRune(text) || len(text) == 1 && text[0] == '\r' {
			return to, text
		}
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '\r' && text[1] == '\n': // a line end of Windows
		case r == utf8.RuneError && size == 1, r != '\n' && r != '\t' && !shown(r):
			to = utf8.AppendRune(to, unicode.ReplacementChar)
		default:
			to = append(to, text[:size]...)
		}
		text = text[size:]
	}
	return to, nil
}

// shown reports whether a character is neither a control character, nor one that reorders text
// (Unicode Bidi_Control).
func shown(r rune) bool { return !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r) }

// colour is a colour of words, as the parameter of its sequence.
type colour string

const (
	plain  colour = ""
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	cyan   colour = "36"
)

// paint writes a word in a colour, which only terminals get.
func paint(w io.Writer, c colour, word string) error {
	s, ok := w.(*screen)
	if !ok || !s.colours || c == plain {
		_, err := io.WriteString(w, word)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := io.WriteString(s.tty, "\x1b["+string(c)+"m"+string(visible([]byte(word)))+"\x1b[0m")
	return err
}
