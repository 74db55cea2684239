package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func newFunctionsDelete(a *app) *cobra.Command {
	var wait, yes bool
	cmd := &cobra.Command{
		Use:     "delete NAME [--yes]",
		Aliases: []string{"rm"},
		Short:   "Delete a function",
		Long: `Delete a function with its context and all its versions. Runs that have begun
are not stopped.

On a terminal it asks first; in a script it does not.

Prints the id of the deletion.`,
		Example: `  fas functions delete hello
  fas functions delete hello --yes`,
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := functionName(args[0]); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			if !yes && isTerminal(a.stdin) {
				if err := a.confirm(cmd.Context(), fmt.Sprintf("delete %s from %s?", args[0], c.URL())); err != nil {
					return err
				}
			}
			change, err := c.Delete(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.writeChange(change, "deleted "+args[0])
		},
	}
	waitFlag(cmd, &wait)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// confirm asks a question and fails unless the answer is yes.
func (a *app) confirm(ctx context.Context, question string) error {
	fmt.Fprint(a.stderr, question, " [y/N] ")
	type line struct {
		text string
		err  error
	}
	lines := make(chan line, 1)
	go func() { // a read from a terminal cannot be interrupted; the process ends with the command
		text, err := bufio.NewReader(a.stdin).ReadString('\n')
		lines <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.stderr)
		return context.Cause(ctx)
	case l := <-lines:
		if l.err != nil && l.err != io.EOF {
			return fmt.Errorf("read the answer: %w", l.err)
		}
		switch strings.ToLower(strings.TrimSpace(l.text)) {
		case "y", "yes":
			return nil
		}
		return fmt.Errorf("not done")
	}
}
