package pack

import (
	"cmp"
	"context"
	"encoding/csv"
	"io"
	"path"
	"slices"
	"strings"
)

// collect lists the installed files that a function needs: not programs, tests, bytecode and extension
// modules, nor what differs between two installations of the same packages.
func (p *packages) collect(ctx context.Context) error {
	f := &folder{root: p.root, name: "the packages of " + p.from, leaveOut: p.leaveOut}
	items, err := f.collect(ctx)
	if err != nil {
		return err
	}
	p.items = items
	for _, i := range items {
		if info, name := path.Split(i.path); name == "RECORD" && strings.HasSuffix(info, distInfo+"/") {
			if err := p.noteNative(i); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(p.native, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return nil
}

const distInfo = ".dist-info"

// leaveOut reports whether an installed file or folder is left out.
func (p *packages) leaveOut(name string, isFolder bool) bool {
	dir, base := path.Split(name)
	if isFolder {
		switch base {
		case "__pycache__":
			return true
		case "bin", "Scripts", "include":
			return dir == "" && !p.exists(path.Join(name, "__init__.py"))
		case "tests":
			return p.hasFile(name, func(n string) bool { return strings.HasPrefix(n, "test_") && strings.HasSuffix(n, ".py") })
		}
		return dir == "" && strings.HasSuffix(base, ".libs") || // shared libraries of extension modules
			!p.hasFile(name, func(n string) bool { return !strings.HasSuffix(n, ".pyi") && !isExtension(n) })
	}
	switch {
	case strings.HasSuffix(dir, distInfo+"/"):
		return base == "uv_build.json" || base == "uv_cache.json" || base == "direct_url.json" || base == "REQUESTED" || base == "INSTALLER"
	case dir == "" && base == ".lock": // of uv
		return true
	}
	return isExtension(base) || strings.HasSuffix(base, ".pyc")
}

// isExtension reports whether a file is an extension module or a shared library.
func isExtension(name string) bool {
	switch path.Ext(name) {
	case ".so", ".pyd", ".dylib", ".dll":
		return true
	}
	return strings.Contains(name, ".so.") // a version follows
}

// exists reports whether the packages have a file.
func (p *packages) exists(name string) bool {
	_, err := p.root.Stat(name)
	return err == nil
}

// hasFile reports whether a folder has a file or folder with a name that matches. The folder of an
// extension module, which has its type stubs only, would be an empty package.
func (p *packages) hasFile(folder string, matches func(name string) bool) bool {
	dir, err := p.root.Open(folder)
	if err != nil {
		return false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return err == nil && slices.ContainsFunc(names, matches)
}

// noteNative notes the package of a RECORD file, if it has extension modules.
func (p *packages) noteNative(record item) error {
	in, err := p.root.Open(record.path)
	if err != nil {
		return err
	}
	defer in.Close()
	r := csv.NewReader(in)
	r.FieldsPerRecord, r.ReuseRecord, r.LazyQuotes = -1, true, true
	for {
		fields, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return nil //nolint:nilerr // a RECORD that is not valid says nothing about extension modules
		}
		if isExtension(fields[0]) {
			p.native = append(p.native, packageName(record.part()))
			return nil
		}
	}
}

// packageName returns the normalised name (PEP 503) of the package of a .dist-info folder.
func packageName(folder string) string {
	name, _, _ := strings.Cut(strings.TrimSuffix(folder, distInfo), "-")
	return strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
}
