package ui

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
)

// ReadFile reads a file that the command line names, of up to limit bytes. The name "-" is the
// standard input. Errors call the content what.
func (t *Terminal) ReadFile(ctx context.Context, path, what string, limit int64) ([]byte, error) {
	in := t.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, clierror.Usagef("", "cannot read the %s: %v", what, err)
		}
		defer f.Close()
		in = f
	}
	data, err := unlessInterrupted(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(in, limit+1)) })
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, clierror.Usagef("", "cannot read the %s: %v", what, err)
	}
	if int64(len(data)) > limit {
		return nil, runtime.Errorf(runtime.CodeTooLarge, "the %s %s is too large", what, path).
			WithHint("the limit is " + SizeText(limit))
	}
	return data, nil
}

// ReadText is ReadFile for a file that must be UTF-8 text, such as code.
func (t *Terminal) ReadText(ctx context.Context, path, what string, limit int64) (*string, error) {
	data, err := t.ReadFile(ctx, path, what, limit)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(data) {
		return nil, clierror.Usagef("save it as UTF-8", "the %s %s is not UTF-8 text", what, path)
	}
	text := string(data)
	return &text, nil
}

// Confirm asks a question, and returns an error unless the answer is yes.
func (t *Terminal) Confirm(ctx context.Context, question string) error {
	fmt.Fprint(t.Err, question, " [y/N] ")
	answer, err := unlessInterrupted(ctx, func() (string, error) { return bufio.NewReader(t.In).ReadString('\n') })
	if err != nil {
		fmt.Fprintln(t.Err) // the line has not ended
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("not done")
}

// unlessInterrupted returns the result of read, or the cause of ctx when that ends first. A read
// from a terminal cannot be interrupted: it blocks in the background until the process ends.
func unlessInterrupted[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := read()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
