package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

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
	began := time.Now()
	resp, err := c.open(ctx, request{method: http.MethodPost, path: "/v1/server/backup", accept: mediaTar})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		data, err := c.readAll(ctx, resp)
		if err != nil {
			return err
		}
		return c.refused(resp, data)
	}
	if kind := resp.Header.Get("Content-Type"); kind != mediaTar {
		return c.foreign(resp, fmt.Sprintf("it is not a backup but %q", kind))
	}
	from := &failingReader{Reader: resp.Body}
	n, err := io.Copy(w, from)
	c.traceResponse(resp, int(n), time.Since(began))
	switch {
	case from.err != nil:
		return c.unreachable(ctx, from.err)
	case err != nil:
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}
