package ui

import (
	"context"
	"fmt"
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"golang.org/x/term"
)

// maxSecret is how long a secret may be.
const maxSecret = 16 << 10

// readSecret reads a secret from the standard input: from a terminal a line that
// does not show, else all of it. Nobody sees it in the list of processes, and no
// shell keeps it.
func (t *Terminal) ReadSecret(ctx context.Context, what string) (string, error) {
	var secret string
	if f, ok := t.In.(interface{ Fd() uintptr }); ok && IsTerminal(t.In) {
		fd := int(f.Fd())
		before, err := term.GetState(fd)
		if err != nil {
			return "", fmt.Errorf("read the %s: %w", what, err)
		}
		// Who is interrupted leaves the terminal as it was.
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
