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
	if fd, ok := t.keyboard(); ok {
		line, err := t.readHidden(ctx, fd, what)
		if err != nil {
			return "", err
		}
		secret = line
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

// ReadSecrets reads a secret for each name from the standard input, one line each, spaces included: on a
// terminal without echo, elsewhere everything, up to limit bytes. No secret may be empty.
func (t *Terminal) ReadSecrets(ctx context.Context, names []string, limit int64) ([]string, error) {
	secrets := make([]string, 0, len(names))
	if fd, ok := t.keyboard(); ok {
		for _, name := range names {
			line, err := t.readHidden(ctx, fd, OneLine(name))
			if err != nil {
				return nil, err
			}
			secrets = append(secrets, line)
		}
	} else {
		text, err := t.ReadText(ctx, "-", "values", limit)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, strings.Split(strings.TrimSuffix(*text, "\n"), "\n")...)
	}
	if len(secrets) != len(names) {
		return nil, clierror.Usagef("send one line for each name", "%d lines are on the standard input, and %d needed", len(secrets), len(names))
	}
	for i, name := range names {
		if secrets[i] = strings.TrimSuffix(secrets[i], "\r"); secrets[i] == "" {
			return nil, clierror.Usagef("", "the value of %s is empty", Quote(name))
		}
	}
	return secrets, nil
}

// keyboard returns the descriptor of the standard input, and whether it is a terminal.
func (t *Terminal) keyboard() (fd int, ok bool) {
	f, ok := t.In.(interface{ Fd() uintptr })
	if !ok || !IsTerminal(t.In) {
		return 0, false
	}
	return int(f.Fd()), true
}

// readHidden prompts for what, and reads a line from a terminal without echo.
func (t *Terminal) readHidden(ctx context.Context, fd int, what string) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	// Turn the echo on again when the user interrupts the command.
	defer func() { _ = term.Restore(fd, before) }()
	fmt.Fprintf(t.Err, "%s: ", what)
	line, err := unlessInterrupted(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	fmt.Fprintln(t.Err)
	return string(line), err
}
