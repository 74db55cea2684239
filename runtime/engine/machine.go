package engine

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// unknownMemory is taken for the machine's memory where the system does not
// tell: that of a small server.
const unknownMemory = 2048 * runtime.MiB

// memoryIn gives, in bytes, the memory that this process may use, as told by
// the proc and sys trees of a Linux root: the machine's memory or the smallest
// limit of a cgroup (version 2 or 1) that the process is in, whichever is less.
func memoryIn(root fs.FS) int64 {
	memory := int64(math.MaxInt64)
	if total, ok := machineTotal(root); ok {
		memory = total
	}
	for _, file := range limitFiles(root) {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			continue
		}
		// "max" stands for no limit, as does a number beyond all memory.
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit > 0 {
			memory = min(memory, limit)
		}
	}
	if memory == math.MaxInt64 {
		return unknownMemory
	}
	return memory
}

// machineTotal reads MemTotal of /proc/meminfo, see proc_meminfo(5).
func machineTotal(root fs.FS) (int64, bool) {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, false
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), "MemTotal:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		return kib * runtime.KiB, err == nil && kib > 0 && kib < math.MaxInt64/runtime.KiB
	}
	return 0, false
}

// limitFiles names the files that may hold a memory limit of this process: its
// cgroup's and those of the cgroups around it. Lines of /proc/self/cgroup are
// hierarchy:controllers:path, see cgroups(7). In a container the path may be
// that of the host, under which nothing is found; the mount's own root is then
// the container's cgroup.
func limitFiles(root fs.FS) []string {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var files []string
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		if parts[1] != "" {
			if parts[1] != "memory" {
				continue
			}
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			files = append(files, path.Join(mount, group, file))
			if group == "/" {
				break
			}
		}
	}
	return files
}
