// Package python makes the wheel of the Python client, which the server hands out. It has the files
// of the wheel that _build.py makes.
package python

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"
	"time"
)

//go:embed faaspot/*.py faaspot/py.typed stubs/faas/*.pyi dist-info README.md
var files embed.FS

var versionLine = regexp.MustCompile(`(?m)^__version__ = "([^"]+)"$`)

// version returns the version of the package, which _version.py has.
var version = sync.OnceValue(func() string {
	return string(versionLine.FindSubmatch(read("faaspot/_version.py"))[1])
})

// WheelName returns the name of the wheel's file.
func WheelName() string { return "faaspot-" + version() + suffix }

const suffix = "-py3-none-any.whl"

// IsWheelName reports whether name is the name of the wheel's file. A version may lack zeros at its
// end: 1.0 is the same as 1.0.0.
func IsWheelName(name string) bool {
	v, ok := strings.CutPrefix(name, "faaspot-")
	v, ends := strings.CutSuffix(v, suffix)
	rest, same := strings.CutPrefix(version(), v)
	return ok && ends && same && v != "" && strings.ReplaceAll(rest, ".0", "") == ""
}

// Wheel returns the wheel, which the first call makes. The same sources make the same bytes.
var Wheel = sync.OnceValues(func() ([]byte, error) {
	names, err := fs.Glob(files, "faaspot/*")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := wheel{zip.NewWriter(&out), nil}
	for _, name := range names {
		w.add(name, read(name))
	}
	w.add("faas-stubs/__init__.pyi", read("stubs/faas/__init__.pyi"))
	info := "faaspot-" + version() + ".dist-info/"
	w.add(info+"METADATA", append(bytes.Replace(read("dist-info/METADATA"), []byte("VERSION"), []byte(version()), 1), read("README.md")...))
	w.add(info+"WHEEL", read("dist-info/WHEEL"))
	w.add(info+"RECORD", fmt.Appendf(w.record, "%sRECORD,,\n", info))
	if err := w.zip.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
})

// read returns an embedded file.
func read(name string) []byte {
	data, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the names are those of embedded files
	}
	return data
}

// wheel is a wheel that is written to memory, where writing cannot fail.
type wheel struct {
	zip    *zip.Writer
	record []byte // text of RECORD, for the files so far
}

func (w *wheel) add(name string, data []byte) {
	h := zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(0o644)
	if f, err := w.zip.CreateHeader(&h); err == nil {
		_, _ = f.Write(data)
	}
	digest := sha256.Sum256(data)
	w.record = fmt.Appendf(w.record, "%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(digest[:]), len(data))
}
