package worker

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/egress"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// FuzzLent sends the server what a worker may send about networks, bundles and files. Nothing panics, takes
// more than it may, or is left.
func FuzzLent(f *testing.F) {
	target := appendTarget(wire.AppendUint(nil, testRun), "tcp", listen(f, echo))
	for k, payload := range map[kind][]byte{
		kindResolve: wire.AppendBytes(wire.AppendBytes(wire.AppendUint(nil, testRun), "ip"), "localhost"), kindCheck: target, kindConnect: target, kindDial: target,
		kindServerName: wire.AppendBytes(wire.AppendUint(wire.AppendUint(nil, testRun), 0), "localhost"),
		kindConnected:  wire.AppendUint(wire.AppendUint(nil, testRun), 1), kindMade: wire.AppendUint(wire.AppendUint(nil, testRun), 1),
		kindCount:      wire.AppendUint(wire.AppendUint(wire.AppendUint(wire.AppendUint(nil, testRun), 1), 1000), 1),
		kindHangUp:     wire.AppendUint(wire.AppendUint(wire.AppendUint(wire.AppendUint(nil, testRun), 1), 1000), 1),
		kindFlush:      wire.AppendUint(nil, testRun),
		kindBorrow:     nil,
		kindStream:     nil,
		kindFile:       wire.AppendUint(wire.AppendUint(nil, diskImages), 1000),
		kindReadBundle: bundleKey{"a", programOf("a", []byte("content")).Bundle.ID}.append(wire.AppendUint(nil, 1)),
		kindFileDone:   wire.AppendUint(nil, 1), kindFileClose: wire.AppendUint(nil, 1),
	} {
		f.Add(uint8(k), payload, uint8(kindConnect), target)
	}
	networks, err := egress.NewNetworks(egress.NetworkOptions{Allow: []string{"127.0.0.0/8"}})
	if err != nil {
		f.Fatal(err)
	}
	files := OpenFiles(FileOptions{ImageDir: filepath.Join(f.TempDir(), "images"), ImageDisk: runtime.MiB, Log: quiet})
	content := []byte("content")
	f.Fuzz(func(t *testing.T, first uint8, one []byte, second uint8, other []byte) {
		own := networks.Open(&runtime.Program{Tenant: "a", FunctionID: "f", Allow: []string{"127.0.0.1:1"}})
		defer own.Close()
		p := programOf("a", content)
		s := &shelf{bundles: map[bundleKey][]byte{{"a", p.Bundle.ID}: content}, bytecode: map[bundleKey][]byte{}}
		var l *lent
		server := unserved(t, func(server *conn) { l = newLent(server, &Options{Bundles: s, Bytecode: s, Files: files}) })
		l.begin(p, testRun, own)
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		for _, m := range []struct {
			kind    kind
			payload []byte
		}{{kind(first % kinds), one}, {kind(second % kinds), other}} {
			switch h := server.handlers[m.kind]; {
			case m.kind < firstNetwork:
			case h.call != nil:
				_, fds, _ := h.call(ctx, &request{id: 1, payload: m.payload})
				closeFDs(fds)
			case h.note != nil:
				_ = h.note(m.payload)
			}
		}
		cancel()
		l.end(p, testRun, own)
		l.close()
		if d := files.disks[diskImages]; d != nil && d.inUse() != (use{}) {
			t.Errorf("%+v is left on disk", d.inUse())
		}
	})
}

// unserved returns the server's end of a connection that nobody serves.
func unserved(t testing.TB, set func(server *conn)) *conn {
	t.Helper()
	a, b := sockets(t)
	server, err := newConn(a, false)
	if err != nil {
		t.Fatal(err)
	}
	set(server)
	t.Cleanup(func() {
		a.Close()
		b.Close()
		server.out.close(errEnded)
	})
	return server
}
