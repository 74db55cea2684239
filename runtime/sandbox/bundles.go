package sandbox

import (
	"container/list"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/bundle"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
	"github.com/faaspot/faaspot/runtime/turns"
)

// maxUnpackers is the largest number of bundles that are unpacked at once, at most one of each tenant.
const maxUnpackers = 2

// bundleKey identifies a bundle of a tenant. Tenants share nothing, even if their bundles are equal.
type bundleKey struct {
	tenant runtime.Tenant
	id     runtime.BundleID
}

// bundles is a cache of unpacked bundles. The contents of a bundle are in one file, on disk or, if
// there is no disk for it, in memory; runs read them from there. When their room is needed, bundles
// are dropped: first those without an image, and then, with their images, those that no run uses, the
// least recently used ones first. A bundle is also dropped when the last version that uses it is
// forgotten. Only what is missing is unpacked again.
type bundles struct {
	source     runtime.BundleSource  // nil: there are no bundles
	stored     runtime.BytecodeStore // nil: bytecode is not stored
	tree       *wasi.Tree
	files      *imageFiles
	account    bundleAccount
	processors *processors
	// images returns the images that no run uses, by their bundles, which they hold. dropImages drops
	// some of them, unless they are used meanwhile, and reports whether it dropped any.
	images     func() map[*bundleFiles][]cachedImage
	dropImages func([]cachedImage) bool
	// unpacking is a turn of a tenant to unpack a bundle, which takes the room of the zip as well.
	unpacking *turns.Turns

	mu       sync.Mutex
	order    list.List // of *bundleFiles, most recently used first
	byKey    map[bundleKey]*bundleFiles
	versions map[imageKey]*bundleFiles
}

// bundleAccount holds the cost of unpacked bundles: contents in memory, and the trees of their files,
// which are on Go's heap.
type bundleAccount struct{ contents, trees *memory.Account }

// bundleFiles is an unpacked bundle.
type bundleFiles struct {
	cache   *bundles
	key     bundleKey
	element *list.Element // nil: not in the cache
	ready   chan struct{} // closed when it is unpacked, or err is set
	err     error

	holders  int                   // guarded by the cache's mutex, as all below
	versions map[imageKey]struct{} // that use it
	contents []content             // the files, and their bytecode
	entries  []wasi.MountEntry     // of the mount; nil once it is compiled
	mount    *wasi.Mount
	compiled bool // the mount has the bytecode that there is
	trees    int64
}

func newBundles(o Options, g *guest, p *processors) *bundles {
	return &bundles{
		source: o.Bundles, stored: o.Bytecode, tree: g.tree, processors: p,
		files:     openImageFiles("bundles", o.bundleDisk(), o.Log),
		unpacking: turns.New(maxUnpackers),
		byKey:     make(map[bundleKey]*bundleFiles), versions: make(map[imageKey]*bundleFiles),
	}
}

// acquire returns the unpacked bundle of a program, which the caller must release. It unpacks it, or
// waits for a caller that does. An error endOfRun means that ctx has ended. Other errors are of the
// platform.
func (b *bundles) acquire(ctx context.Context, p runtime.Program) (*bundleFiles, error) {
	if b.source == nil {
		return nil, runtime.Internal("sandbox.bundle", errors.New("the sandbox has no source of bundles"))
	}
	for {
		f, isNew := b.join(p)
		if isNew {
			b.unpack(ctx, f, p.Bundle)
		}
		select {
		case <-f.ready:
		case <-ctx.Done():
			f.release()
			return nil, endOfRun{}
		}
		switch {
		case f.err == nil:
			return f, nil
		case errors.Is(f.err, endOfRun{}) && !isNew && ctx.Err() == nil: // the other caller had to end
			f.release()
		default:
			f.release()
			return nil, f.err
		}
	}
}

