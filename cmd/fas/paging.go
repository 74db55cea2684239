package main

import (
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/spf13/cobra"
)

// defaultListLimit is how much is listed unless told otherwise: more than fits on
// a screen.
const defaultListLimit = 100

// limitFlag adds --limit to a command that lists.
func limitFlag(cmd *cobra.Command, limit *int, what string) {
	cmd.Flags().IntVar(limit, "limit", defaultListLimit, "`N` "+what+" at most, 0 for all")
	_ = cmd.RegisterFlagCompletionFunc("limit", cobra.NoFileCompletions)
}

func checkLimit(limit int) error {
	if limit < 0 {
		return clierror.Usagef("give a number, or 0 for all", "the --limit %d is negative", limit)
	}
	return nil
}
