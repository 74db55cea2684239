package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// shelf has the bundles of tenants, and their bytecode.
type shelf struct {
	mu       sync.Mutex
	bundles  map[bundleKey][]byte
	bytecode map[bundleKey][]byte
	err      error // after the first bytes of a bundle
}

func (s *shelf) ReadBundle(_ context.Context, tenant runtime.Tenant, id runtime.BundleID, w io.Writer) error {
	s.mu.Lock()
	content, err := s.bundles[bundleKey{tenant, id}], s.err
	s.mu.Unlock()
	if content == nil {
		return noBundleError()
	}
	if _, failed := w.Write(content[:len(content)/2]); failed != nil || err != nil {
		return errors.Join(failed, err)
	}
	_, err = w.Write(content[len(content)/2:])
	return err
}

func (s *shelf) FindBytecode(tenant runtime.Tenant, id runtime.BundleID, _ runtime.GuestBuild) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.bytecode[bundleKey{tenant, id}])), nil
}

func (s *shelf) ReadBytecode(_ context.Context, tenant runtime.Tenant, id runtime.BundleID, _ runtime.GuestBuild, w io.Writer) error {
	s.mu.Lock()
	content := s.bytecode[bundleKey{tenant, id}]
	s.mu.Unlock()
	_, err := w.Write(content)
	return err
}

func (s *shelf) StoreBytecode(_ context.Context, tenant runtime.Tenant, id runtime.BundleID, _ runtime.GuestBuild, size int64, content io.Reader) error {
	b := make([]byte, size)
	if _, err := io.ReadFull(content, b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytecode[bundleKey{tenant, id}] = b
	return nil
}

// programOf returns a program of a tenant with a bundle.
func programOf(tenant runtime.Tenant, content []byte) *runtime.Program {
	return &runtime.Program{Tenant: tenant, Bundle: runtime.Bundle{ID: sha256.Sum256(content), Bytes: int64(len(content))}}
}

// lentShelf returns a shelf with a bundle of tenants a and b, as a worker has it that runs a's.
func lentShelf(t testing.TB, content []byte) (s *shelf, b *bundles, l *lentBundles, a, other *runtime.Program) {
	t.Helper()
	a, other = programOf("a", content), programOf("b", content)
	s = &shelf{bundles: map[bundleKey][]byte{{"a", a.Bundle.ID}: content, {"b", other.Bundle.ID}: content}, bytecode: map[bundleKey][]byte{}}
	_, worker := linked(t, func(server *conn) { l = newLentBundles(server, s, s) })
	t.Cleanup(l.close)
	l.begin(a)
	return s, newBundles(worker), l, a, other
}

// TestBundlesInAWorker reads bundles, and stores and reads bytecode, while a call needs them.
func TestBundlesInAWorker(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 300_000)
	s, b, l, a, other := lentShelf(t, content)
	ctx, build := context.Background(), pyguest.Build()
	before := countFiles(t)
	for range 2 * maxStreams {
		var got bytes.Buffer
		if err := b.ReadBundle(ctx, "a", a.Bundle.ID, &got); err != nil || !bytes.Equal(got.Bytes(), content) {
			t.Fatalf("%d bytes, %v", got.Len(), err)
		}
	}
	if size, err := b.FindBytecode("a", a.Bundle.ID, build); size != 0 || err != nil {
		t.Errorf("no bytecode: %d, %v", size, err)
	}
	if err := b.StoreBytecode(ctx, "a", a.Bundle.ID, build, 1000, bytes.NewReader(content)); err != nil {
		t.Error(err)
	}
	if size, err := b.FindBytecode("a", a.Bundle.ID, build); size != 1000 || err != nil {
		t.Errorf("bytecode: %d, %v", size, err)
	}
	var got bytes.Buffer
	if err := b.ReadBytecode(ctx, "a", a.Bundle.ID, build, &got); err != nil || !bytes.Equal(got.Bytes(), content[:1000]) {
		t.Errorf("bytecode: %d bytes, %v", got.Len(), err)
	}
	// Neither those of another tenant, nor of a build that is not the server's, nor after the call.
	for name, err := range map[string]error{
		"read": b.ReadBundle(ctx, "b", other.Bundle.ID, io.Discard), "read bytecode": b.ReadBytecode(ctx, "b", other.Bundle.ID, build, io.Discard),
		"store": b.StoreBytecode(ctx, "b", other.Bundle.ID, build, 4, bytes.NewReader(content)),
		"find":  func() error { _, err := b.FindBytecode("b", other.Bundle.ID, build); return err }(),
	} {
		if runtime.CodeOf(err) != runtime.CodeNotFound {
			t.Errorf("%s of another tenant: %v", name, err)
		}
	}
	if err := b.StoreBytecode(ctx, "a", a.Bundle.ID, runtime.GuestBuild{1}, 4, bytes.NewReader(content)); err == nil {
		t.Error("bytecode of another build is stored")
	}
	l.end(a)
	if err := b.ReadBundle(ctx, "a", a.Bundle.ID, io.Discard); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("after the call: %v", err)
	}
	if len(s.bytecode) != 1 {
		t.Errorf("the bytecode of %d bundles is stored", len(s.bytecode))
	}
	waitForFiles(t, before)
}