// join returns the bundle of a program, of which the caller becomes a holder. If it is new, the caller
// must unpack it.
func (b *bundles) join(p runtime.Program) (f *bundleFiles, isNew bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := bundleKey{p.Tenant, p.Bundle.ID}
	f = b.byKey[key]
	if f == nil {
		isNew = true
		f = &bundleFiles{cache: b, key: key, ready: make(chan struct{}), versions: make(map[imageKey]struct{})}
		b.byKey[key] = f
		f.element = b.order.PushFront(f)
	}
	f.holders++
	b.order.MoveToFront(f.element)
	b.versions[keyOf(p)] = f
	f.versions[keyOf(p)] = struct{}{}
	return f, isNew
}

// unpack fills a new bundle, or sets its error and removes it from the cache.
func (b *bundles) unpack(ctx context.Context, f *bundleFiles, want runtime.Bundle) {
	f.err = errors.New("unpacking a bundle panicked")
	defer func() {
		if f.err != nil {
			b.mu.Lock()
			b.remove(f)
			b.mu.Unlock()
		}
		close(f.ready)
	}()
	if !b.unpacking.Take(ctx, f.key.tenant) {
		f.err = endOfRun{}
		return
	}
	defer b.unpacking.Give(f.key.tenant)
	f.err = b.fill(ctx, f, want)
	switch _, coded := runtime.AsError(f.err); {
	case f.err == nil:
	case ctx.Err() != nil:
		f.err = endOfRun{}
	case !coded:
		f.err = runtime.Internal("sandbox.bundle", f.err)
	}
}

const (
	// archiveShare is the number of bytes on Go's heap, for each byte of a zip, that reading it takes at
	// most: entries with long names, and without content.
	archiveShare = 4
	// maxArchive is the largest number of bytes on Go's heap that reading a zip takes.
	maxArchive = 40 * runtime.MiB
)

