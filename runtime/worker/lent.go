package worker

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// lent is what one worker uses of the server beside memory: the networks of its runs, bundles, and disks.
type lent struct {
	networks *lentNetworks
	bundles  *lentBundles
	files    *lentFiles
}

// newLent serves the calls about all that. The caller closes it once the connection has ended.
func newLent(c *conn, o *Options) *lent {
	l := &lent{networks: newLentNetworks(c), bundles: newLentBundles(c, o.Bundles, o.Bytecode), files: newLentFiles(c, o.Files)}
	c.handle(kindBorrow, func(_ context.Context, _ []byte, fds []int) ([]byte, []int, error) {
		closeFDs(fds)
		reply := wire.AppendBool(wire.AppendBool(nil, o.Bundles != nil), o.Bytecode != nil)
		for which := range uint64(disks) {
			reply = wire.AppendUint(reply, uint64(l.files.room(which)))
		}
		return reply, nil, nil
	})
	return l
}

// begin lends what a call of a program uses, with the id of its run if it has a network, until end.
func (l *lent) begin(p *runtime.Program, run uint64, n runtime.Network) {
	l.bundles.begin(p)
	if n != nil {
		l.networks.open(run, n)
	}
}

func (l *lent) end(p *runtime.Program, run uint64, n runtime.Network) {
	l.bundles.end(p)
	if n != nil {
		l.networks.close(run)
	}
}

// close ends what the worker uses. No call of it is served any more.
func (l *lent) close() {
	l.bundles.close()
	l.files.close()
}

// borrow sets what the sandbox of a worker uses of its server.
func borrow(ctx context.Context, c *conn, o *sandbox.Options) error {
	reply, fds, err := c.call(ctx, kindBorrow, nil)
	closeFDs(fds)
	if err != nil {
		return err
	}
	d := wire.Decode(reply)
	shelf := newBundles(c)
	if d.Bool() {
		o.Bundles = shelf
	}
	if d.Bool() {
		o.Bytecode = shelf
	}
	tokens := make(streamTokens, maxStreams)
	o.ImageFiles = newDisk(c, diskImages, d.Size(), tokens)
	o.BundleFiles = newDisk(c, diskBundles, d.Size(), tokens)
	return d.Err()
}
