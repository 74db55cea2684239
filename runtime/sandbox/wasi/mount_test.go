package wasi

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// mountContent is the content that the files of the test Mount are ranges of.
var mountContent = strings.Repeat("0123456789", 20_000)

// testMount are the entries of the test Mount. The file "short" is longer than what its Reader has.
var testMount = []MountEntry{
	{Path: "main.py", Reader: strings.NewReader(mountContent), Offset: 3, Size: 10},
	{Path: "pkg", IsDir: true},
	{Path: "pkg/big", Reader: strings.NewReader(mountContent), Size: int64(len(mountContent))},
	{Path: "pkg-2/tmp/deep/x", Reader: strings.NewReader(mountContent), Offset: 1, Size: 1},
	{Path: "empty", IsDir: true},
	{Path: "nothing", Reader: strings.NewReader("")},
	{Path: "function/tmp", Reader: strings.NewReader("no mount point"), Size: 14},
	{Path: "short", Reader: strings.NewReader(mountContent), Size: int64(len(mountContent)) + 1},
}

func mustMount(t testing.TB, tree *Tree, entries []MountEntry) *Mount {
	t.Helper()
	m, err := tree.Mount(entries, 1_600_000_000e9)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// mountedRig returns a rig in a run that sees the test Mount.
func mountedRig(t testing.TB) *rig {
	r := newRig(t)
	r.reset(mustMount(t, r.sys.tree, testMount).State())
	return r
}

func TestMount(t *testing.T) {
	r := mountedRig(t)
	for dir, want := range map[string][]string{
		".":                         {"dev", "function", "root", "tmp", "usr"},
		"function":                  {"empty", "function", "main.py", "nothing", "pkg", "pkg-2", "short"},
		"function/empty":            {},
		"function/pkg":              {"big"},
		"function/pkg-2/tmp":        {"deep"},
		"function/function/..":      {"empty", "function", "main.py", "nothing", "pkg", "pkg-2", "short"},
		"function/..":               {"dev", "function", "root", "tmp", "usr"},
		"function/pkg/../../tmp":    {},
		"tmp/../function/pkg-2/tmp": {"deep"},
	} {
		if got := r.names(dir); !slices.Equal(got, want) {
			t.Errorf("%s holds %q, want %q", dir, got, want)
		}
	}
	if got := r.load("function/main.py"); got != mountContent[3:13] {
		t.Errorf("main.py is %q", got)
	}
	if got := r.load("function/function/tmp"); got != "no mount point" {
		t.Errorf("function/tmp is %q", got)
	}
	numbers := map[uint64]string{}
	for _, path := range []string{"function", "function/pkg", "function/pkg/big", "function/main.py", "function/empty", "function/nothing"} {
		st, err := r.stat(path)
		isDir := path == "function" || path == "function/pkg" || path == "function/empty"
		if err != success || st.device != deviceMount || st.modified != treeTime || (st.fileType == typeDirectory) != isDir {
			t.Errorf("%s: errno %d, %+v", path, err, st)
		}
		if other, taken := numbers[st.number]; taken {
			t.Errorf("%s and %s have the number %d", path, other, st.number)
		}
		numbers[st.number] = path
	}
	if st, _ := r.stat("function/pkg/big"); st.size != uint64(len(mountContent)) {
		t.Errorf("pkg/big has %d bytes", st.size)
	}
	for path, want := range map[string]errno{
		"function/none": eNOENT, "function/main.py/x": eNOTDIR, "function/main.py/": eNOTDIR, "function/pkg/none/x": eNOENT,
		"function/" + strings.Repeat("n", 256): eNAMETOOLONG, "function/pk": eNOENT, "function/pkgg": eNOENT,
	} {
		_, err := r.stat(path)
		r.want(path, err, want)
	}
}

// TestMountIsReadOnly tries everything that changes files.
func TestMountIsReadOnly(t *testing.T) {
	r := mountedRig(t)
	r.store("tmp/f", "x")
	for path, want := range map[string]errno{"function/main.py": eROFS, "function/new": eROFS, "function": eISDIR, "function/pkg": eISDIR} {
		_, err := r.open(path, openCreate, forWriting)
		r.want("create "+path, err, want)
	}
	_, err := r.open("function/main.py", openTruncate, forBoth)
	r.want("truncate", err, eROFS)
	r.want("mkdir", r.mkdir("function/new"), eROFS)
	r.want("mkdir function", r.mkdir("function"), eEXIST)
	r.want("rmdir", r.rmdir("function/empty"), eROFS)
	r.want("rmdir function", r.rmdir("function"), eROFS)
	r.want("unlink", r.unlink("function/main.py"), eROFS)
	r.want("rename", r.rename("function/main.py", "tmp/g"), eROFS)
	r.want("rename to", r.rename("tmp/f", "function/f"), eROFS)
	r.want("rename over", r.rename("tmp/f", "function/main.py"), eROFS)
	r.want("link", r.link("function/main.py", "tmp/g"), eXDEV)
	r.want("symlink", r.symlink("/tmp", "function/s"), eROFS)
	at, n := r.put(atPath, "function/main.py")
	r.want("set times", r.call("path_filestat_set_times", 3, 0, at, n, 1, 2, 5), eROFS)
	fd := r.mustOpen("function/main.py", 0, forReading)
	_, err = r.write(fd, "x")
	r.want("write", err, eBADF)
	r.want("set size", r.call("fd_filestat_set_size", uint64(fd), 0), eINVAL)
	r.want("set times", r.call("fd_filestat_set_times", uint64(fd), 1, 2, 5), eROFS)
	r.want("symlink into it", r.symlink("/function/pkg", "tmp/s"), success)
	if got := r.load("tmp/s/big"); got != mountContent {
		t.Error("a link into the mount does not lead there")
	}
	r.check()
}

// TestMountReads reads parts of a file at random, as of a string.
func TestMountReads(t *testing.T) {
	r := mountedRig(t)
	fd := r.mustOpen("function/pkg/big", 0, forReading)
	rapid.Check(t, func(t *rapid.T) {
		offset := rapid.OneOf(rapid.Int64Range(0, int64(len(mountContent))+10), rapid.Just(int64(math.MaxInt64))).Draw(t, "offset")
		n := rapid.IntRange(0, 300_000).Draw(t, "n")
		want := ""
		if offset < int64(len(mountContent)) {
			want = mountContent[offset:min(int64(len(mountContent)), offset+int64(n))]
		}
		if got, err := r.pread(fd, n, offset); err != success || got != want {
			t.Fatalf("errno %d, %d bytes, want %d", err, len(got), len(want))
		}
	})
	if at, err := r.seek(fd, -5, 2); at != int64(len(mountContent))-5 || err != success {
		t.Error(at, err)
	}
	if got, err := r.read(fd, 100); got != "56789" || err != success {
		t.Error(got, err)
	}
	checkpoints := r.control.checkpoints
	if r.pread(fd, len(mountContent), 0); r.control.checkpoints-checkpoints > 1 {
		t.Errorf("%d checkpoints", r.control.checkpoints-checkpoints)
	}
	for range 10 {
		r.pread(fd, len(mountContent), 0)
	}
	if r.control.checkpoints-checkpoints < 5 {
		t.Error("reading has no checkpoints")
	}
}

var errMedium = errors.New("the medium fails")

// badMedium fails behind its first bytes.
type badMedium struct{ good int64 }

func (m badMedium) ReadAt(p []byte, offset int64) (int, error) {
	n := max(min(int64(len(p)), m.good-offset), 0)
	if n < int64(len(p)) {
		return int(n), errMedium
	}
	return len(p), nil
}

// TestMountReadErrors reads where the Reader fails or has ended: what comes before is read.
func TestMountReadErrors(t *testing.T) {
	r := newRig(t)
	r.reset(mustMount(t, r.sys.tree, []MountEntry{
		{Path: "bad", Reader: badMedium{100_000}, Size: 200_000},
		{Path: "short", Reader: strings.NewReader("12345"), Size: 6},
	}).State())
	fd := r.mustOpen("function/bad", 0, forReading)
	if got, err := r.read(fd, 200_000); len(got) != 100_000 || err != success {
		t.Errorf("%d bytes, errno %d", len(got), err)
	}
	for range 2 {
		_, err := r.read(fd, 10)
		r.want("read", err, eIO)
	}
	if at, _ := r.seek(fd, 0, 1); at != 100_000 {
		t.Errorf("after an error the position is %d", at)
	}
	_, err := r.pread(fd, 1, 150_000)
	r.want("pread", err, eIO)
	fd = r.mustOpen("function/short", 0, forReading)
	if got, err := r.read(fd, 10); got != "12345" || err != success {
		t.Error(got, err)
	}
	_, err = r.read(fd, 10)
	r.want("read", err, eIO)
}

func TestMountRefuses(t *testing.T) {
	tree := mustTree(t)
	for _, entries := range [][]MountEntry{
		{{Path: ""}},
		{{Path: "."}},
		{{Path: "/a"}},
		{{Path: "a/"}},
		{{Path: "a//b"}},
		{{Path: "../a"}},
		{{Path: "a/../../b"}},
		{{Path: "a\x00"}},
		{{Path: "\xff"}},
		{{Path: "a"}, {Path: "a"}},
		{{Path: "a"}, {Path: "a/b"}},
		{{Path: "a/b"}, {Path: "a"}},
		{{Path: "a"}, {Path: "a", IsDir: true}},
		{{Path: "a", IsDir: true}, {Path: "a"}},
		{{Path: "a", Size: -1}},
		{{Path: "a", Offset: -1}},
		{{Path: "a", Offset: 2, Size: math.MaxInt64 - 1}},
		{{Path: strings.Repeat("n", 256)}},
		{{Path: strings.Repeat("n", 256), IsDir: true}},
	} {
		if _, err := tree.Mount(entries, 0); err == nil {
			t.Errorf("%+v is accepted", entries)
		}
	}
	if _, err := tree.Mount([]MountEntry{{Path: "a", IsDir: true}, {Path: "a", IsDir: true}, {Path: "a/b/c"}, {Path: "a/b", IsDir: true}}, 0); err != nil {
		t.Error(err)
	}
}

// TestMountOfAState captures a run that has files of its Mount open. Only runs of that State see it.
func TestMountOfAState(t *testing.T) {
	r := mountedRig(t)
	r.store("tmp/f", "x")
	fd := r.mustOpen("function/pkg/big", 0, forReading)
	dir := r.mustOpen("function/pkg", openDirectory, forReading)
	r.read(fd, 5)
	state := r.capture()
	r.reset(nil)
	if got := r.names("."); slices.Contains(got, "function") {
		t.Errorf("a run without the mount sees %q", got)
	}
	_, err := r.stat("function/main.py")
	r.want("stat", err, eNOENT)
	_, err = r.open("function", openCreate, forWriting)
	r.want("create", err, eROFS)
	r.reset(mustMount(t, r.sys.tree, []MountEntry{{Path: "other", IsDir: true}}).State())
	if got := r.names("function"); !slices.Equal(got, []string{"other"}) {
		t.Errorf("another mount holds %q", got)
	}
	if st, _ := r.stat("tmp"); st.modified != 1_600_000_000e9 {
		t.Errorf("/tmp is of %d", st.modified)
	}
	r.reset(state)
	if got, err := r.read(fd, 5); got != "56789" || err != success {
		t.Errorf("the open file continues with %q, errno %d", got, err)
	}
	if _, err := r.statAt(dir, "big"); err != success {
		t.Errorf("from the open directory: errno %d", err)
	}
	if _, err := r.statAt(dir, "../../usr"); err != success {
		t.Errorf("from the open directory up: errno %d", err)
	}
	if r.reset(nil); r.capture() != nil {
		t.Error("a mount is left behind")
	}
}

// TestMountSize compares the reported size with what a Mount takes.
func TestMountSize(t *testing.T) {
	tree := mustTree(t)
	small, large := mustMount(t, tree, nil).Size(), mustMount(t, tree, testMount).Size()
	nodes := int64(13)
	if each := (large - small) / nodes; each < 100 || each > 400 {
		t.Errorf("%d bytes for an entry", each)
	}
}

// TestStateFiles compares the files of a State with what a run sees.
func TestStateFiles(t *testing.T) {
	r := newRig(t)
	state := r.deploy()
	all := dump(r.sys)
	for dir, prefix := range map[string]string{"d": "/d/", "d/e/f": "/d/e/f/"} {
		got := map[string]string{}
		for path, content := range state.Files(dir) {
			text, err := io.ReadAll(content)
			if err != nil {
				t.Fatal(err)
			}
			got[path] = string(text)
		}
		want := 0
		for path, content := range all {
			if name, below := strings.CutPrefix(path, prefix); below && strings.HasPrefix(content, "file ") {
				want++
				if got[name] != content[5:] {
					t.Errorf("%s: %q, want %q", path, got[name], content[5:])
				}
			}
		}
		if len(got) != want || want == 0 {
			t.Errorf("%s: %d files, want %d", dir, len(got), want)
		}
	}
	for _, dir := range []string{"none", "big/x", "f1/x", "soft", "d/none/x"} {
		for path := range state.Files(dir) {
			t.Errorf("%s has %s", dir, path)
		}
	}
}

// TestStateFilesWithHoles reads files of a State with bytes that were never written.
func TestStateFilesWithHoles(t *testing.T) {
	r := newRig(t)
	r.want("mkdir", r.mkdir("tmp/d"), success)
	fd := r.mustOpen("tmp/d/f", openCreate, forBoth)
	r.pwrite(fd, "far", 3*blockSize+10)
	r.pwrite(fd, "near", 5)
	r.want("set size", r.call("fd_filestat_set_size", uint64(fd), 5*blockSize), success)
	want, _ := r.pread(fd, 6*blockSize, 0)
	for _, content := range r.capture().Files("d") {
		got, err := io.ReadAll(content)
		if err != nil || !bytes.Equal(got, []byte(want)) {
			t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
		}
	}
}
