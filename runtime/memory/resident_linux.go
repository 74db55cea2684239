package memory

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// Resident returns the bytes of memory that the process has resident: its own pages, and its share
// of those that it shares with other processes (Pss in /proc/self/smaps_rollup, see proc(5)). It
// takes a millisecond for each gigabyte or so. Zero: unknown.
func Resident() int64 {
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "Pss:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kib * runtime.KiB
		}
	}
	return 0
}
