package memory

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/faaspot/faaspot/runtime"
)

// smapsRollup returns the file with the sums of the process's memory, which stays open. It is read anew
// from its start.
var smapsRollup = sync.OnceValues(func() (*os.File, error) { return os.Open("/proc/self/smaps_rollup") })

// maxSmaps bounds the size of that file, in bytes.
const maxSmaps = 16 * runtime.KiB

// Resident returns the bytes of memory that the process has resident: its own pages, and its share
// of those that it shares with other processes (Pss in /proc/self/smaps_rollup, see proc(5)). It
// takes a millisecond for each gigabyte or so. Zero: unknown. A process that is confined so that it opens
// no files calls Resident once before.
func Resident() int64 {
	file, err := smapsRollup()
	if err != nil {
		return 0
	}
	text, err := io.ReadAll(io.NewSectionReader(file, 0, maxSmaps))
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
