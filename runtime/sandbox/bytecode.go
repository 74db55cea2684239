package sandbox

import (
	"context"
	"io"
	"path"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox/wasi"
)

const (
	// bytecodeFolder is the name of the folders in which Python looks for bytecode.
	bytecodeFolder = "__pycache__"
	// bytecodeSuffix is the end of the names of bytecode, in place of sourceSuffix.
	bytecodeSuffix = ".cpython-313.pyc"
	sourceSuffix   = ".py"
	// writtenBytecode is the folder in /tmp to which a deployment writes bytecode of the bundle;
	// _faas_boot/program.py has the same name.
	writtenBytecode = ".faaspot-bytecode/function"
)

// addBytecode makes the bytecode of the bundle's modules that a deployment has left in /tmp a part of
// the bundle's mount, so that no later deployment compiles them. Without room for it, there will be
// none. An error endOfRun means that ctx has ended.
func (f *bundleFiles) addBytecode(ctx context.Context, left *wasi.State) error {
	b := f.cache
	b.mu.Lock()
	sources, compiled := f.entries, f.compiled
	b.mu.Unlock()
	if compiled || left == nil {
		return nil
	}
	found, size := findBytecode(sources, left)
	if len(found) == 0 { // nor will there be any the next time
		b.mu.Lock()
		defer b.mu.Unlock()
		f.compiled, f.entries = true, nil
		return nil
	}
	c, err := b.write(ctx, size, func(w io.Writer) error {
		for i := range found {
			if _, err := io.Copy(w, io.NewSectionReader(found[i].Reader, 0, found[i].Size)); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return endOfRun{}
			}
		}
		return nil
	})
	if err != nil {
		if ctx.Err() != nil {
			return endOfRun{}
		}
		return nil // the deployment works without
	}
	for i := range found {
		found[i].Reader = c.file
	}
	mount, err := b.tree.Mount(append(found, sources...), time.Now().UnixNano())
	if err != nil || !f.replaceMount(mount, c) {
		b.free(&c)
	}
	return nil
}

// findBytecode returns the bytecode that a deployment has left of some sources, and its size in bytes.
// The offsets are those in the files one after the other.
func findBytecode(sources []wasi.MountEntry, left *wasi.State) (found []wasi.MountEntry, size int64) {
	known := make(map[string]bool, len(sources))
	for i := range sources {
		if !sources[i].IsDir && strings.HasSuffix(sources[i].Path, sourceSuffix) {
			known[sources[i].Path] = true
		}
	}
	for name, r := range left.Files(writtenBytecode) {
		module, isBytecode := strings.CutSuffix(name, bytecodeSuffix)
		if !isBytecode || !known[module+sourceSuffix] || size+r.Size() > runtime.MaxBundleUnpacked {
			continue
		}
		at := path.Join(path.Dir(name), bytecodeFolder, path.Base(name))
		found = append(found, wasi.MountEntry{Path: at, Reader: r, Offset: size, Size: r.Size()})
		size += r.Size()
	}
	return found, size
}

// replaceMount makes a mount with bytecode the bundle's, and reports whether it did: another
// deployment may have come first, and there may be no memory for it.
func (f *bundleFiles) replaceMount(mount *wasi.Mount, bytecode content) bool {
	b := f.cache
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.compiled || !b.account.trees.TakeFree(mount.Size()) {
		return false
	}
	b.account.trees.Give(f.trees)
	f.mount, f.trees, f.entries, f.compiled = mount, mount.Size(), nil, true
	f.contents = append(f.contents, bytecode)
	return true
}
