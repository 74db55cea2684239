package main

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/term"
)

// maxSecret is how long a secret may be.
const maxSecret = 16 << 10

// readSecret reads a secret from the standard input: from a terminal a line that
// does not show, else all of it. Nobody sees it in the list of processes, and no
// shell keeps it.
func (a *app) readSecret(ctx context.Context, what string) (string, error) {
	var secret string
	if f, ok := a.stdin.(interface{ Fd() uintptr }); ok && isTerminal(a.stdin) {
		fd := int(f.Fd())
		before, err := term.GetState(fd)
		if err != nil {
			return "", fmt.Errorf("read the %s: %w", what, err)
		}
		// Who is interrupted leaves the terminal as it was.
		defer func() { _ = term.Restore(fd, before) }()
		fmt.Fprintf(a.stderr, "%s: ", what)
		line, err := unlessInterrupted(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
		fmt.Fprintln(a.stderr)
		if err != nil {
			return "", err
		}
		secret = string(line)
	} else {
		text, err := a.readText(ctx, "-", what, maxSecret)
		if err != nil {
			return "", err
		}
		secret = *text
	}
	if secret = strings.TrimSpace(secret); secret == "" {
		return "", usagef("", "there is no %s on the standard input", what)
	}
	return secret, nil
}
