package ui

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/term"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

// maxSecret is the largest size of a secret in bytes.
const maxSecret = 16 << 10

// ReadSecret reads a secret from the standard input: on a terminal one line without echo, elsewhere
// everything. Unlike an argument, it appears neither in the list of processes nor in the history of
// a shell.
func (t *Terminal) ReadSecret(ctx context.Context, what string) (string, error) {
	var secret string
	if f, ok := t.In.(interface{ Fd() uintptr }); ok && IsTerminal(t.In) {
		fd := int(f.Fd())
		before, err := term.GetState(fd)
		if err != nil {
			return "", fmt.Errorf("read the %s: %w", what, err)
		}
		// Turn the echo on again when the user interrupts the command.
		defer func() { _ = term.Restore(fd, before) }()
		fmt.Fprintf(t.Err, "%s: ", what)
		line, err := unlessInterrupted(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
		fmt.Fprintln(t.Err)
		if err != nil {
			return "", err
		}
		secret = string(line)
	} else {
		text, err := t.ReadText(ctx, "-", what, maxSecret)
		if err != nil {
			return "", err
		}
		secret = *text
	}
	if secret = strings.TrimSpace(secret); secret == "" {
		return "", clierror.Usagef("", "there is no %s on the standard input", what)
	}
	return secret, nil
}
