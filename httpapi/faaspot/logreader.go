package faaspot

import (
	"errors"
	"io"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// logReaderBytes is the memory of a response with logs that is a stream, in bytes: a page and the next one, the
// rendered form of parts of them, which marks may make twice as long, and the library's buffers.
const logReaderBytes = 384 * runtime.KiB

// maxRendered bounds the part of logs that is rendered at once, in bytes. A byte may become six.
const maxRendered = 8 * runtime.KiB

// maxTurn is the number of rendered bytes, and of some more, after which a response with logs ends its turn.
const maxTurn = 64 * runtime.KiB

// logReader is the body of a response with the logs of an execution as they were when the request
// was handled. It reads them page by page, so that a response that its client does not read holds
// one page, at most [runtime.MaxLogPage], and the rendered form of a part of it.
type logReader struct {
	page   runtime.LogPage
	at     int // in the page: what is rendered
	end    int // of the logs in the response, in bytes
	next   func(from runtime.LogPosition) (runtime.LogPage, error)
	turn   func() (give func(), err error) // see [web.Host.Turn]
	fail   func(error)                     // is called if the rest of the logs cannot be read
	render logRenderer
	out    []byte // rendered and not read
	buf    []byte // has out
	done   bool
}

// logRenderer renders the logs of a response.
type logRenderer interface {
	// appendPart appends the rendered form of the next part of the logs.
	appendPart(dst []byte, logs runtime.Logs) []byte
	// appendEnd appends what follows the logs.
	appendEnd(dst []byte) []byte
}

// respond answers with the logs: at once if they fit one page, else as a stream.
func (r *logReader) respond(ctx *fasthttp.RequestCtx) error {
	if r.page.Next.Offset >= r.end {
		for !r.done {
			r.fill()
		}
		web.SetBody(ctx, r.out)
		return nil
	}
	if ctx.IsHead() {
		// The library would write the end of the body that it leaves out.
		ctx.Response.Header.SetContentLength(-1)
		ctx.Response.SkipBody = true
		return nil
	}
	ctx.Response.SetBodyStream(r, -1)
	return nil
}

// fill renders the next part of the page.
func (r *logReader) fill() {
	to := min(r.at+maxRendered, len(r.page.Logs.Data))
	r.out = r.render.appendPart(r.out, r.page.Logs.Slice(r.at, to))
	r.at = to
	if r.pageDone() && r.page.Next.Offset >= r.end {
		r.out = r.render.appendEnd(r.out)
		r.done = true
	}
}

func (r *logReader) pageDone() bool { return r.at == len(r.page.Logs.Data) }

var errLogsReplaced = errors.New("the next attempt has begun")

// advance renders the next parts of the logs, in one turn.
func (r *logReader) advance() error {
	give, err := r.turn()
	if err != nil {
		return err
	}
	defer give()
	defer func() {
		if cap(r.out) > cap(r.buf) { // marks and streams that change with each byte need more
			r.buf = r.out[:0]
		}
	}()
	if r.buf == nil {
		r.buf = make([]byte, 0, maxTurn+6*maxRendered)
	}
	r.out = r.buf[:0]
	for len(r.out) < maxTurn && !r.done {
		if r.pageDone() {
			if err := r.fetch(); err != nil {
				return err
			}
		}
		r.fill()
	}
	return nil
}

// fetch reads the next page.
func (r *logReader) fetch() error {
	page, err := r.next(r.page.Next)
	if err != nil {
		return err
	}
	if page.Attempt != r.page.Attempt || page.Size < r.end {
		return errLogsReplaced
	}
	if beyond := page.Next.Offset - r.end; beyond > 0 {
		page.Logs = page.Logs.Slice(0, len(page.Logs.Data)-beyond)
	}
	r.page, r.at = page, 0
	return nil
}

// Read returns rendered logs.
func (r *logReader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if r.done {
			return 0, io.EOF
		}
		if err := r.advance(); err != nil {
			r.fail(err)
			return 0, err // the client sees that the response is incomplete
		}
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// rawRenderer renders the bytes that a run wrote, of one stream unless only is empty.
type rawRenderer struct{ only wire.Stream }

func (r *rawRenderer) appendPart(dst []byte, logs runtime.Logs) []byte {
	if r.only == "" {
		return append(dst, logs.Data...)
	}
	stretches(logs, false, func(s stretch, text []byte) {
		if s.stream == r.only {
			dst = append(dst, text...)
		}
	})
	return dst
}

func (r *rawRenderer) appendEnd(dst []byte) []byte { return dst }

// entryRenderer renders the elements of [wire.Logs].Entries and the end of the object.
type entryRenderer struct {
	only    wire.Stream
	times   bool
	entry   stretch     // whose text is being written; without a stream: none has begun
	stream  wire.Stream // of the text before; an entry may join stretches
	partial []byte      // the beginning of a character at the end of the stretch
	text    textEncoder // of the stretch
}

func (r *entryRenderer) appendPart(dst []byte, logs runtime.Logs) []byte {
	stretches(logs, r.times, func(s stretch, text []byte) {
		if s.stream != r.stream {
			dst = r.endStretch(dst)
			r.stream = s.stream
		}
		if r.only != "" && s.stream != r.only {
			return
		}
		if s != r.entry {
			if r.entry.stream != "" {
				dst = append(dst, `"},`...)
			}
			dst = s.append(dst)
			r.entry = s
		}
		if len(r.partial) > 0 {
			text = append(r.partial, text...)
			r.partial = nil
		}
		whole := len(text) - partialRune(text)
		r.partial = append(r.partial, text[whole:]...)
		dst = r.text.append(dst, text[:whole])
	})
	return dst
}

// endStretch ends the text of a stretch: the rest of its last character will not come.
func (r *entryRenderer) endStretch(dst []byte) []byte {
	dst = r.text.append(dst, r.partial)
	r.partial, r.text = nil, textEncoder{}
	return dst
}

func (r *entryRenderer) appendEnd(dst []byte) []byte {
	dst = r.endStretch(dst)
	if r.entry.stream != "" {
		dst = append(dst, `"}`...)
	}
	return append(dst, `]}`...)
}

// textEncoder encodes a text that is the inside of a JSON string, part by part. Bytes that are not
// UTF-8 become U+FFFD, one for each sequence of them.
type textEncoder struct {
	invalid bool // the latest character is U+FFFD for a sequence that may continue
}

// append appends the encoded form of the next part.
func (e *textEncoder) append(dst, text []byte) []byte {
	const lowerHex = "0123456789abcdef"
	for len(text) > 0 {
		plain := 0
		for plain < len(text) && text[plain] >= ' ' && text[plain] < utf8.RuneSelf && text[plain] != '"' && text[plain] != '\\' {
			plain++
		}
		if plain > 0 {
			dst = append(dst, text[:plain]...)
			e.invalid = false
			text = text[plain:]
			continue
		}
		c, size := utf8.DecodeRune(text)
		switch {
		case c == utf8.RuneError && size == 1:
			if !e.invalid {
				dst = append(dst, "\ufffd"...)
			}
			e.invalid = true
			text = text[1:]
			continue
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
		default:
			dst = append(dst, text[:size]...)
		}
		e.invalid = false
		text = text[size:]
	}
	return dst
}
