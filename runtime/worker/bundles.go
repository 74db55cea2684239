package worker

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// The kinds about streams, and about bundles and their bytecode, which a worker sends.
const (
	kindBorrow        kind = firstFile + iota // what the server has: bundles, bytecode, and disks with their room in bytes
	kindStream                                // a stream for one of the calls below
	kindReadBundle                            // the reply comes when the bundle is written to the stream
	kindFindBytecode                          // size of the bytecode of a bundle
	kindReadBytecode                          // likewise
	kindStoreBytecode                         // the reply comes when what the stream has is stored
	firstDiskKind
)

const (
	// maxBytecode is the largest size, in bytes, of the bytecode of a bundle.
	maxBytecode = runtime.MaxBundleUnpacked + 32*runtime.MiB
	// maxTenant is the largest size, in bytes, of the name of a tenant.
	maxTenant = 1024
)

// bundleKey identifies a bundle of a tenant.
type bundleKey struct {
	tenant runtime.Tenant
	id     runtime.BundleID
}

func (k bundleKey) append(b []byte) []byte {
	return wire.AppendBytes(wire.AppendBytes(b, string(k.tenant)), k.id[:])
}

// decodeBundleKey reads a bundle of a tenant.
func decodeBundleKey(d *wire.Decoder) (k bundleKey) {
	k.tenant = runtime.Tenant(d.String(maxTenant))
	if copy(k.id[:], d.Bytes(len(k.id))) != len(k.id) {
		d.Fail()
	}
	return k
}

// bundles are the bundles of a server in its worker. It implements [runtime.BundleSource] and
// [runtime.BytecodeStore].
type bundles struct {
	conn   *conn
	tokens streamTokens
}

var (
	_ runtime.BundleSource  = (*bundles)(nil)
	_ runtime.BytecodeStore = (*bundles)(nil)
)

// newBundles returns the bundles of a worker's server.
func newBundles(c *conn) *bundles { return &bundles{conn: c, tokens: make(streamTokens, maxStreams)} }

// ReadBundle implements [runtime.BundleSource].
func (b *bundles) ReadBundle(ctx context.Context, tenant runtime.Tenant, id runtime.BundleID, w io.Writer) error {
	return b.read(ctx, kindReadBundle, bundleKey{tenant, id}, w)
}

// ReadBytecode implements [runtime.BytecodeStore].
func (b *bundles) ReadBytecode(ctx context.Context, tenant runtime.Tenant, id runtime.BundleID, build runtime.GuestBuild, w io.Writer) error {
	if err := checkBuild(build); err != nil {
		return err
	}
	return b.read(ctx, kindReadBytecode, bundleKey{tenant, id}, w)
}

// checkBuild returns an error for a build that is not that of this program, and so not the server's.
func checkBuild(build runtime.GuestBuild) error {
	if build != pyguest.Build() {
		return runtime.Internal("worker.bytecode", errors.New("the bytecode is of another build"))
	}
	return nil
}

// read writes to w what the server writes to a stream.
func (b *bundles) read(ctx context.Context, k kind, key bundleKey, w io.Writer) error {
	return b.transfer(ctx, k, key.append(nil), func(stream *os.File) error { return copyPieces(w, stream) })
}

