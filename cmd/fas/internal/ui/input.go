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

// readFile reads a file of the command line, "-" being the standard input, that
// may have up to limit bytes.
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
			WithHint("it may have up to " + SizeText(limit))
	}
	return data, nil
}

// readText reads a file that must be text, such as code.
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

// confirm asks a question and fails unless the answer is yes.
func (t *Terminal) Confirm(ctx context.Context, question string) error {
	fmt.Fprint(t.Err, question, " [y/N] ")
	answer, err := unlessInterrupted(ctx, func() (string, error) { return bufio.NewReader(t.In).ReadString('\n') })
	if err != nil {
		fmt.Fprintln(t.Err) // nobody has pressed Enter
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

// unlessInterrupted reads, or gives up when ctx ends: a read from a terminal
// cannot be stopped, and goes on until the process ends with the command.
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
