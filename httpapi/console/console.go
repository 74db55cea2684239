// Package console has the files of the console, a program for browsers that uses the API of the server as
// other clients do. Its sources are in src; build.mjs compiles them into dist, and `make console-check`
// verifies that dist is what they compile to.
package console

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"sync"
)

//go:embed dist
var dist embed.FS

// File is a file of the console. It must not be changed.
type File struct {
	ContentType  string
	CacheControl string
	Tag          string // entity tag
	Plain        []byte
	Compressed   []byte // by gzip
}

// types are the media types of the files, by their extensions.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

const (
	index = "index.html"
	// The name of a file says what it has, except for that of the index.
	immutable  = "public, max-age=31536000, immutable"
	revalidate = "no-cache"
)

// Manifest describes the files of the console.
type Manifest struct {
	Sources string `json:"sources"` // SHA-256 of all sources, in hexadecimal
	// Files are the files by their names.
	Files map[string]Entry `json:"files"`
	// First are the files that the browser loads at once.
	First []string `json:"first"`
}

// Entry describes a file of the console.
type Entry struct {
	SHA256 string `json:"sha256"` // in hexadecimal
	Bytes  int    `json:"bytes"`
}

// ReadManifest returns the description of the files.
func ReadManifest() (Manifest, error) {
	var m Manifest
	text, err := dist.ReadFile("dist/manifest.json")
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

// Lookup returns the file with a name, that of the console itself if it is empty. It returns nil if there
// is none.
func Lookup(name string) (*File, error) {
	all, err := files()
	if name == "" {
		name = index
	}
	return all[name], err
}

// files returns the files by their names. It decompresses them at its first call.
var files = sync.OnceValues(func() (map[string]*File, error) {
	m, err := ReadManifest()
	if err != nil {
		return nil, fmt.Errorf("read the manifest of the console: %w", err)
	}
	all := make(map[string]*File, len(m.Files))
	for name, e := range m.Files {
		f := &File{ContentType: types[path.Ext(name)], CacheControl: immutable, Tag: `"` + e.SHA256[:32] + `"`}
		if name == index {
			f.CacheControl = revalidate
		}
		if f.Compressed, err = dist.ReadFile("dist/" + name + ".gz"); err != nil {
			return nil, err
		}
		if f.Plain, err = decompress(f.Compressed); err != nil {
			return nil, fmt.Errorf("decompress %s of the console: %w", name, err)
		}
		all[name] = f
	}
	return all, nil
})

func decompress(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
