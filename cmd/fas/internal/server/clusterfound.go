package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/nats"
)

const (
	// originFile is the file in a data folder with the hash of the log that is being made from it. With it, a command that
	// was interrupted finds the log that it has made.
	originFile = "log-origin"
	// sealTime bounds what a command waits until a log is closed that may have lost the majority of its servers.
	sealTime = 15 * time.Second
)

// founder makes the log of a cluster from a data folder: first the log, and then the folder becomes its first replica. So no
// folder has a generation without a log.
type founder struct {
	options    nats.Options
	store      storage.Options
	data       string
	latest     uint64 // generation of the log; 0: there is none
	heal, lose bool
}

// found returns the place behind which the log begins.
func (c *founder) found(ctx context.Context) (at replog.Position, err error) {
	place, err := storage.PlaceOf(c.store.Dir)
	if err != nil {
		return at, err
	}
	var last *nats.Generation
	if c.latest > 0 {
		c.options.Generation = c.latest
		finding, cancel := context.WithTimeout(ctx, sealTime)
		last, err = nats.Find(finding, c.options)
		cancel()
		if err != nil && (!c.heal || !c.lose) {
			return at, runtime.Errorf(runtime.CodeUnavailable, "the log of generation %d does not answer: %v", c.latest, err).
				WithHint("start its servers; if its disks are lost, repeat `fas cluster heal` with --lose-records")
		}
	}
	hash, err := c.hash()
	if err != nil {
		return at, err
	}
	if last != nil && last.Origin != "" {
		origin := hex.EncodeToString(hash[:])
		if place != nil && place.Generation == c.latest {
			origin = hex.EncodeToString(place.Hash[:])
		}
		at = storage.Succeeding(place, c.latest, hash)
		switch {
		case origin != last.Origin || !last.Empty() || at.Seq != last.Base:
		case place != nil && place.Generation == c.latest: // this command has succeeded before
			return *place, c.forget()
		default: // it was interrupted
			return at, c.finish(ctx, place, at)
		}
	}
	if err := c.check(place, last); err != nil {
		return at, err
	}
	next := uint64(firstGeneration)
	if c.heal {
		next = max(place.Generation, c.latest) + 1
	}
	if hash, err = c.newHash(); err != nil {
		return at, err
	}
	at = storage.Succeeding(place, next, hash)
	c.options.Generation, c.options.Base, c.options.Origin = next, at.Seq, hex.EncodeToString(hash[:])
	if err := makeLog(ctx, c.options); err != nil {
		return at, err
	}
	return at, c.finish(ctx, place, at)
}

// finish closes the log before, and makes the folder the first replica of the next one, which is there. It removes that if it
// cannot.
func (c *founder) finish(ctx context.Context, place *replog.Position, at replog.Position) error {
	if place != nil {
		if err := c.seal(ctx, place, at.Generation); err != nil {
			c.options.Generation = at.Generation
			return errors.Join(err, nats.Remove(ctx, c.options))
		}
	}
	if err := storage.Adopt(c.store, at); err != nil {
		return err
	}
	return c.forget()
}

// check returns why no log may be made from the folder, or nil.
func (c *founder) check(place *replog.Position, last *nats.Generation) error {
	switch {
	case !c.heal && place != nil:
		return clierror.Usagef("use `fas cluster heal`", "the data in %s are those of a node", c.data)
	case !c.heal && c.latest > 0:
		return hasLogError(c.options.Cluster)
	case !c.heal:
		return nil
	case place == nil:
		return clierror.Usagef("use `fas cluster init --import` for the data of a server alone", "the data in %s are not those of a node", c.data)
	case place.Generation > c.latest && !c.lose:
		return runtime.Errorf(runtime.CodeNotFound, "the servers have no log of the cluster %s with generation %d, which the data in %s are of", c.options.Cluster, place.Generation, c.data).
			WithHint("check --cluster and --cluster-name; if all disks of the log are lost, repeat the command with --lose-records")
	case place.Generation < c.latest && !c.lose:
		return clierror.Usagef("use the folder of another node; if there is none, repeat the command with --lose-records",
			"the data in %s are of an earlier generation of the log, %d instead of %d", c.data, place.Generation, c.latest)
	case place.Generation == c.latest && last != nil:
		return c.lacks(place, last)
	}
	return nil
}

// lacks returns an error if the log has records that the folder lacks.
func (c *founder) lacks(place *replog.Position, last *nats.Generation) error {
	if last.Last <= place.Seq || c.lose {
		return nil
	}
	return runtime.Errorf(runtime.CodeConflict, "the log has records up to %d, and the data in %s up to %d: %d would be lost", last.Last, c.data, place.Seq, last.Last-place.Seq).
		WithHint("start the node, which reads them, or use the folder of another one; if the log is damaged there, repeat the command with --lose-records")
}

// seal closes the logs before a generation, so that no node that knows nothing of it writes to one.
func (c *founder) seal(ctx context.Context, place *replog.Position, next uint64) error {
	ctx, cancel := context.WithTimeout(ctx, sealTime)
	defer cancel()
	for c.options.Generation = place.Generation; c.options.Generation < next; c.options.Generation++ {
		last, err := nats.Seal(ctx, c.options)
		if err != nil && !c.lose {
			return runtime.Errorf(runtime.CodeUnavailable, "cannot close the log of generation %d, so that nodes might go on with it: %v", c.options.Generation, err).
				WithHint("start its servers; if its disks are lost, repeat the command with --lose-records while no node runs")
		}
		if last != nil && c.options.Generation == place.Generation { // records may have come since check
			if err := c.lacks(place, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// hash returns the hash of the log that was being made from the folder when the command was interrupted, zero if none was.
func (c *founder) hash() (hash [32]byte, err error) {
	text, err := os.ReadFile(filepath.Join(c.data, originFile))
	if errors.Is(err, fs.ErrNotExist) {
		return hash, nil
	}
	if err != nil {
		return hash, err
	}
	if b, err := hex.DecodeString(string(text)); err == nil && len(b) == len(hash) { // else it was not written completely
		copy(hash[:], b)
	}
	return hash, nil
}

// newHash returns a new hash, which is on the disk.
func (c *founder) newHash() (hash [32]byte, err error) {
	rand.Read(hash[:])
	if err = c.forget(); err == nil {
		err = writeFile(filepath.Join(c.data, originFile), strings.NewReader(hex.EncodeToString(hash[:])))
	}
	if err == nil {
		err = syncFolder(c.data)
	}
	if err != nil {
		err = fmt.Errorf("write to the data folder: %w", err)
	}
	return hash, err
}

// forget removes the file with the hash.
func (c *founder) forget() error {
	if err := os.Remove(filepath.Join(c.data, originFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
