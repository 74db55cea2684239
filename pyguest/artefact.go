package pyguest

import (
	"embed"
	_ "embed" // for the artefacts below
	"fmt"
	"io/fs"
	"path"

	"github.com/klauspost/compress/zstd"
)

// The built artefacts. MANIFEST.json tells what they were built from; a test
// compares them with it.
var (
	//go:embed guest.wasm.zst
	moduleZstd []byte
	//go:embed stdlib.zip.zst
	stdlibZstd []byte
	//go:embed bootstrap/_faas_boot/*.py bootstrap/faas/*.py
	bootstrap embed.FS
)

// Where the guest expects its files.
const (
	StdlibPath    = "/usr/lib/python313.zip"
	BootstrapPath = "/usr/lib/faaspot"
)

// maxArtefact bounds what decompressing an artefact may yield, in bytes.
const maxArtefact = 64 << 20

// Module gives the guest as WebAssembly.
func Module() ([]byte, error) { return decompress("guest.wasm.zst", moduleZstd) }

// Files gives the read-only files of the guest by absolute path.
func Files() (map[string][]byte, error) {
	stdlib, err := decompress("stdlib.zip.zst", stdlibZstd)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{StdlibPath: stdlib}
	err = fs.WalkDir(bootstrap, "bootstrap", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := bootstrap.ReadFile(name)
		files[path.Join(BootstrapPath, name[len("bootstrap"):])] = content
		return err
	})
	return files, err
}

// decompress checks the frame's checksum on the way.
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
