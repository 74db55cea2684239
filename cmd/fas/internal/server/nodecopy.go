package server

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/replog"
)

const (
	// copyingName is the name of a copy of the store of another node that is incomplete, and copiedName that of one that
	// replaces the store of this node.
	copyingName = "store.copying"
	copiedName  = "store.copied"
	// copyPause is the time between two attempts to get a copy, and copyWarnTime that between two warnings.
	// The pause doubles up to copyMaxPause while copies come that cannot be used: each costs all that was sent.
	copyPause    = time.Second
	copyMaxPause = 5 * time.Minute
	copyWarnTime = time.Minute
)

// errNoCopy reports that no node has a copy that helps this one.
var errNoCopy = errors.New("no other node has data with which this one could follow the log")

// errSpoiled reports that a copy has come, in part or as a whole, and cannot be used.
var errSpoiled = errors.New("its copy cannot be used")

// sendCopy sends a copy of the store to another node.
func (n *node) sendCopy(ctx context.Context, to net.Conn) error {
	l := n.life.Load()
	if l == nil || !l.sending.TryRLock() {
		return errors.New("the store is not open")
	}
	defer l.sending.RUnlock()
	if err := l.store.Problem(); err != nil {
		return err
	}
	defer context.AfterFunc(l.copying, func() { _ = to.Close() })()
	began := time.Now()
	out := bufio.NewWriterSize(to, copyBuffer)
	err := l.store.Backup(ctx, n.Version, out)
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		n.log.Info("sent a copy of the data to another node", "to", to.RemoteAddr().String(), "took", time.Since(began).Round(time.Millisecond).String())
	}
	return err
}

// catchUp puts a complete copy in place that a process has left which was killed, and gets a copy if the store lacks
// records that the log does not have any more. It tries until ctx ends.
func (n *node) catchUp(ctx context.Context) error {
	if err := n.placeCopy(); err != nil || !n.behind {
		return err
	}
	var warned time.Time
	pause := copyPause
	for {
		n.cluster.Copying(cluster.NoRecords)
		err := n.getCopy(ctx)
		if err == nil {
			n.behind = false
			return n.placeCopy()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(warned) >= copyWarnTime {
			warned = time.Now()
			n.log.Warn("this node has no copy of the data yet, and tries again", "error", err,
				"hint", "start the other nodes; if none of them has the data, restore a backup, see docs/cluster.md")
		}
		if pause = min(2*pause, copyMaxPause); !errors.Is(err, errSpoiled) {
			pause = copyPause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// placeCopy replaces the store by a complete copy, if there is one, and removes an incomplete one. It can be interrupted at
// any point, and then goes on when it is called again.
func (n *node) placeCopy() error {
	if err := os.RemoveAll(filepath.Join(n.Data, copyingName)); err != nil {
		return fmt.Errorf("remove an incomplete copy of the data: %w", err)
	}
	whole, own := filepath.Join(n.Data, copiedName), filepath.Join(n.Data, storeName)
	if _, err := os.Stat(whole); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := os.RemoveAll(own)
	if err == nil {
		err = os.Rename(whole, own)
	}
	if err == nil {
		err = syncFolder(n.Data)
	}
	if err != nil {
		return fmt.Errorf("replace the data by a copy of another node's: %w", err)
	}
	return nil
}

// getCopy gets a copy from the best node that gives one.
func (n *node) getCopy(ctx context.Context) error {
	var errs []error
	for _, one := range n.copySources(ctx) {
		err := n.getCopyFrom(ctx, one)
		if err == nil {
			return nil
		}
		n.log.Debug("cannot get a copy of the data", "from", one.Node, "error", err)
		errs = append(errs, fmt.Errorf("the node %s: %w", one.Node, err))
	}
	if errs == nil {
		return errNoCopy
	}
	return errors.Join(errs...)
}

// copySources returns the nodes whose data the log continues, the best one first: the owner has other work.
func (n *node) copySources(ctx context.Context) (all []cluster.Status) {
	for _, one := range n.cluster.Members() {
		if one.Applied == 0 {
			continue
		}
		// The record behind the last one that is on its disk.
		if _, err := n.logs.Get(ctx, one.Durable+1); err == nil || errors.Is(err, replog.ErrAbsent) {
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b cluster.Status) int {
		if a.Owns != b.Owns {
			if a.Owns {
				return 1
			}
			return -1
		}
		return cmp.Compare(b.Durable, a.Durable)
	})
	return all
}

// getCopyFrom gets a copy from a node, checks all of it, and gives it its name when it is complete and durable.
func (n *node) getCopyFrom(ctx context.Context, from cluster.Status) (err error) {
	began := time.Now()
	half := filepath.Join(n.Data, copyingName)
	if err := errors.Join(os.RemoveAll(half), os.Mkdir(half, dataMode)); err != nil {
		return err
	}
	archive, err := n.dialer.Copy(ctx, from.Address)
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }()
	n.cluster.Copying(from.Durable)
	n.log.Info("getting a copy of the data from another node", "from", from.Node)
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w", errSpoiled, err)
		}
	}()
	c, err := extract(archive, half, n.copyFloor())
	if err != nil {
		return err
	}
	// Without keys: a node that does not have those of the copy follows, and gets them later.
	i, err := storage.Inspect(storage.InspectOptions{Dir: half})
	switch {
	case err != nil:
		return err
	case i.Applied.Generation != n.generation || i.Applied.Seq < from.Durable:
		return fmt.Errorf("its copy is not one of the log: %v", i.Applied)
	}
	if err = storage.Continues(ctx, n.logs, i.Applied); err != nil { // the own data may be better
		return fmt.Errorf("the log does not continue its copy: %w", err)
	}
	err = dropLock(half)
	if err == nil {
		err = os.Rename(half, filepath.Join(n.Data, copiedName))
	}
	if err == nil {
		err = syncFolder(n.Data)
	}
	if err != nil {
		return err
	}
	n.cluster.Hardened(i.Applied.Seq)
	n.cluster.Copying(0)
	n.log.Info("got a copy of the data from another node", "from", from.Node, "bytes", ui.SizeText(c.Bytes), "records", i.Records,
		"seq", i.Applied.Seq, "took", time.Since(began).Round(time.Millisecond).String())
	return nil
}

// copyFloor returns what a copy must leave free on the disk, in bytes.
func (n *node) copyFloor() uint64 {
	if n.DiskFloor > 0 {
		return uint64(n.DiskFloor)
	}
	_, total, err := storage.Room(n.Data)
	if err != nil {
		total = 0
	}
	return storage.DefaultFloor(total)
}
