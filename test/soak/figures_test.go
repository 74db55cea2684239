//go:build linux

package soak

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/attack"
	"github.com/faaspot/faaspot/test/process"
)

const (
	// restTime is longer than each period after which the server gives back what it holds for a
	// while: Go's memory is returned after 15 s, idle instances are dropped after 10 to 20 s, old
	// executions every 10 s.
	restTime = 25 * time.Second

	// Margins of the figures after a round.

	// moreResident is what Go keeps of memory that it has used, 64 MiB, and what the memory tables of
	// the store take, three of 8 MiB.
	moreResident = 88 << 20
	// moreUsed is for code and images of the functions of customers.
	moreUsed = 4 << 20
	// moreDisk is what the store has in logs, and in tables of deleted tenants that it has not merged yet.
	moreDisk = 96 << 20
	// moreMappings is for Go's own heap, which maps and unmaps its memory in pieces.
	moreMappings = 64
	// moreOpen is for files that the store is about to remove, and connections that the system has not
	// closed yet.
	moreOpen = 16
)

// figures are what a server holds.
type figures struct {
	resident int64          // bytes in memory, with shared pages counted in part
	used     int64          // bytes of the memory budget
	disk     int64          // bytes of the data folder
	files    int            // in the data folder
	mappings int            // of memory
	open     map[string]int // number of open files of each kind
}

func (f figures) String() string {
	var open strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(f.open)) {
		fmt.Fprintf(&open, ", %d %s", f.open[kind], kind)
	}
	return fmt.Sprintf("%d MB resident, %d MB of the budget, %d MB on the disk in %d files, %d mappings%s", f.resident>>20, f.used>>20, f.disk>>20, f.files, f.mappings, open.String())
}

// beyond returns what is more than at the beginning and a margin.
func (f figures) beyond(begin figures) (what []string) {
	check := func(name string, now, before, more int64) {
		if now > before+more {
			what = append(what, fmt.Sprintf("%s: %d, at the beginning %d", name, now, before))
		}
	}
	check("resident bytes", f.resident, begin.resident, moreResident)
	check("bytes of the budget", f.used, begin.used, moreUsed)
	check("bytes on the disk", f.disk, begin.disk, moreDisk)
	check("mappings", int64(f.mappings), int64(begin.mappings), moreMappings)
	for kind, n := range f.open {
		before := begin.open[kind]
		if kind == dataFiles { // each is open once, however many there are
			before = f.files
		}
		check("open "+kind, int64(n), int64(before), moreOpen)
	}
	return what
}

// What is beyond its margin is found, for each figure, and nothing else.
func TestFiguresBeyondTheirMargins(t *testing.T) {
	begin := figures{100 << 20, 1 << 20, 60 << 20, 40, 50, map[string]int{dataFiles: 40, "sockets": 2}}
	for want, now := range map[string]figures{
		"":                    {100<<20 + moreResident, 1<<20 + moreUsed, 60<<20 + moreDisk, 400, 50 + moreMappings, map[string]int{dataFiles: 400 + moreOpen, "sockets": 2 + moreOpen, "pipes": moreOpen}},
		"resident bytes":      {resident: 100<<20 + moreResident + 1},
		"bytes of the budget": {used: 1<<20 + moreUsed + 1},
		"bytes on the disk":   {disk: 60<<20 + moreDisk + 1},
		"mappings":            {mappings: 50 + moreMappings + 1},
		"open sockets":        {open: map[string]int{"sockets": 2 + moreOpen + 1}},
		"open pipes":          {open: map[string]int{"pipes": moreOpen + 1}},
		"open " + dataFiles:   {files: 400, open: map[string]int{dataFiles: 400 + moreOpen + 1}},
	} {
		what := now.beyond(begin)
		if len(what) > 1 || (len(what) == 1) != (want != "") || len(what) == 1 && !strings.HasPrefix(what[0], want+":") {
			t.Errorf("beyond the margin of %q: %q", want, what)
		}
	}
}

// settle waits until the server holds no more than at the beginning, and returns what it holds.
func (w *world) settle(begin figures) figures {
	w.t.Helper()
	for deadline := time.Now().Add(process.Patience); ; time.Sleep(time.Second) {
		now := w.measure()
		what := now.beyond(begin)
		if len(what) == 0 {
			return now
		}
		if time.Now().After(deadline) {
			r := w.server.Must(w.t, "GET", "/v1/server/memory", "")
			w.t.Fatalf("after round %d the server holds more than before: %s\nnow %s\nthe budget: %s", w.rounds-1, strings.Join(what, "; "), now, r.Body)
		}
	}
}

// measure returns what the server holds.
func (w *world) measure() (f figures) {
	w.t.Helper()
	pid := w.server.Cmd.Process.Pid
	var err error
	if f.resident, err = attack.Pss(pid); err != nil {
		w.t.Fatal(err)
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		w.t.Fatal(err)
	}
	f.mappings = strings.Count(string(maps), "\n")
	r := w.server.Must(w.t, "GET", "/v1/server/memory", "")
	f.used = process.Decode[struct{ Used int64 }](w.t, r).Used
	f.open = openFiles(pid, w.server.Site.Data)
	f.files, f.disk = filesOf(w.server.Site.Data)
	return f
}

// dataFiles is a kind of open files.
const dataFiles = "files of the data folder"

// openFiles counts the open files of a process by their kinds.
func openFiles(pid int, data string) map[string]int {
	count := map[string]int{}
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			continue // closed meanwhile
		}
		switch kind, _, _ := strings.Cut(target, ":"); {
		case strings.HasSuffix(target, " (deleted)"):
			count["files without a name"]++
		case strings.HasPrefix(target, data):
			count[dataFiles]++
		case strings.HasPrefix(target, "/"):
			count["other files"]++
		default:
			count[kind+"s"]++
		}
	}
	return count
}

// filesOf returns the number of files in a folder, and of the bytes that they take on the disk. The compiled
// guest, which is a link, does not count.
func filesOf(dir string) (files int, bytes int64) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // removed meanwhile
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			files++
			bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return files, bytes
}