// fill reads the bundle from the source and unpacks it.
func (b *bundles) fill(ctx context.Context, f *bundleFiles, want runtime.Bundle) error {
	zip, err := b.write(ctx, want.Bytes, func(w io.Writer) error {
		return b.source.ReadBundle(ctx, f.key.tenant, f.key.id, w)
	})
	if err != nil {
		return err
	}
	defer b.free(&zip)
	reading := min(archiveShare*want.Bytes, maxArchive)
	if err := b.take(ctx, b.account.trees, reading); err != nil {
		return err
	}
	defer b.account.trees.Give(reading)
	archive, err := bundle.Open(zip.file, want.Bytes)
	if err != nil {
		return err
	}
	size := int64(0)
	for _, file := range archive.Files() {
		size += file.Size
	}
	var places []bundle.Entry
	unpacked, err := b.write(ctx, size, func(w io.Writer) error {
		y := yielder{w: w, processors: b.processors, claim: claim{ctx: ctx, tenant: f.key.tenant}}
		defer b.processors.release(&y.claim)
		if !b.processors.acquire(&y.claim) {
			return endOfRun{}
		}
		var err error
		places, err = archive.Unpack(ctx, &y)
		return err
	})
	if err != nil {
		return err
	}
	entries := mountEntries(archive.Files(), places, unpacked.file)
	contents := []content{unpacked}
	bytecode, compiled := b.loadBytecode(ctx, f.key, entries)
	if len(compiled) > 0 {
		contents = append(contents, bytecode)
	}
	if err := b.mountBundle(ctx, f, entries, compiled); err != nil {
		for i := range contents {
			b.free(&contents[i])
		}
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f.contents = contents
	return nil
}

// mountBundle makes the mount of a new bundle, with the bytecode that was stored of it, if there is any.
func (b *bundles) mountBundle(ctx context.Context, f *bundleFiles, sources, bytecode []wasi.MountEntry) error {
	mount, err := b.tree.Mount(append(bytecode, sources...), time.Now().UnixNano())
	if err != nil {
		return runtime.Errorf(runtime.CodeInvalidArgument, "the bundle cannot be shown as files: %v", err)
	}
	cost := mount.Size()
	if len(bytecode) > 0 {
		sources = nil
	}
	cost += entriesCost(sources)
	if err := b.take(ctx, b.account.trees, cost); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f.entries, f.compiled, f.mount, f.trees = sources, len(bytecode) > 0, mount, cost
	return nil
}

// mountEntries returns what a mount shows of a bundle: all but bytecode that the zip brings, which may
// not belong to its source.
func mountEntries(files []bundle.File, places []bundle.Entry, contents io.ReaderAt) []wasi.MountEntry {
	entries := make([]wasi.MountEntry, 0, len(files))
	for _, file := range files {
		e := wasi.MountEntry{Path: file.Path, IsDir: file.IsDir}
		if !file.IsDir {
			e.Reader, e.Offset, e.Size = contents, places[0].Offset, places[0].Size
			places = places[1:]
		}
		if !isIn(file.Path, bytecodeFolder) {
			entries = append(entries, e)
		}
	}
	return entries
}

// isIn reports whether a path is a folder of that name, or lies below one.
func isIn(path, folder string) bool { return strings.Contains("/"+path+"/", "/"+folder+"/") }

// entriesCost returns the bytes on Go's heap that a list of entries takes.
func entriesCost(entries []wasi.MountEntry) int64 {
	const each = 64
	cost := int64(0)
	for i := range entries {
		cost += each + int64(len(entries[i].Path))
	}
	return cost
}

// forget drops the bundle of a version that will not run again, unless others use it.
func (b *bundles) forget(key imageKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.versions[key]
	if f == nil {
		return
	}
	delete(b.versions, key)
	delete(f.versions, key)
	if f.holders == 0 && len(f.versions) == 0 {
		b.remove(f)
	}
}

// remove removes a bundle from the cache, and frees it if nobody uses it. It is called with mu held.
func (b *bundles) remove(f *bundleFiles) {
	if f.element == nil {
		return
	}
	b.order.Remove(f.element)
	f.element = nil
	delete(b.byKey, f.key)
	for key := range f.versions {
		if b.versions[key] == f {
			delete(b.versions, key)
		}
	}
	if f.holders == 0 {
		f.free()
	}
}

// close frees all bundles. Nobody uses them any more.
func (b *bundles) close() {
	b.drop(func(*bundleFiles) bool { return true }, true)
	b.files.close()
}

// retain adds a holder. Only a holder may call it. Nil, of a function without a bundle, is left as it
// is.
func (f *bundleFiles) retain() *bundleFiles {
	if f != nil {
		f.cache.mu.Lock()
		defer f.cache.mu.Unlock()
		f.holders++
	}
	return f
}

// room returns the bytes and files that the bundle takes on disk, or in memory. It is called with the
// cache's mutex held.
func (f *bundleFiles) room(disk bool) (bytes int64, files int) {
	for i := range f.contents {
		if f.contents[i].disk == disk {
			bytes += int64(f.contents[i].size)
			files++
		}
	}
	return bytes, files
}

// release drops one holder.
func (f *bundleFiles) release() {
	if f == nil {
		return
	}
	b := f.cache
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.holders--; f.holders > 0 {
		return
	}
	if f.element == nil {
		f.free()
	} else if len(f.versions) == 0 {
		b.remove(f)
	}
}

// free frees what the bundle holds. It is called with the cache's mutex held, once.
func (f *bundleFiles) free() {
	for i := range f.contents {
		f.cache.free(&f.contents[i])
	}
	if f.trees > 0 {
		f.cache.account.trees.Give(f.trees)
	}
	f.contents, f.entries, f.mount, f.trees = nil, nil, nil, 0
}

// start returns the files that a deployment starts with, and whether they have the bytecode that there
// is.
func (f *bundleFiles) start() (files *wasi.State, compiled bool) {
	f.cache.mu.Lock()
	defer f.cache.mu.Unlock()
	return f.mount.State(), f.compiled
}
