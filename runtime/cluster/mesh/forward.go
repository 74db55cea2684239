package mesh

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster"
)

const (
	// maxForwarded bounds the requests that this node forwards at once.
	maxForwarded = 4 << 10
	// idleTime is how long a connection waits for the next request. The owner closes those that wait for longer, and
	// a request must not be sent on a connection that is being closed.
	idleTime = 20 * time.Second
	// watchTime is the time between two looks at who owns the data.
	watchTime = 500 * time.Millisecond
	// forwardBuffer is the size of the buffers of a connection, one in each direction, in bytes.
	forwardBuffer = 8 << 10
	// maxIdle bounds the connections that wait for the next request.
	maxIdle = 256
)

var (
	// ErrNoOwner reports that a request was not sent, because no owner is known, or it cannot be reached.
	ErrNoOwner = errors.New("the owner of the data cannot be reached")
	// ErrNoPlace reports that a request was not sent, because too many are under way.
	ErrNoPlace = errors.New("too many requests are forwarded")
)

// ForwarderOptions are the options of a Forwarder. All must be set.
type ForwarderOptions struct {
	Dialer Dialer
	// Owner returns the node that owns the data, if this node knows.
	Owner func() (cluster.Status, bool)
	Log   *slog.Logger
}

// Forwarder sends requests to the node that owns the data, over connections that stay open for further ones.
type Forwarder struct {
	ForwarderOptions
	places    *places
	transport *http.Transport
	ctx       context.Context
	cancel    context.CancelFunc
	watching  sync.WaitGroup

	owner string // that watch has seen last

	mu  sync.Mutex
	all map[*forwarded]bool // that are under way
}

// forwarded is a request that is under way until its answer is closed.
type forwarded struct {
	owner string
	end   context.CancelFunc
}

// NewForwarder returns a forwarder, which must be closed.
func NewForwarder(o ForwarderOptions) *Forwarder {
	f := &Forwarder{ForwarderOptions: o, places: newPlaces(maxForwarded), all: make(map[*forwarded]bool)}
	f.transport = &http.Transport{
		DialContext:        func(ctx context.Context, _, address string) (net.Conn, error) { return f.Dialer.Requests(ctx, address) },
		DisableCompression: true, IdleConnTimeout: idleTime, MaxIdleConns: maxIdle, MaxIdleConnsPerHost: maxIdle,
		ReadBufferSize: forwardBuffer, WriteBufferSize: forwardBuffer,
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.watching.Go(f.watch)
	return f
}

// Close ends all requests that are under way.
func (f *Forwarder) Close() {
	f.cancel()
	f.watching.Wait()
	f.EndAll()
	f.transport.CloseIdleConnections()
}

// Hold takes a place of a request of the client at an address that waits to be forwarded, until leave is called, once. ErrNoPlace: too many
// are under way.
func (f *Forwarder) Hold(client net.Addr, sender string) (leave func(), err error) {
	leave, ok := f.places.takeFor(client, sender)
	if !ok {
		return nil, ErrNoPlace
	}
	return leave, nil
}

// Forward sends a request of the client at an address to the owner, and returns the answer, whose body must be closed. sender
// is whose places the request takes a part of, empty if that is not known: all such requests have one sender. The
// URL of the request needs no host. Both end when another node owns the data. ErrNoOwner and ErrNoPlace say that nothing
// was sent.
func (f *Forwarder) Forward(r *http.Request, client net.Addr, sender string) (*http.Response, error) {
	leave, err := f.Hold(client, sender)
	if err != nil {
		return nil, err
	}
	owner, ok := f.Owner()
	if !ok {
		leave()
		return nil, ErrNoOwner
	}
	one := &forwarded{owner: owner.Node}
	var ctx context.Context
	ctx, one.end = context.WithCancel(r.Context())
	f.mu.Lock()
	f.all[one] = true
	f.mu.Unlock()
	done := func() {
		f.mu.Lock()
		delete(f.all, one)
		f.mu.Unlock()
		one.end()
		leave()
	}
	reached := false
	r = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached = true }}))
	r.URL.Scheme, r.URL.Host = "http", owner.Address
	answer, err := f.transport.RoundTrip(r)
	if err != nil {
		done()
		if !reached {
			f.Log.Debug("cannot reach the owner", "owner", owner.Node, "error", err)
			err = errors.Join(ErrNoOwner, err)
		}
		return nil, err
	}
	answer.Body = &forwardedBody{answer.Body, ctx, sync.OnceFunc(done)}
	return answer, nil
}

// forwardedBody is the body of an answer, which ends its request when it is closed.
type forwardedBody struct {
	io.ReadCloser
	ctx  context.Context // of the request
	done func()
}

// Read implements [io.Reader]. The owner of a request that has ended here may end its answer as if that was all.
func (b *forwardedBody) Read(p []byte) (n int, err error) {
	if n, err = b.ReadCloser.Read(p); err != nil && b.ctx.Err() != nil {
		err = b.ctx.Err()
	}
	return n, err
}

// Close implements [io.Closer].
func (b *forwardedBody) Close() error {
	err := b.ReadCloser.Close()
	b.done()
	return err
}

// watch ends requests of a node that does not own the data any more, until Close is called: it may stand still.
func (f *Forwarder) watch() {
	ticker := time.NewTicker(watchTime)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-f.ctx.Done():
			return
		}
		now, known := f.Owner()
		if known && now.Node != f.owner {
			f.owner = now.Node
			f.transport.CloseIdleConnections()
		}
		if known {
			f.endAll(func(one *forwarded) bool { return one.owner != now.Node })
		}
	}
}

// EndAll ends all requests that are under way: this node owns the data.
func (f *Forwarder) EndAll() { f.endAll(func(*forwarded) bool { return true }) }

// End ends all requests to a node that are under way: it cannot be reached.
func (f *Forwarder) End(node string) {
	f.endAll(func(one *forwarded) bool { return one.owner == node })
	f.transport.CloseIdleConnections()
}

func (f *Forwarder) endAll(which func(*forwarded) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for one := range f.all {
		if which(one) {
			one.end()
		}
	}
}
