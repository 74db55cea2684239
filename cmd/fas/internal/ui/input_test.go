package ui

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
)

// Ctrl-C ends a command that waits for input.
func TestInterruptStopsReading(t *testing.T) {
	silent, keepOpen := io.Pipe()
	defer keepOpen.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(clierror.Interrupted{Signal: os.Interrupt})
	a := &Terminal{In: silent, Err: io.Discard}
	if _, err := a.ReadFile(ctx, "-", "code", 10); !errors.Is(err, clierror.Interrupted{Signal: os.Interrupt}) {
		t.Errorf("readFile: %v", err)
	}
	if err := a.Confirm(ctx, "really?"); !errors.Is(err, clierror.Interrupted{Signal: os.Interrupt}) {
		t.Errorf("confirm: %v", err)
	}
}

func TestReadFileHasALimit(t *testing.T) {
	for text, fits := range map[string]bool{"": true, "123": true, "1234": false} {
		a := &Terminal{In: strings.NewReader(text)}
		data, err := a.ReadFile(t.Context(), "-", "code", 3)
		if fits && (err != nil || string(data) != text) || !fits && runtime.CodeOf(err) != runtime.CodeTooLarge {
			t.Errorf("%q: %q, %v", text, data, err)
		}
	}
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, " YES \n": true, "y": true, "n\n": false, "\n": false, "": false, "yeah\n": false} {
		a := &Terminal{In: strings.NewReader(answer), Err: io.Discard}
		if err := a.Confirm(t.Context(), "really?"); (err == nil) != want {
			t.Errorf("%q: %v", answer, err)
		}
	}
}
