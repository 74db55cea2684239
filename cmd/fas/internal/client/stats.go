package client

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/faaspot/faaspot/httpapi/wire"
)

// The statistics of a tenant.
type (
	// Stats counts the runs that have ended, and has times of the faaspot dialect.
	Stats = wire.Stats
	// RunStats counts runs, and has their durations in milliseconds.
	RunStats = wire.RunStats
)

// MaxStats is the longest time that statistics are about.
const MaxStats = 8 * 24 * time.Hour

// Stats counts the runs that have ended within a time before now, at most [MaxStats]; only those of one
// function, unless it is empty.
func (c *Client) Stats(ctx context.Context, back time.Duration, function string) (s Stats, err error) {
	query := url.Values{"since": {strconv.FormatFloat(back.Seconds(), 'f', -1, 64)}}
	if function != "" {
		query.Set("function", function)
	}
	return s, c.get(ctx, "/v1/stats/?"+query.Encode(), &s)
}

// StatsSpan returns the length of the window of statistics.
func (c *Client) StatsSpan(s Stats) (time.Duration, error) {
	from, err := time.Parse(serverTime, s.From)
	if err != nil {
		return 0, c.unexpected(err)
	}
	to, err := time.Parse(serverTime, s.To)
	if err != nil {
		return 0, c.unexpected(err)
	}
	return to.Sub(from), nil
}
