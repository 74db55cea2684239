package pack

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/bundle"
)

// Zip returns a zip file, which has a whole function, as a bundle. Nothing is installed into it. The
// caller closes the bundle; the file stays.
func Zip(path string) (_ *Bundle, err error) {
	const hint = "give a folder, or a zip with " + runtime.BundleMain + " at its root; a single script is deployed with `fas functions create NAME --file FILE`"
	file, err := os.Open(path)
	if err != nil {
		return nil, clierror.Usagef(hint, "cannot open the zip: %v", err)
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	begin := make([]byte, 2)
	if n, _ := file.ReadAt(begin, 0); !info.Mode().IsRegular() || string(begin[:n]) != "PK" {
		return nil, clierror.Usagef(hint, "%s is neither a folder nor a zip", path)
	}
	archive, err := bundle.Open(file, info.Size())
	if err != nil {
		return nil, err
	}
	b := &Bundle{File: file, keep: true}
	for _, f := range archive.Files() {
		if !f.IsDir {
			b.Files++
			b.Unpacked += f.Size
		}
	}
	hash := sha256.New()
	if b.Bytes, err = io.Copy(hash, io.NewSectionReader(file, 0, info.Size())); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	b.ID = runtime.BundleID(hash.Sum(nil))
	return b, nil
}
