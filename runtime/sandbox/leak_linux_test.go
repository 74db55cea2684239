package sandbox

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// counts are what a process holds of the kernel.
type counts struct {
	mappings int // all
	images   int // of base images
	reserved int // whole slots' ranges of addresses, counted by their size
	files    int // open
}

func processCounts(t *testing.T) counts {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	var c counts
	for line := range strings.Lines(string(maps)) {
		c.mappings++
		if strings.Contains(line, "faaspot-base-image") {
			c.images++
		}
		var start, end uint64
		if _, err := fmt.Sscanf(line, "%x-%x rw-p", &start, &end); err == nil && !strings.Contains(line, "/") {
			// A range less the image at its start; neighbours may be merged.
			c.reserved += int((end - start + runtime.MaxMemory/8) / runtime.MaxMemory)
		}
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	c.files = len(files)
	return c
}
