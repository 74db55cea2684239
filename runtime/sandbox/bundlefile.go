package sandbox

import (
	"context"
	"errors"
	"io"

	"github.com/faaspot/faaspot/runtime"
)

// write returns a file of size bytes with what f writes: on disk, or in memory if that is not
// possible.
func (b *bundles) write(ctx context.Context, size int64, f func(io.Writer) error) (content, error) {
	if b.makeRoom(size) {
		if c, err := b.files.onDisk(int(size)); err == nil {
			c, failed, err := b.fillFile(c, f)
			if err == nil || failed {
				b.files.wrote(err)
			}
			if !failed {
				return c, err
			}
		}
	}
	if err := b.take(ctx, b.account.contents, size); err != nil {
		return content{}, err
	}
	c, err := b.files.open(int(size), false)
	if err != nil {
		b.account.contents.Give(size)
		return content{}, noPlace(err)
	}
	c, _, err = b.fillFile(c, f)
	return c, err
}

// fillFile calls f, which must write as many bytes as the file has, and returns the file. After an
// error, the file is freed; failed reports whether writing has failed.
func (b *bundles) fillFile(c content, f func(io.Writer) error) (_ content, failed bool, err error) {
	full := false
	defer func() {
		if !full { // an error, or a panic
			b.free(&c)
		}
	}()
	w := contentWriter{content: &c}
	if err := f(&w); err != nil {
		return content{}, w.failed, err
	}
	if w.at != c.size {
		return content{}, false, errors.New("the bundle is shorter than its record says")
	}
	if err := c.complete(); err != nil {
		return content{}, true, err
	}
	full = true
	return c, false, nil
}

// noPlace returns the error for a bundle that can be stored neither on disk nor in memory.
func noPlace(cause error) error {
	err := runtime.Errorf(runtime.CodeUnavailable, "the server has no place to unpack the bundle of the function").
		WithHint("try again in a moment; the log of the server has the reason")
	err.RetryAfter, err.Err = runtime.BusyRetry, cause
	return err
}

// free frees a file that write has returned.
func (b *bundles) free(c *content) {
	inMemory := !c.disk && c.file != nil
	c.free()
	if inMemory {
		b.account.contents.Give(int64(c.size))
	}
}

// contentWriter writes a content from its start on, at most as many bytes as it has.
type contentWriter struct {
	content *content
	at      int
	failed  bool // writing has failed
}

// errMoreThanSaid reports a content that is longer than its size.
var errMoreThanSaid = errors.New("the bundle is longer than its record says")

// Write implements io.Writer.
func (w *contentWriter) Write(p []byte) (int, error) {
	if len(p) > w.content.size-w.at {
		return 0, errMoreThanSaid
	}
	if err := w.content.write(p, w.at); err != nil {
		w.failed = true
		return 0, err
	}
	w.at += len(p)
	return len(p), nil
}

// yielder is a writer of what a caller with a permit computes. It passes the data on in pieces,
// without the permit, because a disk may take long.
type yielder struct {
	w          io.Writer
	processors *processors
	claim      claim
}

// Write implements io.Writer.
func (y *yielder) Write(p []byte) (int, error) {
	y.processors.release(&y.claim)
	n, err := y.w.Write(p)
	if err == nil && !y.processors.acquire(&y.claim) {
		err = endOfRun{}
	}
	return n, err
}
