package pyguest

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"embed"
	_ "embed" // for the artefacts below
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// The built artefacts. MANIFEST.json describes what they were built from; a test compares them with
// it.
var (
	//go:embed guest.wasm.zst
	moduleZstd []byte
	//go:embed stdlib.zip.zst
	stdlibZstd []byte
	// The bootstrap as source and as bytecode, which saves compiling it at every start of the
	// server; see Files. A test writes the bytecode.
	//go:embed bootstrap/*/*.py bootstrap/dynload/ctypes/*.py bootstrap/*/*.pyc bootstrap/dynload/ctypes/*.pyc
	bootstrap embed.FS
)

// Folders in which the guest expects its files.
const (
	StdlibPath    = "/usr/lib/python3.13"
	BootstrapPath = "/usr/lib/faaspot"
	// ZoneinfoPath is the folder of time zones, where Linux has them too.
	ZoneinfoPath = "/usr/share/zoneinfo"
	// InterpreterPath is sys.executable. The file is empty: programs only test whether it exists.
	InterpreterPath = "/usr/bin/python3"
)

// zonesInStdlib is the folder of time zones in the archive of the standard library.
const zonesInStdlib = "tzdata/"

// maxArtefact is the largest decompressed size of an artefact, in bytes.
const maxArtefact = 64 << 20

// Module returns the guest as WebAssembly.
func Module() ([]byte, error) { return decompress("guest.wasm.zst", moduleZstd) }

// Files returns the read-only files of the guest by absolute path. Modules of the bootstrap are
// included as bytecode if that was compiled from the present source, else as source.
func Files() (map[string][]byte, error) {
	files, err := stdlib()
	if err != nil {
		return nil, err
	}
	sources, err := BootstrapSources()
	if err != nil {
		return nil, err
	}
	for name, source := range sources {
		compiled, err := bootstrap.ReadFile(path.Join("bootstrap", name+"c"))
		if err == nil && bytes.HasPrefix(compiled[min(len(compiled), len(bytecodeMagic)):], bytecodeMark(source)) {
			files[path.Join(BootstrapPath, name+"c")] = compiled
		} else {
			files[path.Join(BootstrapPath, name)] = source
		}
	}
	return files, nil
}

// stdlib returns the files of the standard library, which share one piece of memory.
func stdlib() (map[string][]byte, error) {
	archive, err := decompress("stdlib.zip.zst", stdlibZstd)
	if err != nil {
		return nil, err
	}
	listing, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("pyguest: the embedded standard library: %w", err)
	}
	files := make(map[string][]byte, len(listing.File)+1)
	files[InterpreterPath] = nil
	for _, f := range listing.File {
		at, err := f.DataOffset()
		if err == nil && f.Method != zip.Store {
			err = errors.New("it is compressed")
		}
		if err != nil {
			return nil, fmt.Errorf("pyguest: the embedded standard library: %s: %w", f.Name, err)
		}
		end := at + int64(f.UncompressedSize64)
		if name, ok := installedAt(f.Name); ok {
			files[name] = archive[at:end:end]
		}
	}
	return files, nil
}

// installedAt returns the path of a file of the archive in the guest; ok is false for one that it
// does not have: time zones are a package in the archive, and plain files in the guest.
func installedAt(name string) (installed string, ok bool) {
	zone, isZone := strings.CutPrefix(name, zonesInStdlib)
	if !isZone {
		return path.Join(StdlibPath, name), true
	}
	zone, isZone = strings.CutPrefix(zone, "zoneinfo/")
	return path.Join(ZoneinfoPath, zone), isZone && path.Base(zone) != "__init__.pyc"
}

// BootstrapSources returns the guest's own Python by path below BootstrapPath.
func BootstrapSources() (map[string][]byte, error) {
	sources := map[string][]byte{}
	err := fs.WalkDir(bootstrap, "bootstrap", func(name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".py" {
			return err
		}
		content, err := bootstrap.ReadFile(name)
		sources[name[len("bootstrap/"):]] = content
		return err
	})
	return sources, err
}

// bytecodeMagic is the start of a .pyc file of CPython 3.13.
const bytecodeMagic = "\xf3\x0d\x0d\x0a"

// bytecodeMark returns the bytes after the magic: flags that mean "hash of the source, which should
// not be checked", and the hash, which is ours. The layout is that of PEP 552.
func bytecodeMark(source []byte) []byte {
	sum := sha256.Sum256(source)
	return append([]byte{1, 0, 0, 0}, sum[:8]...)
}

// Bytecode returns the .pyc file of a module from its source and its marshalled code object.
func Bytecode(source, code []byte) []byte {
	return slices.Concat([]byte(bytecodeMagic), bytecodeMark(source), code)
}

// decompress returns the content of a zstd frame, whose checksum it verifies.
func decompress(name string, compressed []byte) ([]byte, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxArtefact), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("pyguest: preparing to decompress %s: %w", name, err)
	}
	defer d.Close()
	content, err := d.DecodeAll(compressed, nil)
	if err != nil {
		return nil, fmt.Errorf("pyguest: the embedded %s is damaged: %w", name, err)
	}
	return content, nil
}