// waitForFiles waits until the process has no more files open than before.
func waitForFiles(t testing.TB, before int) {
	t.Helper()
	for range 200 {
		if countFiles(t) <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d files are open, before %d", countFiles(t), before)
}

// errHere is an error of the worker's side.
var errHere = errors.New("an error of the worker")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errHere }

// TestTransfersThatFail: each side learns of a failure of the other, and nothing is left.
func TestTransfersThatFail(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 300_000)
	s, b, _, a, _ := lentShelf(t, content)
	ctx, build := context.Background(), pyguest.Build()
	before := countFiles(t)
	if err := b.ReadBundle(ctx, "a", a.Bundle.ID, failing{}); !errors.Is(err, errHere) {
		t.Errorf("the worker cannot write: %v", err)
	}
	if err := b.StoreBytecode(ctx, "a", a.Bundle.ID, build, 4, iotest.ErrReader(errHere)); !errors.Is(err, errHere) {
		t.Errorf("the worker cannot read: %v", err)
	}
	if err := b.StoreBytecode(ctx, "a", a.Bundle.ID, build, int64(len(content))+1, bytes.NewReader(content)); err == nil {
		t.Error("bytecode that is too short is stored")
	}
	if err := b.StoreBytecode(ctx, "a", a.Bundle.ID, build, maxBytecode+1, bytes.NewReader(content)); runtime.CodeOf(err) != runtime.CodeTooLarge {
		t.Errorf("bytecode that is too large: %v", err)
	}
	stopped, cancel := context.WithCancel(ctx)
	written := 0
	err := b.ReadBundle(stopped, "a", a.Bundle.ID, writerFunc(func(p []byte) (int, error) {
		written += len(p)
		cancel()
		<-stopped.Done()
		return len(p), nil
	}))
	if err == nil || written == len(content) {
		t.Errorf("a transfer that was cancelled: %d bytes, %v", written, err)
	}
	s.mu.Lock()
	s.err = runtime.Errorf(runtime.CodeUnavailable, "the store fails")
	s.mu.Unlock()
	if err := b.ReadBundle(ctx, "a", a.Bundle.ID, io.Discard); runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("the store fails: %v", err)
	}
	waitForFiles(t, before)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestStreamsAreBounded: a worker that opens streams and uses none has a few, and can still use others.
func TestStreamsAreBounded(t *testing.T) {
	_, b, l, a, _ := lentShelf(t, []byte("a bundle"))
	before := countFiles(t)
	for range 10 * maxStreams {
		stream, _, err := openStream(context.Background(), b.conn)
		if err != nil {
			t.Fatal(err)
		}
		stream.Close()
	}
	l.stream.mu.Lock()
	n := len(l.stream.open)
	l.stream.mu.Unlock()
	if n != maxStreams {
		t.Errorf("%d streams are open", n)
	}
	if err := b.ReadBundle(context.Background(), "a", a.Bundle.ID, io.Discard); err != nil {
		t.Error(err)
	}
	if _, _, err := b.conn.call(context.Background(), kindReadBundle, bundleKey{"a", a.Bundle.ID}.append(wire.AppendUint(nil, 1))); err == nil {
		t.Error("a stream that is closed was used")
	}
	l.close()
	if _, _, err := openStream(context.Background(), b.conn); err == nil {
		t.Error("a stream was opened after the end")
	}
	waitForFiles(t, before)
}
