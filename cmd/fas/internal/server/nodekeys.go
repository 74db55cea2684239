package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/storage"
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

// nodeKeys are the keys of secrets of a node, which has those of all others. When an operator has given a new key to all
// nodes, the owner encrypts with it.
type nodeKeys struct {
	mu   sync.Mutex // held while a life takes the keys, or they change
	keys *keyset.Keyset
	// given says that the keys were read from the file since the start: what the node has generated before is not stored.
	given atomic.Bool
}

// secretFiles returns where the keys of secrets are.
func (n *node) secretFiles() Secrets {
	return Secrets{Data: n.Data, File: n.SecretsFile, Environ: n.Environ}
}

// openKeys reads the keys of secrets, which are the same on all nodes: only the node that creates the cluster
// makes one.
func (n *node) openKeys() (err error) {
	files, k := n.secretFiles(), &n.sealing.keys
	if !n.ClusterCreate {
		if *k, err = files.load(); errors.Is(err, fs.ErrNotExist) {
			return clierror.Usagef("copy the file from another node, or name it with --secrets-file", "there are no keys of secrets in %s: all nodes of a cluster need the same", files.path())
		}
		return err
	}
	var keep func() error
	if *k, keep, err = files.open(n.log); keep != nil {
		n.keepKeys = func() error {
			if n.sealing.given.Load() {
				return nil
			}
			return keep()
		}
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
	if err == nil {
		err = n.replaceKeys(k)
	}
	if err != nil {
		n.log.Error("the keys of secrets cannot be used; the node keeps those before", "file", files.path(), "error", clierror.Message(err),
			"hint", "keep the file in a folder that the server can read, with all keys that are needed: see `fas cluster status`")
		return
	}
	n.sealing.keys = k
	n.sealing.given.Store(true)
	n.cluster.SetSecretsKey(k.ID())
	if l := n.life.Load(); l != nil {
		l.checkKeys()
		l.stand(0)
	}
	n.log.Info("read the keys of secrets again", "file", files.path(), "keys", k.Len(), "newest", k.ID())
}

// replaceKeys replaces the keys of the store, if it is open, unless they are the same. The caller holds sealing.mu.
func (n *node) replaceKeys(k *keyset.Keyset) error {
	l := n.life.Load()
	if l == nil || slices.Equal(k.IDs(), n.sealing.keys.IDs()) {
		return nil
	}
	err := l.store.UseKeys(k)
	if errors.Is(err, storage.ErrClosed) { // the next one is opened with the new keys
		return nil
	}
	return err
}

// checkKeys notes whether the node has the keys of its data. What it has not read of the log yet may change that.
func (l *life) checkKeys() {
	l.checking.Lock() // a later answer is the last one that is stored
	defer l.checking.Unlock()
	if l.node.life.Load() != l { // what was said of a former life does not count any more
		return
	}
	err := l.store.CheckKeys()
	l.node.cluster.SetKeyless(err != nil)
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
	var r rotation
	var warned time.Time
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
		r.advance(l, l.recordMembers())
	})
}

// settingMembers is the setting with the names of the nodes that count when a new key of secrets is to be used, as JSON.
const settingMembers = "cluster_members"

// recordMembers records which nodes there are: a process that is started later must not use a new key before they have it. It
// returns an error if some that count are not recorded, or some that are recorded do not count.
func (l *life) recordMembers() error {
	var names []string
	stored, err := l.store.Setting(settingMembers)
	switch {
	case runtime.CodeOf(err) == runtime.CodeNotFound:
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(stored, &names); err != nil {
			return fmt.Errorf("the setting %s: %w", settingMembers, err)
		}
	}
	left := l.node.cluster.Remember(names)
	counted := append(l.node.cluster.Counted(), left...) // what does not count yet stays in the record
	slices.Sort(counted)
	counted = slices.Compact(counted)
	value, err := json.Marshal(counted)
	if err == nil && !bytes.Equal(value, stored) {
		err = l.store.PutSetting(settingMembers, value)
	}
	unrecorded := slices.ContainsFunc(counted, func(name string) bool { return !slices.Contains(names, name) })
	switch {
	case err != nil && unrecorded:
		return fmt.Errorf("the names of the nodes cannot be recorded: %w", err)
	case len(left) > 0:
		return fmt.Errorf("%d more nodes are recorded than can count at once; those that are gone make room after an hour", len(left))
	}
	return nil // a name that could not be removed changes nothing
}

// rotation is what is known of the present rotation of keys. It may fail again and again, as it does while there is no room on the
// disk, or a secret that no key decrypts.
type rotation struct {
	key    string
	entry  audited // in the audit log, one for all tries
	until  time.Time
	last   time.Duration // the last pause between two tries
	warned time.Time     // that nodes do not have the key
}

// postpone returns for how long nothing is tried from now on.
func (r *rotation) postpone() time.Duration {
	r.last = min(max(2*r.last, rekeyTime), rekeyPause)
	r.until = time.Now().Add(r.last)
	return r.last
}

// warn logs why the newest key is not used yet.
func (r *rotation) warn(log *slog.Logger, lacking []string, unrecorded error) {
	if unrecorded != nil {
		log.Warn("the newest key of secrets is not used yet: the owner cannot record which nodes count, and tries again", "key", r.key, "error", clierror.Message(unrecorded),
			"hint", "see `fas cluster status`: the log and the disk of the owner need room for new work")
	}
	if len(lacking) > 0 {
		log.Warn("the newest key of secrets is not used yet: other nodes do not have it as theirs", "key", r.key, "nodes", strings.Join(lacking, ","),
			"hint", "give it to them, and reload them; a node that is away counts for an hour")
	}
}

// advance goes on with the rotation, if there is one. The life owns the data. unrecorded is why not all nodes that count are
// recorded, or nil: until then a new key is not used.
func (r *rotation) advance(l *life, unrecorded error) {
	use, err := l.store.KeyUse()
	if err != nil {
		return // it may not own the data any more
	}
	n, newest := l.node, use.Last
	if use.Resealed {
		n.cluster.SetSecrets(newest, cluster.SecretsCurrent)
		return
	}
	if newest != r.key {
		*r = rotation{key: newest, warned: r.warned}
	}
	if use.Encrypts != newest { // else an owner has found that all nodes have it
		n.cluster.SetSecrets(newest, cluster.SecretsWaiting)
		lacking := n.cluster.Lacking(newest)
		if unrecorded != nil || len(lacking) > 0 {
			if time.Since(r.warned) >= rekeyWarnTime {
				r.warned = time.Now()
				r.warn(n.log, lacking, unrecorded)
			}
			return
		}
	}
	n.cluster.SetSecrets(newest, cluster.SecretsEncrypting)
	if time.Now().Before(r.until) {
		return
	}
	n.log.Info("encrypting all secrets with the newest key", "key", newest)
	began := time.Now()
	changed := 0
	err = r.entry.complete(l.store, "secrets.rotate", "fas serve", func() (int, error) {
		var err error
		changed, err = l.store.Rekey(l.copying, newest)
		return changed, err
	})
	if err != nil {
		pause := r.postpone()
		n.log.Warn("not all secrets are encrypted with the newest key yet; the owner tries again", "key", newest, "records", changed, "error", err, "next", pause.String())
		return
	}
	*r = rotation{}
	n.cluster.SetSecrets(newest, cluster.SecretsCurrent)
	n.log.Info("all secrets are encrypted with the newest key", "key", newest, "records", changed, "took", time.Since(began).Round(time.Millisecond).String(),
		"hint", "remove the others from all nodes, and reload them")
}
