package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
)

// completionTimeout is how long somebody who pressed Tab waits for names.
const completionTimeout = 2 * time.Second

// completeFunctions offers the names of the server's functions.
func (a *app) completeFunctions(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	a.complete(cmd, func(ctx context.Context, c *client.Client) error {
		list, err := c.Functions(ctx)
		for _, f := range list {
			names = append(names, f.Name)
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completedExecutions is how many ids are offered, the latest ones: who looks
// for an older one has it at hand.
const completedExecutions = 50

// completeExecutions offers the ids of the latest executions, each with what it
// is. A command that takes only so many is offered no more; 0 is any number.
func (a *app) completeExecutions(f client.Filter, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []string
		a.complete(cmd, func(ctx context.Context, c *client.Client) error {
			_, err := c.ListExecutions(ctx, f, completedExecutions, func(page []client.Execution) error {
				for _, x := range page {
					if !slices.Contains(args, x.ID) {
						ids = append(ids, cobra.CompletionWithDesc(x.ID, fmt.Sprintf("%s %s, %s", x.Kind, x.Name, x.Status)))
					}
				}
				return nil
			})
			return err
		})
		return ids, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// complete asks the server for something to offer. If it cannot, there is
// nothing to offer.
func (a *app) complete(cmd *cobra.Command, ask func(context.Context, *client.Client) error) {
	c, err := a.connect()
	if err != nil {
		return
	}
	defer c.Close()
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithTimeout(parent, completionTimeout)
	defer cancel()
	_ = ask(ctx, c)
}

// completeProfiles offers the names in the profile file.
func (a *app) completeProfiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	file, err := a.loadProfiles()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return file.Names(), cobra.ShellCompDirectiveNoFileComp
}

// completeProfile offers the same for an argument.
func (a *app) completeProfile(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeProfiles(cmd, args, word)
}
