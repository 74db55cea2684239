package bundle_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/bundle"
	"github.com/faaspot/faaspot/test/linear"
)

// entry is an entry of a zip to make. A name that ends with a slash is a folder.
type entry struct {
	name, content string
	header        func(*zip.FileHeader) // changes the headers
	raw           bool                  // the content is what the zip has for it
}

// pack returns a zip with a main file and the entries.
func pack(t testing.TB, entries ...entry) []byte {
	return packOnly(t, append([]entry{{name: "main.py", content: source}}, entries...)...)
}

const source = "def main(args, context):\n    return 1\n"

func packOnly(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if strings.HasSuffix(e.name, "/") {
			h.Method = zip.Store
		}
		if e.raw {
			h.CompressedSize64, h.UncompressedSize64 = uint64(len(e.content)), uint64(len(e.content))
			h.CRC32 = crc32.ChecksumIEEE([]byte(e.content))
			h.Method = zip.Store
		}
		if e.header != nil {
			e.header(h)
		}
		create := w.CreateHeader
		if e.raw {
			create = w.CreateRaw
		}
		to, err := create(h)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(e.name, "/") || e.raw {
			if _, err := io.WriteString(to, e.content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func open(data []byte) (*bundle.Archive, error) {
	return bundle.Open(bytes.NewReader(data), int64(len(data)))
}

func mustOpen(t testing.TB, data []byte) *bundle.Archive {
	t.Helper()
	a, err := open(data)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// refusal opens and unpacks a zip, and returns the error, which must have a code, a hint and one of
// the codes of a refusal.
func refusal(t testing.TB, data []byte) *runtime.Error {
	t.Helper()
	a, err := open(data)
	if err == nil {
		_, err = a.Unpack(t.Context(), io.Discard)
	}
	e, ok := runtime.AsError(err)
	if !ok {
		t.Fatalf("the error is %v, not a refusal", err)
	}
	if e.Code != runtime.CodeInvalidArgument && e.Code != runtime.CodeTooLarge || e.Hint == "" {
		t.Fatalf("refused as %v, hint %q", e, e.Hint)
	}
	return e
}

func TestBundleIsRead(t *testing.T) {
	data := pack(t,
		entry{name: "pkg/sub/__init__.py"},
		entry{name: "pkg/data.json", content: `{"a": 1}`},
		entry{name: "pkg/"},
		entry{name: "empty/"},
		entry{name: "größe.txt", content: strings.Repeat("ß", 100_000)},
		entry{name: "raw.bin", content: "\x00\x01", raw: true},
		entry{name: "__MACOSX/._main.py", content: "x"},
		entry{name: ".DS_Store", content: "y"},
		entry{name: "inner.zip", content: "PK\x05\x06 is in the content"},
		entry{name: "file with spaces, 'quotes' & 100 %.txt", content: "z"},
	)
	a := mustOpen(t, data)
	main, err := a.Main()
	if err != nil || string(main) != source {
		t.Fatalf("main is %q, %v", main, err)
	}
	var names []string
	for _, f := range a.Files() {
		name := f.Path
		if f.IsDir {
			name += "/"
		}
		names = append(names, name)
	}
	want := []string{
		".DS_Store", "__MACOSX/", "__MACOSX/._main.py", "empty/", "file with spaces, 'quotes' & 100 %.txt",
		"größe.txt", "inner.zip", "main.py", "pkg/", "pkg/data.json", "pkg/sub/", "pkg/sub/__init__.py", "raw.bin",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	compare(t, data, a)
}

// compare unpacks a bundle and compares the contents with what archive/zip reads.
func compare(t testing.TB, data []byte, a *bundle.Archive) {
	t.Helper()
	var out bytes.Buffer
	entries, err := a.Unpack(t.Context(), &out)
	if err != nil {
		if e, ok := runtime.AsError(err); !ok || e.Code == runtime.CodeInternal {
			t.Fatalf("the contents are refused as %v", err)
		}
		return
	}
	contents := make(map[string]string)
	var end int64
	for _, e := range entries {
		if e.Offset != end || e.Size < 0 {
			t.Fatalf("%q is at %d, %d bytes, after %d", e.Path, e.Offset, e.Size, end)
		}
		end += e.Size
		contents[e.Path] = out.String()[e.Offset:end]
	}
	if end != int64(out.Len()) || end > runtime.MaxBundleUnpacked {
		t.Fatalf("%d bytes unpacked, entries have %d", out.Len(), end)
	}
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("archive/zip does not read it: %v", err)
	}
	files := 0
	for _, f := range r.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		files++
		want, ok := contents[f.Name]
		if !ok {
			t.Fatalf("%q is missing", f.Name)
		}
		in, err := f.Open()
		if err != nil {
			t.Fatalf("archive/zip does not open %q: %v", f.Name, err)
		}
		got, err := io.ReadAll(in)
		// archive/zip reads the descriptor behind the content, which this package does not need.
		if err != nil && f.Flags&8 == 0 || err == nil && string(got) != want {
			t.Fatalf("archive/zip reads %q otherwise: %v", f.Name, err)
		}
	}
	if files != len(contents) {
		t.Fatalf("%d files, archive/zip has %d", len(contents), files)
	}
}

// TestOddNamesAreRefused tries names that are no path within a folder, on some system.
func TestOddNamesAreRefused(t *testing.T) {
	for _, name := range []string{
		"../main.py", "a/../../b", "a/..", "..", ".", "./a", "a/./b", "../", "/etc/passwd", "/", "//a", "a//b", "a//",
		"C:/a", "c:a", `..\a`, `a\b`, `C:\a`, "\\\\host\\share\\a",
		"a\x00b", "a\nb", "a\x1b[2J", "a\x7f", "a\u0085b", "a\u202eb", "a\u2028b", "\xff\xfe", "a/\xc0\xaf/b",
		"a.", "a ", "a./b", "a /b", "...", " ",
		strings.Repeat("a", 256), "x/" + strings.Repeat("ä", 128) + "/y", strings.Repeat("abc/", 300) + "d",
		strings.Repeat("a/", 32) + "b", strings.Repeat("a/", 600),
		"",
	} {
		e := refusal(t, pack(t, entry{name: name, content: "x", raw: name == ""}))
		if !strings.Contains(e.Message, "entry") || len(e.Message) > 600 {
			t.Errorf("%q: %q does not name the entry", name, e.Message)
		}
	}
	for _, name := range []string{
		"..a", "a..b", ".a", "a/...b", "ab:c", "aux.py", "nul", strings.Repeat("a", 255), strings.Repeat("a/", 31) + "b",
		"日本語/かな.txt", "a\u00a0b", "é", "e\u0301", "~", "$x", "%2e%2e", "a?b*c",
	} {
		mustOpen(t, pack(t, entry{name: name, content: "x"}))
	}
}

// TestNamesThatCollide tries pairs of names that are one file, or a file and a folder, on some system.
func TestNamesThatCollide(t *testing.T) {
	for _, pair := range [][2]string{
		{"a", "a"},
		{"a/", "a/"},
		{"a", "a/"},
		{"a/", "a"},
		{"a", "a/b"},
		{"a/b", "a"},
		{"a/b/c", "a/b"},
		{"a", "A"},
		{"a/b", "A/b"},
		{"a/b", "A/c"},
		{"a/", "A/b"},
		{"x/y/b", "X/y/c"},
		{"é", "É"},
		{"é", "e\u0301"},
		{"é/a", "e\u0301/b"},
		{"É", "e\u0301"},
		{"ǖ", "u\u0308\u0304"},
		{"\u212b", "å"},
		{"K", "\u212a"},
		{"ſ", "S"},
		{"σ", "ς"},
		{"가", "\u1100\u1161"},
		{"a\u0323\u0307", "a\u0307\u0323"},
		{"main.py", "x"},
		{"MAIN.PY", "x"},
	} {
		e := refusal(t, pack(t, entry{name: pair[0], content: entryContent(pair[0])}, entry{name: pair[1], content: entryContent(pair[1])}))
		if !strings.Contains(e.Message, "the bundle's entry") {
			t.Errorf("%q: %q does not name the entry", pair, e.Message)
		}
	}
	for _, pair := range [][2]string{{"a/", "a/b"}, {"a/b", "a/"}, {"a/b", "a/c"}, {"ss", "ß"}, {"a", "b"}, {"ab", "a/b"}} {
		mustOpen(t, pack(t, entry{name: pair[0], content: entryContent(pair[0])}, entry{name: pair[1], content: entryContent(pair[1])}))
	}
}

func entryContent(name string) string {
	if strings.HasSuffix(name, "/") {
		return ""
	}
	return "content of " + name
}

func mode(m fs.FileMode) func(*zip.FileHeader) {
	return func(h *zip.FileHeader) { h.SetMode(m) }
}

// TestEntriesThatAreNoFiles tries entries that are neither files nor folders, or cannot be read.
func TestEntriesThatAreNoFiles(t *testing.T) {
	flag := func(bit uint16) func(*zip.FileHeader) {
		return func(h *zip.FileHeader) { h.Flags |= bit }
	}
	for name, e := range map[string]entry{
		"symbolic link":       {header: mode(fs.ModeSymlink | 0o777), content: "/etc/passwd"},
		"device":              {header: mode(fs.ModeDevice | 0o600)},
		"character device":    {header: mode(fs.ModeDevice | fs.ModeCharDevice | 0o600)},
		"pipe":                {header: mode(fs.ModeNamedPipe | 0o600)},
		"socket":              {header: mode(fs.ModeSocket | 0o600)},
		"folder without mark": {header: mode(fs.ModeDir | 0o755)},
		"link made elsewhere": {header: func(h *zip.FileHeader) { h.ExternalAttrs, h.CreatorVersion = 0o120777<<16, 0 }},
		"encrypted":           {header: flag(1), content: "x"},
		"strongly encrypted":  {header: flag(1 << 6), content: "x"},
		"masked":              {header: flag(1 << 13), content: "x"},
		"patch":               {header: flag(1 << 5), content: "x"},
		"AES":                 {header: func(h *zip.FileHeader) { h.Method = 99 }},
		"bzip2":               {header: func(h *zip.FileHeader) { h.Method = 12 }},
		"zstd":                {header: func(h *zip.FileHeader) { h.Method = 93 }},
		"two sizes":           {header: func(h *zip.FileHeader) { h.UncompressedSize64 = 7 }, content: "abc"},
	} {
		if e.name == "" {
			e.name = "odd"
		}
		e.raw = true
		got := refusal(t, pack(t, e))
		if !strings.Contains(got.Message, e.name[:1]) || !strings.Contains(got.Message, "entry") {
			t.Errorf("%s: %q does not name the entry", name, got.Message)
		}
	}
}

// TestFolderWithAContent tries a folder that has bytes.
func TestFolderWithAContent(t *testing.T) {
	data := bytes.ReplaceAll(pack(t, entry{name: "xx", content: "abc", raw: true}), []byte("xx"), []byte("x/"))
	if e := refusal(t, data); !strings.Contains(e.Message, `"x/" is a folder with a content`) {
		t.Error(e)
	}
}

// TestBombs tries contents that are larger than a bundle may be, announced or not.
func TestBombs(t *testing.T) {
	zeros := func(n int) string { return string(make([]byte, n)) }
	if e := refusal(t, pack(t, entry{name: "zeros", content: zeros(60 << 20)})); e.Code != runtime.CodeTooLarge {
		t.Errorf("60 MiB of zeros: %v", e)
	}
	mustOpen(t, pack(t, entry{name: "zeros", content: zeros(15 << 20)}))

	var many []entry
	content := string(random(1 << 20))
	for i := range 251 {
		many = append(many, entry{name: fmt.Sprint(i), content: content, raw: true, header: func(h *zip.FileHeader) {
			h.Method, h.CompressedSize64, h.UncompressedSize64 = zip.Deflate, 1<<16, 1<<20
		}})
	}
	for i := range many { // what the headers announce is all that counts
		many[i].content = content[:1<<16]
	}
	if e := refusal(t, pack(t, many...)); e.Code != runtime.CodeTooLarge || !strings.Contains(e.Message, "250 MiB") {
		t.Errorf("251 MiB announced: %v", e)
	}

	// A content that is longer or shorter than announced, or damaged.
	lies := func(change func(*zip.FileHeader)) []byte {
		packed := deflated(t, "lie", zeros(1<<20))
		return pack(t, entry{name: "lie", content: packed, raw: true, header: func(h *zip.FileHeader) {
			h.Method, h.UncompressedSize64, h.CRC32 = zip.Deflate, 1<<20, crc32.ChecksumIEEE(make([]byte, 1<<20))
			change(h)
		}})
	}
	mustUnpack(t, lies(func(*zip.FileHeader) {}))
	for _, size := range []uint64{0, 1, 1<<20 - 1, 1<<20 + 1} {
		data := lies(func(h *zip.FileHeader) { h.UncompressedSize64 = size })
		refusal(t, data)
		var out bytes.Buffer
		if a, err := open(data); err == nil {
			_, _ = a.Unpack(t.Context(), &out)
		}
		if announced := uint64(len(source)) + size; uint64(out.Len()) > announced {
			t.Errorf("%d bytes are written of a content that announces %d", out.Len(), size)
		}
	}
	refusal(t, lies(func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 30 }))
	refusal(t, lies(func(h *zip.FileHeader) { h.CRC32++ }))
	refusal(t, lies(func(h *zip.FileHeader) { h.Method, h.UncompressedSize64 = zip.Store, h.CompressedSize64 }))
	for _, packed := range []string{"\xff\xff\xff", "", "\x03", deflated(t, "x", "abc") + "more", deflated(t, "x", "abc")[:3]} {
		refusal(t, pack(t, entry{name: "damaged", content: packed, raw: true, header: func(h *zip.FileHeader) {
			h.Method, h.UncompressedSize64, h.CRC32 = zip.Deflate, 3, crc32.ChecksumIEEE([]byte("abc"))
		}}))
	}
}

func mustUnpack(t testing.TB, data []byte) {
	t.Helper()
	if _, err := mustOpen(t, data).Unpack(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
}

// deflated returns a content as a zip has it.
func deflated(t testing.TB, name, content string) string {
	data := packOnly(t, entry{name: name, content: content})
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := r.File[0].OpenRaw()
	if err != nil {
		t.Fatal(err)
	}
	packed, err := io.ReadAll(raw)
	if err != nil {
		t.Fatal(err)
	}
	return string(packed)
}

func random(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

var le = binary.LittleEndian

// places returns the offsets of the nth local header, the nth entry of the directory and the end.
func places(t testing.TB, data []byte, n int) (local, directory, end int) {
	t.Helper()
	end = bytes.LastIndex(data, []byte("PK\x05\x06"))
	directory = int(le.Uint32(data[end+16:]))
	for range n {
		directory += 46 + int(le.Uint16(data[directory+28:])) + int(le.Uint16(data[directory+30:])) + int(le.Uint16(data[directory+32:]))
	}
	return int(le.Uint32(data[directory+42:])), directory, end
}

// TestHeadersThatContradict changes one place of a zip that is valid.
func TestHeadersThatContradict(t *testing.T) {
	valid := pack(t, entry{name: "one", content: "content 1", raw: true}, entry{name: "two", content: "content 2", raw: true})
	local, directory, end := places(t, valid, 1)
	put16 := func(at int, v uint16) func([]byte) []byte {
		return func(b []byte) []byte { le.PutUint16(b[at:], v); return b }
	}
	put32 := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { le.PutUint32(b[at:], v); return b }
	}
	size := uint32(len(valid))
	for name, change := range map[string]func([]byte) []byte{
		"other name in the local header":     func(b []byte) []byte { b[local+30] ^= 1; return b },
		"longer name in the local header":    put16(local+26, 4),
		"other method in the local header":   put16(local+8, zip.Deflate),
		"other size in the local header":     put32(local+22, 1),
		"other length in the local header":   put32(local+18, 1),
		"other checksum in the local header": put32(local+14, 1),
		"zip64 size in the local header":     put32(local+22, 1<<32-1),
		"encrypted in the local header":      put16(local+6, 1),
		"extra fields that reach beyond":     put16(local+28, 65_535),
		"no local header":                    put32(local, 0),
		"offset beyond the end":              put32(directory+42, size+1),
		"offset in the directory":            put32(directory+42, uint32(directory)),
		"offset at the end of the contents":  put32(directory+42, uint32(directory)-10),
		"offset of another entry":            put32(directory+42, 0),
		"offset within another entry":        put32(directory+42, uint32(local)-5),
		"zip64 offset":                       put32(directory+42, 1<<32-1),
		"other disk":                         put16(directory+34, 1),
		"length beyond the directory":        func(b []byte) []byte { return put32(directory+20, size)(put32(directory+24, size)(b)) },
		"name beyond the directory":          put16(directory+28, 65_535),
		"comment beyond the directory":       put16(directory+32, 65_535),
		"no entry in the directory":          put32(directory, 0),
		"one entry less":                     func(b []byte) []byte { return put16(end+8, 2)(put16(end+10, 2)(b)) },
		"one entry more":                     func(b []byte) []byte { return put16(end+8, 4)(put16(end+10, 4)(b)) },
		"entries on another disk":            put16(end+8, 2),
		"another disk at the end":            put16(end+4, 1),
		"shorter directory":                  put32(end+12, 20),
		"directory elsewhere":                put32(end+16, 3),
		"zip64 directory":                    put32(end+16, 1<<32-1),
		"many entries":                       func(b []byte) []byte { return put16(end+8, 65_535)(put16(end+10, 65_535)(b)) },
		"bytes before the zip":               func(b []byte) []byte { return append([]byte("#!/bin/sh\n"), b...) },
		"bytes after the zip":                func(b []byte) []byte { return append(b, 0) },
		"comment that is cut off":            put16(end+20, 5),
		"second end in the comment":          func(b []byte) []byte { return append(put16(end+20, 22)(b), b[end:end+22]...) },
		"cut off":                            func(b []byte) []byte { return b[:len(b)-1] },
		"cut off in the directory":           func(b []byte) []byte { return b[:end-1] },
		"bytes between directory and end":    func(b []byte) []byte { return slices.Insert(b, end, 1, 2, 3) },
		"nothing":                            func(b []byte) []byte { return nil },
		"text":                               func(b []byte) []byte { return []byte(source + strings.Repeat("# no zip\n", 100)) },
	} {
		data := change(bytes.Clone(valid))
		if a, err := open(data); err == nil {
			if _, err = a.Unpack(t.Context(), io.Discard); err == nil {
				t.Errorf("%s: accepted", name)
				continue
			}
		}
		refusal(t, data)
	}
	// Bytes before the zip with offsets that count them.
	shifted := append([]byte("#!/bin/sh\n"), valid...)
	for n := range 3 {
		_, directory, end := places(t, valid, n)
		le.PutUint32(shifted[10+directory+42:], le.Uint32(shifted[10+directory+42:])+10)
		le.PutUint32(shifted[10+end+16:], le.Uint32(valid[end+16:])+10)
	}
	if e := refusal(t, shifted); !strings.Contains(e.Message, "before its first entry") {
		t.Errorf("bytes before the zip: %v", e)
	}
	// What other programs write.
	commented := append(bytes.Clone(valid), "4bd9e0 of git archive"...)
	le.PutUint16(commented[end+20:], uint16(len(commented)-len(valid)))
	mustUnpack(t, commented)
	streamed := bytes.Clone(valid)
	for _, at := range []int{local + 14, local + 18, local + 22} {
		le.PutUint32(streamed[at:], 0)
	}
	refusal(t, streamed)
	le.PutUint16(streamed[local+6:], 8)
	mustUnpack(t, streamed)
	le.PutUint32(streamed[local+22:], uint32(len("content 1"))) // zip writes to a pipe like this
	mustUnpack(t, streamed)
	le.PutUint32(streamed[local+22:], 1)
	refusal(t, streamed)
}

// TestEntriesThatShareTheirContent makes entries that share one content, so that a small zip unpacks to much.
func TestEntriesThatShareTheirContent(t *testing.T) {
	var entries []entry
	for i := range 100 {
		entries = append(entries, entry{name: fmt.Sprint(i), content: "x", raw: true})
	}
	data := pack(t, entries...)
	first, _, _ := places(t, data, 1)
	for n := 2; n <= 100; n++ {
		_, directory, _ := places(t, data, n)
		le.PutUint32(data[directory+42:], uint32(first))
	}
	if e := refusal(t, data); !strings.Contains(e.Message, "overlaps") && !strings.Contains(e.Message, "another name") {
		t.Error(e)
	}
}

// TestBoundsOfABundle tries what has too many or too long parts.
func TestBoundsOfABundle(t *testing.T) {
	var files []entry
	for i := range runtime.MaxBundleFiles {
		files = append(files, entry{name: fmt.Sprint(i), raw: true})
	}
	mustUnpack(t, pack(t, files[1:]...))
	for name, entries := range map[string][]entry{
		"one file too many":   files,
		"one folder too many": append(files[2:], entry{name: "x/y", raw: true}),
	} {
		if e := refusal(t, pack(t, entries...)); e.Code != runtime.CodeTooLarge || !strings.Contains(e.Message, "25000 files") {
			t.Errorf("%s: %v", name, e)
		}
	}
	var deep, long []entry
	for i := range 1000 {
		deep = append(deep, entry{name: strings.Repeat(fmt.Sprintf("%d/", i), 28) + "x", raw: true})
	}
	for i := range 5000 {
		long = append(long, entry{name: fmt.Sprint(i) + strings.Repeat("/"+strings.Repeat("a", 200), 5), raw: true})
	}
	for name, entries := range map[string][]entry{"folders without entries": deep, "long paths": long} {
		if e := refusal(t, pack(t, entries...)); e.Code != runtime.CodeTooLarge {
			t.Errorf("%s: %v", name, e)
		}
	}
	if e := refusal(t, packOnly(t, entry{name: "main.py", content: strings.Repeat("#", runtime.MaxSource+1)})); e.Code != runtime.CodeTooLarge {
		t.Error(e)
	}
	_, err := bundle.Open(nil, runtime.MaxBundle+1) // nothing is read
	if runtime.CodeOf(err) != runtime.CodeTooLarge {
		t.Error(err)
	}
}

// TestMainIsAtTheRoot checks the errors about bundles without a main file.
func TestMainIsAtTheRoot(t *testing.T) {
	for name, want := range map[string]string{
		"app/main.py": "not the folder itself",
		"main.txt":    "main(args, context)",
		"main.py/":    "main(args, context)",
		"a/b/main.py": "main(args, context)",
		"Main.py":     "main(args, context)",
	} {
		e := refusal(t, packOnly(t, entry{name: name}))
		if !strings.Contains(e.Message, "main.py at its root") || !strings.Contains(e.Hint, want) {
			t.Errorf("%s: %v, hint %q", name, e, e.Hint)
		}
	}
	refusal(t, packOnly(t))
}

// reads counts the bytes that are read of a zip.
type reads struct {
	io.ReaderAt
	bytes int64
}

func (r *reads) ReadAt(p []byte, offset int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, offset)
	r.bytes += int64(n)
	return n, err
}

// TestManyEntriesAreCheap checks that a zip with a million entries is refused by its end, and that
// the entries of a directory that announces few are not read.
func TestManyEntriesAreCheap(t *testing.T) {
	var one bytes.Buffer
	w := zip.NewWriter(&one)
	_, _ = w.CreateHeader(&zip.FileHeader{Name: "a"})
	w.Close()
	_, directory, end := places(t, one.Bytes(), 0)
	header := one.Bytes()[directory:end]
	data := bytes.Repeat(header, 1_000_000)
	tail := bytes.Clone(one.Bytes()[end:])
	le.PutUint32(tail[12:], uint32(len(data)))
	le.PutUint32(tail[16:], 0)
	for _, announced := range []uint16{65_535, 25_001, 1_000_000 % 65_536, 1} {
		le.PutUint16(tail[8:], announced)
		le.PutUint16(tail[10:], announced)
		zip := append(bytes.Clone(data), tail...)
		counted := &reads{ReaderAt: bytes.NewReader(zip)}
		allocated := testing.AllocsPerRun(1, func() {
			counted.bytes = 0
			if _, err := bundle.Open(counted, int64(len(zip))); err == nil {
				t.Error("accepted")
			}
		})
		if counted.bytes > 300_000 || allocated > 200 {
			t.Errorf("%d entries announced: %d bytes are read in %v allocations", announced, counted.bytes, allocated)
		}
	}
}

// TestCostIsLinear counts the bytes that are read, and those that are allocated, for bundles of
// growing size.
func TestCostIsLinear(t *testing.T) {
	zip := func(size int) []byte {
		var entries []entry
		for i := range size {
			entries = append(entries, entry{name: strings.Repeat("deep/", 20) + fmt.Sprintf("%06d/x", i), raw: true})
		}
		return pack(t, entries...)
	}
	linear.Steps(t, 8000, func(size int) int {
		data := zip(size)
		counted := &reads{ReaderAt: bytes.NewReader(data)}
		if _, err := bundle.Open(counted, int64(len(data))); err != nil {
			t.Fatal(err)
		}
		return int(counted.bytes)
	})
	linear.Bytes(t, 8000, func(size int) func() {
		data := zip(size)
		return func() { mustOpen(t, data) }
	})
}

type broken struct{}

var errBroken = errors.New("the disk is broken")

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errBroken }
func (broken) Write([]byte) (int, error)         { return 0, errBroken }

// TestDiskThatFailsIsNoRefusal checks that errors of the disk and the end of the caller are not
// reported as errors of the bundle.
func TestDiskThatFailsIsNoRefusal(t *testing.T) {
	if _, err := bundle.Open(broken{}, 1000); runtime.CodeOf(err) != runtime.CodeInternal || !errors.Is(err, errBroken) {
		t.Error(err)
	}
	a := mustOpen(t, pack(t))
	if _, err := a.Unpack(t.Context(), broken{}); err != errBroken {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Unpack(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	short := pack(t, entry{name: "x", content: strings.Repeat("x", 100), raw: true})
	file, err := os.Create(t.TempDir() + "/x.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(short); err != nil {
		t.Fatal(err)
	}
	if a, err = bundle.Open(file, int64(len(short))); err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(60); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Unpack(t.Context(), io.Discard); runtime.CodeOf(err) != runtime.CodeInternal {
		t.Error(err)
	}
}

// counter counts what is written, up to a bound.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// FuzzBundle gives anything to the package: it does not panic, no path leaves the folder, and no
// more than the bound is written. What it accepts, archive/zip reads in the same way.
func FuzzBundle(f *testing.F) {
	f.Add(pack(f))
	f.Add(pack(f, entry{name: "a/b.py", content: strings.Repeat("x = 1\n", 50)}, entry{name: "c/"}, entry{name: "é", content: "1", raw: true}))
	f.Add(pack(f, entry{name: "../x", content: "x"}))
	f.Add(packOnly(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := open(data)
		if err != nil {
			if e, ok := runtime.AsError(err); !ok || e.Code != runtime.CodeInvalidArgument && e.Code != runtime.CodeTooLarge {
				t.Fatalf("refused as %v", err)
			}
			return
		}
		folders := map[string]bool{".": true}
		last := ""
		var announced int64
		for _, file := range a.Files() {
			if !fs.ValidPath(file.Path) || file.Path == "." || file.Path <= last || !folders[path.Dir(file.Path)] {
				t.Fatalf("%q after %q", file.Path, last)
			}
			last, folders[file.Path] = file.Path, file.IsDir
			announced += file.Size
		}
		var out counter
		_, err = a.Unpack(t.Context(), &out)
		if out.n > announced || err == nil && out.n != announced || announced > runtime.MaxBundleUnpacked {
			t.Fatalf("%d bytes, announced %d: %v", out.n, announced, err)
		}
		if main, err := a.Main(); err == nil && len(main) > runtime.MaxSource {
			t.Fatalf("main.py has %d bytes", len(main))
		}
		compare(t, data, a)
	})
}

func BenchmarkOpen(b *testing.B) {
	entries := make([]entry, 0, 24_000)
	for i := range cap(entries) {
		entries = append(entries, entry{name: fmt.Sprintf("package%d/module%d.py", i%100, i), content: "x = 1", raw: true})
	}
	data := pack(b, entries...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := open(data); err != nil {
			b.Fatal(err)
		}
	}
}
