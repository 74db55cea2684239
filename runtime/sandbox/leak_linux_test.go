package sandbox

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// counts holds the numbers of kernel resources of a process.
type counts struct {
	mappings int // all
	images   int // of base images
	reserved int // address ranges of whole slots, counted by their size in units of sizeClass
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
			// A range lacks the image at its start, and neighbouring ranges may be merged.
			c.reserved += int((end - start + sizeClass/8) / sizeClass)
		}
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	c.files = len(files)
	return c
}
