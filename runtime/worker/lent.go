package worker

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox"
)

// lent is what one worker uses of the server beside memory: the networks of its runs, bundles, and disks.
type lent struct {
	networks *lentNetworks
	bundles  *lentBundles
	files    *lentFiles
}

// newLent serves the calls about all that. The caller closes it once the connection has ended.
func newLent(c *conn, o *Options) *lent {
	return &lent{networks: newLentNetworks(c), bundles: newLentBundles(c, o.Bundles, o.Bytecode), files: newLentFiles(c, o.Files)}
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
func borrow(ctx context.Context, c *conn, o *sandbox.Options, hasBundles, hasBytecode bool) (err error) {
	shelf := newBundles(c)
	if hasBundles {
		o.Bundles = shelf
	}
	if hasBytecode {
		o.Bytecode = shelf
	}
	o.ImageFiles, o.BundleFiles, err = newDisks(ctx, c)
	return err
}
