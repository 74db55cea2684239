package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
)

// waitingMessages bounds the messages of a bus that wait for their reader; further ones are dropped.
const waitingMessages = 1024

// Bus sends messages between the nodes of a cluster, through the servers of its log, which do not store them.
// They may be lost.
type Bus struct {
	conn    *nats.Conn
	subject string
	closed  chan struct{}
	close   func()
}

// OpenBus opens the bus of the cluster that the options of its log name. It waits for the servers until ctx
// ends.
func OpenBus(ctx context.Context, o Options) (*Bus, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	conn, err := dial(ctx, &o, o.Auth)
	if err != nil {
		return nil, err
	}
	b := &Bus{conn: conn, subject: "fas." + o.Cluster + ".nodes", closed: make(chan struct{})}
	b.close = sync.OnceFunc(func() {
		close(b.closed)
		conn.Close()
	})
	return b, nil
}

// Publish sends a message to all nodes, also to this one. It does not wait for an answer.
func (b *Bus) Publish(message []byte) error {
	if err := b.conn.Publish(b.subject, message); err != nil {
		return fmt.Errorf("send to the nodes: %w", err)
	}
	return nil
}

// Subscribe calls each with the messages of all nodes, one after the other, until ctx ends, whose error it
// returns, or the bus is closed.
func (b *Bus) Subscribe(ctx context.Context, each func(message []byte)) error {
	s, err := b.conn.SubscribeSync(b.subject)
	if err != nil {
		return fmt.Errorf("listen to the nodes: %w", err)
	}
	defer func() { _ = s.Unsubscribe() }() // it fails if the connection is closed
	if err := s.SetPendingLimits(waitingMessages, -1); err != nil {
		return fmt.Errorf("listen to the nodes: %w", err)
	}
	for {
		m, err := s.NextMsgWithContext(ctx)
		switch {
		case err == nil:
			each(m.Data)
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, nats.ErrSlowConsumer): // some were dropped
		default:
			return fmt.Errorf("listen to the nodes: %w", err)
		}
	}
}

// Close sends what was published, and closes the connection.
func (b *Bus) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	_ = b.conn.FlushWithContext(ctx) // messages may be lost
	b.close()
	return nil
}
