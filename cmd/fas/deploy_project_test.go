package main

import (
	"context"
	"errors"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
)

// TestInterruptedDeploymentFails tests that a deployment that ends early reports it, unless all was deployed.
func TestInterruptedDeploymentFails(t *testing.T) {
	for name, n := range map[string]int{"after the first": 2, "after the last": 1} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var plan []*planned
		for range n {
			plan = append(plan, &planned{Kind: "function", Name: "f", Change: planCreate, deploy: func(context.Context, *client.Client) (string, error) {
				cancel()
				return "id", nil
			}})
		}
		err := (&projectDeployment{asJSON: true}).deploy(ctx, &app{}, nil, plan)
		if early := n > 1; errors.Is(err, context.Canceled) != early || (plan[n-1].Error != "") != early {
			t.Errorf("interrupted %s: %v, %+v", name, err, plan[n-1])
		}
	}
}
