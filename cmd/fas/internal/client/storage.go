package client

import (
	"context"
	"io"
	"math"
	"net/http"
	"strconv"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// mediaTar is the media type of backups.
const mediaTar = "application/x-tar"

// Storage returns what takes room in the store of the server: the tenants and functions that have most, at
// most most of each.
func (c *Client) Storage(ctx context.Context, most int) (s wire.Storage, err error) {
	return s, c.get(ctx, "/v1/server/storage?limit="+strconv.Itoa(most), &s)
}

// Disk returns the state of the disk of the server.
func (c *Client) Disk(ctx context.Context) (d wire.Disk, err error) {
	return d, c.get(ctx, "/v1/server/disk", &d)
}

// Backup writes a backup of the server's store to w. The error is nil only if the server has sent all of
// it.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	return c.download(ctx, request{method: http.MethodPost, path: "/v1/server/backup", accept: mediaTar}, "backup", math.MaxInt64-1, w)
}
