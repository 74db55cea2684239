package wasi

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestTreeFiles(t *testing.T) {
	r := newRig(t)
	fd := r.mustOpen("usr/lib/python313.zip", 0, forReading)
	whole := string(testTree["/usr/lib/python313.zip"])
	if end, err := r.seek(fd, -5, 2); end != int64(len(whole))-5 || err != success {
		t.Fatal(end, err)
	}
	if s, _ := r.read(fd, 100); s != whole[len(whole)-5:] {
		t.Errorf("the end is %q", s)
	}
	if s, _ := r.read(fd, 100); s != "" {
		t.Errorf("behind the end is %q", s)
	}
	if s, _ := r.pread(fd, 100_000, 3); s != whole[3:100_003] {
		t.Error("pread differs")
	}
	if s, _ := r.pread(fd, 10, math.MaxInt64); s != "" {
		t.Errorf("at the far end is %q", s)
	}
	st, _ := r.fstat(fd)
	if st.size != uint64(len(whole)) || st.fileType != typeRegular || st.modified != treeTime || st.device != deviceTree {
		t.Errorf("%+v", st)
	}
	for dir, want := range map[string][]string{
		".": {"dev", "root", "tmp", "usr"}, "usr": {"lib", "share"}, "usr/lib": {"empty", "python313.zip"}, "usr/share/a/b": {"c"},
	} {
		if got := r.names(dir); !slices.Equal(got, want) {
			t.Errorf("%s holds %q, want %q", dir, got, want)
		}
	}
}

func TestNewTreeRefuses(t *testing.T) {
	for _, files := range []map[string][]byte{
		{"": nil},
		{".": nil},
		{"/": nil},
		{"//a": nil},
		{"a//b": nil},
		{"a/../b": nil},
		{"a/": nil},
		{"\xff": nil},
		{"a\x00": nil},
		{"tmp": nil},
		{"/tmp/x": nil},
		{"/dev/null": nil},
		{"function": nil},
		{"/function/x": nil},
		{"a": nil, "a/b": nil},
		{"a": nil, "/a": nil},
		{strings.Repeat("x", 256): nil},
	} {
		if _, err := NewTree(files); err == nil {
			t.Errorf("%q is accepted", files)
		}
	}
	tree, err := NewTree(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := newRigOn(t, tree, testPages).names("."); !slices.Equal(got, []string{"dev", "tmp"}) {
		t.Errorf("an empty tree holds %q", got)
	}
}
