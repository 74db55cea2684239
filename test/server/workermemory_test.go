//go:build linux

package server

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// memoryHas reports which texts are in the memory of a process, of which it reads the pages that there
// are, those of its environment and arguments included.
func memoryHas(t *testing.T, pid int, texts map[string][]byte) (found map[string]bool) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Skipf("the memory of a process cannot be read: %v", err)
	}
	defer mem.Close()
	pages, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer pages.Close()
	found = make(map[string]bool)
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var rights string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); err != nil {
			t.Fatalf("a mapping is %q: %v", line, err)
		}
		if rights[0] == 'r' && from < 1<<63 {
			searchMapping(mem, pages, from, to, texts, found)
		}
	}
	return found
}

// searchMapping searches the pages of a mapping that are in memory. Pages come and go meanwhile: it
// ignores what it cannot read.
func searchMapping(mem, pages *os.File, from, to uint64, texts map[string][]byte, found map[string]bool) {
	const entries = 1 << 12
	const present = 3 << 62 // or in swap
	size := uint64(os.Getpagesize())
	table, content := make([]byte, 8*entries), make([]byte, entries*size)
	for at := from; at < to; at += entries * size {
		count := min(entries, (to-at)/size)
		n, _ := pages.ReadAt(table[:8*count], int64(at/size*8))
		begin := -1
		for i := 0; i <= n/8; i++ {
			is := i < n/8 && binary.LittleEndian.Uint64(table[8*i:])&present != 0
			switch {
			case is && begin < 0:
				begin = i
			case !is && begin >= 0:
				read, _ := mem.ReadAt(content[:uint64(i-begin)*size], int64(at+uint64(begin)*size))
				for name, text := range texts {
					found[name] = found[name] || bytes.Contains(content[:read], text)
				}
				begin = -1
			}
		}
	}
}

// The memory of a worker has nothing of a tenant that it does not serve, and neither the server's keys
// nor its token.
func TestWorkersKnowNoSecretsOfOthers(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t, "--workers", "2")
	l := s.Serve(t)
	clients, workers := tenantsApart(t, l)
	texts := map[string][]byte{"token": []byte(s.Token)}
	for i, c := range clients {
		// The text of the secret is nowhere in the test's own code and requests but once.
		secret := fmt.Sprintf("%s-of-%d", canary, i)
		texts[fmt.Sprint("context ", i)] = []byte(secret)
		c.Deploy(t, "uses", "def main(args, context): return len(context['key'])", "context", map[string]string{"key": secret})
		for range 3 {
			if x := c.WaitEnd(t, c.Submit(t, "uses", `{}`)); string(x.Output) != fmt.Sprint(len(secret)) {
				t.Fatalf("the run: %s", x.Text)
			}
		}
	}
	for i, key := range keysOf(t, filepath.Join(s.Data, "secrets.keys")) {
		texts[fmt.Sprint("key ", i)] = key
	}
	if len(texts) < 4 {
		t.Fatalf("there are no keys: %d texts", len(texts))
	}
	server := memoryHas(t, l.Cmd.Process.Pid, texts)
	for name := range texts {
		if !server[name] && !strings.HasPrefix(name, "context ") {
			t.Errorf("the server's memory does not have the %s: the search finds too little", name)
		}
	}
	spawner, _ := processesOf(t, l)
	for who, pid := range map[string]int{"worker 0": workers[0], "worker 1": workers[1], "spawner": spawner} {
		for name, is := range memoryHas(t, pid, texts) {
			if own := strings.TrimPrefix(name, "context ") == strings.TrimPrefix(who, "worker "); is != own {
				t.Errorf("the memory of the %s has the %s: %t", who, name, is)
			}
		}
	}
}

// keysOf returns the keys in a file: as they are in memory.
func keysOf(t *testing.T, file string) (keys [][]byte) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(string(content)) {
		if key, err := base64.StdEncoding.DecodeString(field); err == nil && len(key) == 32 {
			keys = append(keys, key)
		}
	}
	return keys
}
