package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command that prints data has --json. Those without it print text that others made, or none.
func TestEveryCommandHasJSON(t *testing.T) {
	without := map[string]bool{"fas serve": true, "fas engine": true, "fas spawner": true, "fas worker": true, "fas mcp": true, "fas man": true, "fas functions samples": true, "fas help": true, "fas exit-codes": true, "fas environment": true}
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
		}
		has := c.Flags().Lookup("json") != nil
		switch {
		case c.HasSubCommands() || strings.HasPrefix(c.CommandPath(), "fas completion"):
		case has == without[c.CommandPath()]:
			t.Errorf("%s: --json %t", c.CommandPath(), has)
		}
	}
	visit(newRoot(&app{}))
}
