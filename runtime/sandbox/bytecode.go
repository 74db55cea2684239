package sandbox

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/faaspot/faaspot/pyguest"
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
	mount, err := b.tree.Mount(append(slices.Clip(found), sources...), time.Now().UnixNano())
	if err != nil || !f.replaceMount(mount, c) {
		b.free(&c)
		return nil
	}
	b.storeBytecode(ctx, f.key, found, c)
	return nil
}

// maxStoredBytecode is the largest size, in bytes, of the bytecode of a bundle with its index.
const maxStoredBytecode = runtime.MaxBundleUnpacked + 32*runtime.MiB

// storeBytecode stores bytecode that is in a content, which the caller holds. A failure costs the next
// start of the server the time to compile the bundle again.
func (b *bundles) storeBytecode(ctx context.Context, key bundleKey, found []wasi.MountEntry, c content) {
	if b.stored == nil {
		return
	}
	index := bytecodeIndex(found)
	size := int64(len(index)) + int64(c.size)
	if size > maxStoredBytecode {
		return
	}
	from := io.MultiReader(bytes.NewReader(index), io.NewSectionReader(c.file, 0, int64(c.size)))
	err := b.stored.StoreBytecode(ctx, key.tenant, key.id, pyguest.Build(), size, from)
	if err != nil && ctx.Err() == nil {
		b.files.log.Warn("the bytecode of a bundle cannot be stored; the next start of the server compiles the bundle again", "bundle", key.id, "err", err)
	}
}

// loadBytecode returns a file with the bytecode that is stored of a bundle, and where it belongs among
// the sources. Without any, or if it is not valid, the first deployment compiles the bundle.
func (b *bundles) loadBytecode(ctx context.Context, key bundleKey, sources []wasi.MountEntry) (content, []wasi.MountEntry) {
	if b.stored == nil {
		return content{}, nil
	}
	build := pyguest.Build()
	size, err := b.stored.FindBytecode(key.tenant, key.id, build)
	if err == nil && (size == 0 || size > maxStoredBytecode) {
		return content{}, nil
	}
	var c content
	var found []wasi.MountEntry
	if err == nil {
		c, err = b.write(ctx, size, func(w io.Writer) error {
			return b.stored.ReadBytecode(ctx, key.tenant, key.id, build, w)
		})
	}
	if err == nil {
		if found, err = readBytecodeIndex(c.file, size, sources); err != nil {
			b.free(&c)
		}
	}
	if err != nil {
		if ctx.Err() == nil {
			b.files.log.Warn("the stored bytecode of a bundle cannot be used; the bundle is compiled again", "bundle", key.id, "err", err)
		}
		return content{}, nil
	}
	return c, found
}

// bytecodeIndex returns what stored bytecode begins with: the number of its files, and the path and
// size of each. Their contents follow in the same order.
func bytecodeIndex(found []wasi.MountEntry) []byte {
	index := binary.AppendUvarint(nil, uint64(len(found)))
	for i := range found {
		index = binary.AppendUvarint(index, uint64(len(found[i].Path)))
		index = append(index, found[i].Path...)
		index = binary.AppendUvarint(index, uint64(found[i].Size))
	}
	return index
}

// readBytecodeIndex returns the files that stored bytecode of size bytes has. Each belongs to a module
// of its own among the sources.
func readBytecodeIndex(file io.ReaderAt, size int64, sources []wasi.MountEntry) ([]wasi.MountEntry, error) {
	in := &countingReader{Reader: bufio.NewReader(io.NewSectionReader(file, 0, size))}
	expected, longest := bytecodePaths(sources)
	count, err := binary.ReadUvarint(in)
	if err != nil || count == 0 || count > uint64(len(expected)) {
		return nil, fmt.Errorf("it has %d files, of %d modules: %w", count, len(expected), cmp.Or(err, errBytecode))
	}
	found := make([]wasi.MountEntry, count)
	offset := int64(0) // in the contents
	for i := range found {
		n, err := binary.ReadUvarint(in)
		if err != nil || n > uint64(longest) {
			return nil, fmt.Errorf("a path has %d bytes: %w", n, cmp.Or(err, errBytecode))
		}
		name := make([]byte, n)
		if _, err := io.ReadFull(in, name); err != nil {
			return nil, err
		}
		length, err := binary.ReadUvarint(in)
		if err != nil || length > uint64(size-offset) || !expected[string(name)] {
			return nil, fmt.Errorf("the file %q has %d bytes: %w", name, length, cmp.Or(err, errBytecode))
		}
		delete(expected, string(name))
		found[i] = wasi.MountEntry{Path: string(name), Reader: file, Offset: offset, Size: int64(length)}
		offset += int64(length)
	}
	if in.n+offset != size {
		return nil, fmt.Errorf("it has %d bytes, and its files %d: %w", size-in.n, offset, errBytecode)
	}
	for i := range found {
		found[i].Offset += in.n
	}
	return found, nil
}

// errBytecode reports stored bytecode that is not that of its bundle.
var errBytecode = errors.New("it does not belong to the bundle")

// countingReader counts the bytes that are read.
type countingReader struct {
	*bufio.Reader
	n int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n += int64(n)
	return n, err
}

// ReadByte implements io.ByteReader.
func (r *countingReader) ReadByte() (byte, error) {
	c, err := r.Reader.ReadByte()
	if err == nil {
		r.n++
	}
	return c, err
}

// bytecodePaths returns the paths at which Python looks for the bytecode of sources, and the length of
// the longest one in bytes.
func bytecodePaths(sources []wasi.MountEntry) (paths map[string]bool, longest int) {
	paths = make(map[string]bool, len(sources))
	for i := range sources {
		if module, isSource := strings.CutSuffix(sources[i].Path, sourceSuffix); isSource && !sources[i].IsDir {
			at := bytecodePath(module)
			paths[at] = true
			longest = max(longest, len(at))
		}
	}
	return paths, longest
}

// bytecodePath returns the path of the bytecode of a module, whose path has no suffix.
func bytecodePath(module string) string {
	return path.Join(path.Dir(module), bytecodeFolder, path.Base(module)+bytecodeSuffix)
}

// findBytecode returns the bytecode that a deployment has left of some sources, and its size in bytes.
// The offsets are those in the files one after the other.
func findBytecode(sources []wasi.MountEntry, left *wasi.State) (found []wasi.MountEntry, size int64) {
	expected, _ := bytecodePaths(sources)
	for name, r := range left.Files(writtenBytecode) {
		module, isBytecode := strings.CutSuffix(name, bytecodeSuffix)
		at := bytecodePath(module)
		if !isBytecode || !expected[at] || size+r.Size() > runtime.MaxBundleUnpacked {
			continue
		}
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
