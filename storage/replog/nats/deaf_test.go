package nats_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/test/listener"
)

// A server that answers pings, and brings no answers of the log, as one that is cut off from the others, is left for
// another one.
func TestServerThatBringsNoAnswersIsLeft(t *testing.T) {
	t.Parallel()
	addresses := start(t, configurations(t, 1, key.Key{}))
	o := options(addresses)
	open(t, o).Close() // it is there
	var deaf atomic.Bool
	var clients atomic.Int64
	// front passes on what clients and the server send each other, until it is deaf.
	front := listener.TCP(t, func(_ context.Context, c net.Conn) {
		clients.Add(1)
		server, err := net.Dial("tcp", addresses[0])
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = server.Close() }()
		go func() {
			for answers := bufio.NewReader(server); ; {
				line, err := answers.ReadString('\n')
				if err != nil {
					return
				}
				if !deaf.Load() || strings.HasPrefix(line, "INFO") {
					fmt.Fprint(c, line)
				}
			}
		}()
		for requests := bufio.NewReader(c); ; {
			line, err := requests.ReadString('\n')
			switch {
			case err != nil:
				return
			case !deaf.Load():
				fmt.Fprint(server, line)
			case strings.HasPrefix(line, "PING"):
				fmt.Fprint(c, "PONG\r\n")
			}
		}
	})
	o.Servers = append(o.Servers, "nats://"+front.String())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Clients try servers in random order.
	l := open(t, o)
	for clients.Load() == 0 {
		l.Close()
		l = open(t, o)
	}
	defer l.Close()
	deaf.Store(true)
	for err := l.Append(ctx, 0, []byte("record"))(); err != nil && !errors.Is(err, replog.ErrConflict); err = l.Append(ctx, 0, []byte("record"))() {
		if ctx.Err() != nil {
			t.Fatalf("the log stays with a server that brings no answers: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