// transfer makes a call that uses a stream, while move reads or writes this end of it.
func (b *bundles) transfer(ctx context.Context, k kind, payload []byte, move func(stream *os.File) error) error {
	if err := b.tokens.take(ctx); err != nil {
		return err
	}
	defer b.tokens.give()
	stream, id, err := openStream(ctx, b.conn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	defer stop()
	answered := make(chan error, 1)
	go func() {
		_, fds, err := b.conn.call(ctx, k, append(wire.AppendUint(nil, id), payload...))
		closeFDs(fds)
		answered <- err
	}()
	failed := move(stream)
	if failed != nil {
		cancel()
	}
	err = <-answered
	_ = stream.Close()
	if ended := errors.Is(failed, syscall.EPIPE) || errors.Is(failed, syscall.ECONNRESET) || errors.Is(failed, os.ErrClosed); failed != nil && !ended {
		return failed
	}
	return cmp.Or(err, failed) // the server knows why it has ended the stream
}

// FindBytecode implements [runtime.BytecodeStore].
func (b *bundles) FindBytecode(tenant runtime.Tenant, id runtime.BundleID, build runtime.GuestBuild) (int64, error) {
	if err := checkBuild(build); err != nil {
		return 0, err
	}
	reply, fds, err := b.conn.call(context.Background(), kindFindBytecode, bundleKey{tenant, id}.append(nil))
	closeFDs(fds)
	if err != nil {
		return 0, err
	}
	d := wire.Decode(reply)
	size := d.Size()
	return size, d.Err()
}

// StoreBytecode implements [runtime.BytecodeStore].
func (b *bundles) StoreBytecode(ctx context.Context, tenant runtime.Tenant, id runtime.BundleID, build runtime.GuestBuild, size int64, content io.Reader) error {
	if err := checkBuild(build); err != nil {
		return err
	}
	payload := wire.AppendUint(bundleKey{tenant, id}.append(nil), uint64(size))
	return b.transfer(ctx, kindStoreBytecode, payload, func(stream *os.File) error {
		if err := copyPieces(stream, io.LimitReader(content, size)); err != nil {
			return err
		}
		return endWriting(stream)
	})
}

// lentBundles are the bundles that one worker may read, and whose bytecode it may store: those of the calls
// that it serves at the moment.
type lentBundles struct {
	conn   *conn
	source runtime.BundleSource  // nil: there are no bundles
	stored runtime.BytecodeStore // nil: bytecode is not stored
	stream lentStreams

	mu    sync.Mutex
	calls map[bundleKey]int // in progress
}

// newLentBundles serves the calls about bundles of a worker's connection. The caller closes it.
func newLentBundles(c *conn, source runtime.BundleSource, stored runtime.BytecodeStore) *lentBundles {
	l := &lentBundles{conn: c, source: source, stored: stored, calls: make(map[bundleKey]int)}
	c.handle(kindStream, l.stream.create)
	c.handle(kindReadBundle, l.read(func(ctx context.Context, key bundleKey, w io.Writer) error {
		if l.source == nil {
			return noBundleError()
		}
		return l.source.ReadBundle(ctx, key.tenant, key.id, w)
	}))
	c.handle(kindReadBytecode, l.read(func(ctx context.Context, key bundleKey, w io.Writer) error {
		if l.stored == nil {
			return noBundleError()
		}
		return l.stored.ReadBytecode(ctx, key.tenant, key.id, pyguest.Build(), w)
	}))
	c.handle(kindFindBytecode, l.find)
	c.handle(kindStoreBytecode, l.store)
	return l
}

// begin lets the worker use the bundle of a program until end.
func (l *lentBundles) begin(p *runtime.Program) { l.count(p, 1) }

func (l *lentBundles) end(p *runtime.Program) { l.count(p, -1) }

// count counts n more calls that need the bundle of a program.
func (l *lentBundles) count(p *runtime.Program, n int) {
	if p.Bundle.IsZero() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := bundleKey{p.Tenant, p.Bundle.ID}
	if l.calls[key] += n; l.calls[key] == 0 {
		delete(l.calls, key)
	}
}

// close closes the streams of the worker.
func (l *lentBundles) close() { l.stream.close() }

// allowed returns an error for a bundle that no call in progress needs.
func (l *lentBundles) allowed(key bundleKey) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls[key] == 0 {
		return noBundleError()
	}
	return nil
}

func noBundleError() error { return runtime.Errorf(runtime.CodeNotFound, "there is no such bundle") }

// malformed ends the connection of a worker that has sent a malformed message, and returns the error.
func (l *lentBundles) malformed(d *wire.Decoder) error {
	err := d.Err()
	if err != nil {
		l.conn.abort(err)
	}
	return err
}

// transfer calls f with the stream of a call about a bundle, which was decoded, and closes it afterwards.
func (l *lentBundles) transfer(ctx context.Context, d *wire.Decoder, id uint64, key bundleKey, f func(stream prompt) error) error {
	if err := l.malformed(d); err != nil {
		return err
	}
	stream, done, err := l.stream.use(ctx, id)
	if err != nil {
		return err
	}
	defer done()
	if err := l.allowed(key); err != nil {
		return err
	}
	return f(stream)
}

// read returns what serves a call that writes to a stream.
func (l *lentBundles) read(write func(context.Context, bundleKey, io.Writer) error) func(context.Context, []byte, []int) ([]byte, []int, error) {
	return func(ctx context.Context, payload []byte, fds []int) ([]byte, []int, error) {
		closeFDs(fds)
		d := wire.Decode(payload)
		id, key := d.Uint(), decodeBundleKey(&d)
		return nil, nil, l.transfer(ctx, &d, id, key, func(stream prompt) error { return write(ctx, key, stream) })
	}
}

func (l *lentBundles) find(_ context.Context, payload []byte, fds []int) ([]byte, []int, error) {
	closeFDs(fds)
	d := wire.Decode(payload)
	key := decodeBundleKey(&d)
	if err := l.malformed(&d); err != nil {
		return nil, nil, err
	}
	if err := l.allowed(key); err != nil {
		return nil, nil, err
	}
	if l.stored == nil {
		return wire.AppendUint(nil, 0), nil, nil
	}
	size, err := l.stored.FindBytecode(key.tenant, key.id, pyguest.Build())
	return wire.AppendUint(nil, uint64(max(size, 0))), nil, err
}

func (l *lentBundles) store(ctx context.Context, payload []byte, fds []int) ([]byte, []int, error) {
	closeFDs(fds)
	d := wire.Decode(payload)
	id, key, size := d.Uint(), decodeBundleKey(&d), d.Size()
	return nil, nil, l.transfer(ctx, &d, id, key, func(stream prompt) error {
		if l.stored == nil || size > maxBytecode {
			return runtime.Errorf(runtime.CodeTooLarge, "the bytecode cannot be stored")
		}
		return l.stored.StoreBytecode(ctx, key.tenant, key.id, pyguest.Build(), size, stream)
	})
}
