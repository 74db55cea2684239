package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

var (
	pagesOf  = flag.String("pages", "", "path of a program: TestListWrittenPages lists the pages to which a run of it writes, and what is there")
	pagesMap = flag.String("pages.map", "", "the linker's map of the guest (-Wl,-Map), for names of static data in that list")
)

// TestRunsWriteToFewPages verifies how many pages have to be restored after runs that do little.
func TestRunsWriteToFewPages(t *testing.T) {
	for _, c := range []struct {
		name, source string
		most         int
	}{
		{"trivial", hello, 12},
		{"async", "async " + hello, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, written := writtenPages(t, c.source)
			if n := len(written); n > c.most {
				t.Errorf("%d pages are written, more than %d; TestListWrittenPages lists them", n, c.most)
			}
		})
	}
}

// TestListWrittenPages lists the pages that a run of a program writes to: for each, how many of its
// lines of 64 bytes differ afterwards, what is allocated there, and the first words that differ. It
// assumes CPython's structures for 32 bits and reports what it does not recognise as nothing.
func TestListWrittenPages(t *testing.T) {
	if *pagesOf == "" {
		t.Skip("-pages names no program")
	}
	source, err := os.ReadFile(*pagesOf)
	if err != nil {
		t.Fatal(err)
	}
	before, after, written := writtenPages(t, string(source))
	names := readMap(t, *pagesMap)
	total := 0
	for _, at := range written {
		lines := 0
		for line := at; line < at+pageSize; line += 64 {
			if !bytes.Equal(before[line:line+64], after[line:line+64]) {
				lines++
			}
		}
		total += lines
		fmt.Printf("page %#x: %d lines differ; %s\n", at, lines, guestHeap(before).pool(at))
		shown := 0
		for word := at; word < at+pageSize && shown < 6; word += 4 {
			was, is := guestHeap(before).word(word), guestHeap(after).word(word)
			if was == is {
				continue
			}
			shown++
			fmt.Printf("    %#x %s%s: %#x %s -> %#x %s\n", word, names.name(word), guestHeap(before).code(word),
				was, names.name(was), is, names.name(is))
		}
	}
	fmt.Printf("%d pages, %d lines differ\n", len(written), total)
}

// writtenPages returns the memory before and after a run of a program, and the pages that runs of
// it write to.
func writtenPages(t *testing.T, source string) (before, after []byte, written []int) {
	t.Helper()
	box := countingBox(t)
	s, r, done := preparedSlot(t, box, deployed(t, box, source, runtime.Limits{}))
	defer done()
	r.deadline = time.Now().Add(time.Hour)
	invoke := func() {
		t.Helper()
		r.inputs = [3][]byte{helloArgs, noContext}
		if outcome, _ := s.invoke(context.Background(), &r); outcome.Failure != nil {
			t.Fatalf("%+v", *outcome.Failure)
		}
	}
	m := s.memory.(*mappedMemory)
	invoke()
	if _, _, err := s.restore(); err != nil {
		t.Fatal(err)
	}
	before = slices.Clone(m.data())
	invoke()
	after = slices.Clone(m.data())
	if _, _, err := s.restore(); err != nil {
		t.Fatal(err)
	}
	for _, w := range m.written {
		for at := w.start; at < w.end; at += pageSize {
			written = append(written, at)
		}
	}
	return before, after, written
}

// symbols are the static data of the guest, by address.
type symbols []symbol

type symbol struct {
	at, size int
	name     string
}

// readMap reads the data symbols of a map that wasm-ld has written. Without a path there are none.
func readMap(t *testing.T, path string) symbols {
	t.Helper()
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all symbols
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var s symbol
		var offset int
		// Address, offset in the file, size, name; code has a dash for its address.
		if n, _ := fmt.Sscanf(lines.Text(), "%x %x %x %s", &s.at, &offset, &s.size, &s.name); n == 4 && !strings.ContainsAny(s.name, ".:(") {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b symbol) int { return a.at - b.at })
	return all
}

func (s symbols) name(at int) string {
	i := sort.Search(len(s), func(i int) bool { return s[i].at > at }) - 1
	if i < 0 || at >= s[i].at+s[i].size {
		return ""
	}
	return fmt.Sprintf("%s+%#x", s[i].name, at-s[i].at)
}

// guestHeap is the memory of an interpreter.
type guestHeap []byte

func (m guestHeap) word(at int) int {
	if at < 0 || at+4 > len(m) {
		return 0
	}
	return int(binary.LittleEndian.Uint32(m[at:]))
}

// text returns a short C string, or "" if there is none.
func (m guestHeap) text(at int) string {
	if at <= 0 || at+64 > len(m) {
		return ""
	}
	text, _, found := bytes.Cut(m[at:at+64], []byte{0})
	if !found || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return string(text)
}

// typeOf returns the name of the type of an object, or "" if none is there.
func (m guestHeap) typeOf(object int) string { return m.text(m.word(m.word(object+4) + 12)) }

// code returns the name of the code object that has a word in its instructions.
func (m guestHeap) code(at int) string {
	const instructions, name = 124, 4 * 21 // offsets
	for object := at &^ 7; object > at-pageSize; object -= 8 {
		if m.typeOf(object) == "code" {
			if unit := (at - object - instructions) / 2; unit < m.word(object+8) {
				return fmt.Sprintf("%s+%d", m.text(m.word(object+name)+20), unit)
			}
			return ""
		}
	}
	return ""
}

// pool describes the objects in a pool of the allocator of small objects.
func (m guestHeap) pool(at int) string {
	class := m.word(at + 20)
	if class > 63 {
		return "no pool"
	}
	size := 8 * (class + 1)
	count := map[string]int{}
	for block := at + 32; block+size <= at+pageSize; block += size {
		for _, object := range []int{block, block + 8, block + 16} { // an object may follow a header
			if name := m.typeOf(object); name != "" {
				count[name]++
				break
			}
		}
	}
	if len(count) == 0 {
		return "no pool"
	}
	text := fmt.Sprintf("pool of %d bytes:", size)
	for _, name := range slices.Sorted(maps.Keys(count)) {
		text += fmt.Sprintf(" %s %d", name, count[name])
	}
	return text
}
