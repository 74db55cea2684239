package server

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/keyset"
)

const (
	// rekeyTime is the time between two looks of the owner whether all nodes have a new key of secrets.
	rekeyTime = 2 * time.Second
	// rekeyPause is the longest time between two tries of a rotation that fails.
	rekeyPause = 5 * time.Minute
	// rekeyWarnTime is the time between two warnings that a node does not have it.
	rekeyWarnTime = time.Minute
)

// failures are what is known of a rotation that fails again and again, as it does while there is no room on the disk, or a
// secret that no key decrypts.
type failures struct {
	key   string
	entry audited // in the audit log, one for all tries
	until time.Time
	last  time.Duration
}

// pause returns for how long nothing is tried now.
func (f *failures) pause() time.Duration {
	f.last = min(max(2*f.last, rekeyTime), rekeyPause)
	f.until = time.Now().Add(f.last)
	return f.last
}

// nodeKeys are the keys of secrets of a node, which has those of all others. When an operator has given a new key to all
// nodes, the owner encrypts with it.
type nodeKeys struct {
	mu   sync.Mutex // held while a life takes the keys, or they change
	keys *keyset.Keyset
}

// secretFiles returns where the keys of secrets are.
func (n *node) secretFiles() Secrets {
	return Secrets{Data: n.Data, File: n.SecretsFile, Environ: n.Environ}
}

// openKeys reads the keys of secrets, which are the same on all nodes: only the node that creates the cluster
// makes one.
func (n *node) openKeys() (err error) {
	files, k := n.secretFiles(), &n.sealing.keys
	if n.ClusterCreate {
		*k, n.keepKeys, err = files.open(n.log)
		return err
	}
	if *k, err = files.load(); errors.Is(err, fs.ErrNotExist) {
		return clierror.Usagef("copy the file from another node, or name it with --secrets-file", "there are no keys of secrets in %s: all nodes of a cluster need the same", files.path())
	}
	return err
}

// reloadKeys reads the keys of secrets again, unless a variable has them. The node keeps those that it has if the new ones
// are not those of its data.
func (n *node) reloadKeys() {
	files := n.secretFiles()
	if files.Environ[environ.SecretsVar] != "" {
		return
	}
	n.sealing.mu.Lock()
	defer n.sealing.mu.Unlock()
	k, err := files.load()
	if l := n.life.Load(); l != nil && err == nil && !slices.Equal(k.IDs(), n.sealing.keys.IDs()) {
		err = l.store.UseKeys(k)
	}
	if err != nil {
		n.log.Error("the keys of secrets cannot be used; the node keeps those before", "file", files.path(), "error", clierror.Message(err),
			"hint", "keep the file in a folder that the server can read, with all keys that the audit log has not said to be replaced")
		return
	}
	n.sealing.keys = k
	n.cluster.SetSecretsKey(k.ID())
	if l := n.life.Load(); l != nil {
		l.checkKeys()
		l.stand(0)
	}
	n.log.Info("read the keys of secrets again", "file", files.path(), "keys", k.Len(), "newest", k.ID())
}

// checkKeys notes whether the node has the keys of its data. What it has not read of the log yet may change that.
func (l *life) checkKeys() {
	l.checking.Lock() // a later answer is the last one that is stored
	defer l.checking.Unlock()
	err := l.store.CheckKeys()
	if err == nil {
		l.keyless.Store(nil)
		return
	}
	why := runtime.Errorf(runtime.CodeUnavailable, "this node does not have the keys of secrets that are used").WithHint("use another one")
	why.Err = err
	l.keyless.Store(new(error(why)))
}

// rekey encrypts all secrets with the newest key when all nodes have that, if this node owns the data.
func (n *node) rekey(ctx context.Context) {
	var warned time.Time
	var failing failures
	var looks int // in a row at which the node did not have the keys of its data
	n.each(ctx, rekeyTime, func(l *life) {
		if looks++; l.keyless.Load() == nil {
			looks = 0
		}
		if looks > 1 && time.Since(warned) >= rekeyWarnTime {
			warned = time.Now()
			n.log.Error("this node does not have the keys of secrets that are used: it runs no functions, and cannot become the owner", "file", n.secretFiles().path(),
				"hint", "copy the file from another node, and reload this one")
		}
		if l.roll.Load() == nil {
			return
		}
		if done, err := l.store.Resealed(); done || err != nil {
			return // it may not own the data any more
		}
		n.sealing.mu.Lock()
		newest := n.sealing.keys.ID()
		n.sealing.mu.Unlock()
		if newest != failing.key {
			failing = failures{key: newest}
		}
		if time.Now().Before(failing.until) {
			return
		}
		if lacking := n.cluster.Lacking(newest); len(lacking) > 0 {
			if time.Since(warned) >= rekeyWarnTime {
				warned = time.Now()
				n.log.Warn("the newest key of secrets is not used yet: other nodes do not have it as theirs", "key", newest, "nodes", strings.Join(lacking, ","),
					"hint", "give it to them, and reload them; a node that is away counts for an hour")
			}
			return
		}
		n.log.Info("encrypting all secrets with the newest key", "key", newest)
		began := time.Now()
		changed := 0
		change := func() (int, error) {
			var err error
			changed, err = l.store.Rekey(l.copying, newest)
			return changed, err
		}
		err := failing.entry.complete(l.store, "secrets.rotate", "fas serve", change)
		if err != nil {
			pause := failing.pause()
			n.log.Warn("not all secrets are encrypted with the newest key yet; the owner tries again", "key", newest, "records", changed, "error", err, "next", pause.String())
			return
		}
		failing = failures{}
		n.log.Info("all secrets are encrypted with the newest key", "key", newest, "records", changed, "took", time.Since(began).Round(time.Millisecond).String(),
			"hint", "remove the others from all nodes, and reload them")
	})
}
