package cluster_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster"
)

// bus is a bus on which a test announces nodes.
type bus struct{ heard chan []byte }

func (bus) Publish([]byte) error { return nil }

func (b bus) Subscribe(ctx context.Context, each func([]byte)) error {
	for {
		select {
		case message := <-b.heard:
			each(message)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// The log keeps what fewer than two nodes have on their disks, however full it is, and what a node lacks that was away for
// less than an hour, unless the log is nearly full.
func TestTrimmable(t *testing.T) {
	type announced struct {
		node    string
		durable uint64
		ago     time.Duration
		copies  uint64
	}
	for name, test := range map[string]struct {
		own    uint64
		others []announced // the oldest first
		filled float64
		want   uint64
		holder string
	}{
		"alone":                                  {100, nil, 0.5, 0, "a"},
		"alone, and the log is full":             {100, nil, 1, 0, "a"},
		"two":                                    {100, []announced{{node: "b", durable: 90, ago: 0}}, 0.5, 90, "b"},
		"two, and the owner is behind":           {80, []announced{{node: "b", durable: 90, ago: 0}}, 0.5, 80, "a"},
		"nothing is known of the other":          {100, []announced{{node: "b", durable: 0, ago: 0}}, 1, 0, "b"},
		"the other is away":                      {100, []announced{{node: "b", durable: 90, ago: 50 * time.Minute}}, 0.5, 90, "b"},
		"the other is away, and the log is full": {100, []announced{{node: "b", durable: 90, ago: 50 * time.Minute}}, 1, 90, "a"},
		"the other is gone":                      {100, []announced{{node: "b", durable: 90, ago: 61 * time.Minute}}, 0.5, 0, "a"},
		"the other is gone, and the log is full": {100, []announced{{node: "b", durable: 90, ago: 61 * time.Minute}}, 1, 0, "a"},
		"one of three is away":                   {100, []announced{{node: "b", durable: 10, ago: 50 * time.Minute}, {node: "c", durable: 90, ago: 0}}, 0.5, 10, "b"},
		"one of three is away, full":             {100, []announced{{node: "b", durable: 10, ago: 50 * time.Minute}, {node: "c", durable: 90, ago: 0}}, 0.75, 90, "c"},
		"one of three is gone":                   {100, []announced{{node: "b", durable: 10, ago: 61 * time.Minute}, {node: "c", durable: 90, ago: 0}}, 0.5, 90, "c"},
		"one of three gets a copy":               {100, []announced{{node: "b", copies: 80}, {node: "c", durable: 90}}, 0.5, 80, "b"},
		"one of three gets a copy, full":         {100, []announced{{node: "b", copies: 80}, {node: "c", durable: 90}}, 0.75, 90, "c"},
		"one of three waits for a copy":          {100, []announced{{node: "b", durable: 5, copies: cluster.NoRecords}, {node: "c", durable: 90}}, 0.5, 90, "c"},
		"one of two gets a copy":                 {100, []announced{{node: "b", copies: 80}}, 0.5, 0, "b"},
		"the owner has least, full":              {5, []announced{{node: "b", durable: 10, ago: 50 * time.Minute}, {node: "c", durable: 90, ago: 0}}, 1, 5, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := bus{make(chan []byte)}
				n := cluster.New(cluster.Options{Name: "a", Address: "a", Bus: b, Log: quiet})
				n.Hardened(test.own)
				ctx, end := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { n.Run(ctx); close(done) }()
				now := time.Now().Add(2 * cluster.AbsentTime)
				for _, one := range test.others {
					time.Sleep(time.Until(now.Add(-one.ago)))
					message, err := json.Marshal(cluster.Status{Node: one.node, Address: one.node, Durable: one.durable, Copies: one.copies})
					must(t, err)
					b.heard <- message
					synctest.Wait()
				}
				time.Sleep(time.Until(now))
				if got, holder := n.Trimmable(test.filled); got != test.want || holder != test.holder {
					t.Errorf("up to %d, held by %s; want %d, %s", got, holder, test.want, test.holder)
				}
				end()
				<-done
			})
		})
	}
}
