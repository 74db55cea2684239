package client

import (
	"context"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// Worker has a JSON form that is also the --json output of the command line: names and meanings of its
// fields stay.
type Worker = wire.Worker[Moment]

// Workers returns the processes in which functions run; none if they run in the server.
func (c *Client) Workers(ctx context.Context) (list []Worker, err error) {
	return list, c.get(ctx, "/v1/server/workers", &list)
}
