package memory

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// unknownMemory is the memory that is assumed where the system does not report it, as on other
// systems than Linux: that of a small server.
const unknownMemory = 2048 * runtime.MiB

// Machine returns the memory that this process may use, in bytes. Where /proc does not report
// it, as on systems other than Linux, it is 2 GiB; an operator with a larger machine sets the
// budget.
func Machine() int64 { return memoryIn(os.DirFS("/")) }

// memoryIn returns the memory that the proc and sys trees of a Linux root allow this process, in
// bytes: the machine's memory, or the smallest limit of the cgroups (version 2 or 1) around the
// process if that is less.
func memoryIn(root fs.FS) int64 {
	memory := int64(math.MaxInt64)
	if total, ok := machineTotal(root); ok {
		memory = total
	}
	for _, file := range limitFiles(root, "memory", "memory.max", "memory.limit_in_bytes") {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			continue
		}
		// "max" and numbers larger than the memory mean no limit.
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit > 0 {
			memory = min(memory, limit)
		}
	}
	if memory == math.MaxInt64 {
		return unknownMemory
	}
	return memory
}

// machineTotal returns MemTotal of /proc/meminfo in bytes, see proc_meminfo(5).
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

// Processors returns how many processors the cgroups around this process let it use, as a number that need not be
// whole; 0 if they have no limit.
func Processors() float64 { return processorsIn(os.DirFS("/")) }

func processorsIn(root fs.FS) (least float64) {
	const firstQuota = "cpu.cfs_quota_us"
	for _, file := range limitFiles(root, "cpu", "cpu.max", firstQuota) {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			continue
		}
		if folder, ok := strings.CutSuffix(file, firstQuota); ok {
			period, _ := fs.ReadFile(root, folder+"cpu.cfs_period_us") // without it there is no limit
			text = append(text, period...)
		}
		var quota, period float64 // microseconds; "max" and -1 mean no limit
		if _, err := fmt.Sscan(string(text), &quota, &period); err != nil || quota <= 0 || period <= 0 {
			continue
		}
		if n := quota / period; least == 0 || n < least {
			least = n
		}
	}
	return least
}

// limitFiles returns the files that may hold a limit of this process: those of its cgroup
// and of all cgroups above it, for a controller with its file in version 2 and in version 1. Lines of /proc/self/cgroup have the form
// hierarchy:controllers:path, see cgroups(7). In a container the path may be that of the host,
// under which no file exists; the root of the mount is then the container's cgroup.
func limitFiles(root fs.FS, controller, second, first string) []string {
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
		mount, file := "sys/fs/cgroup", second
		if parts[1] != "" {
			if !slices.Contains(strings.Split(parts[1], ","), controller) {
				continue
			}
			mount, file = path.Join("sys/fs/cgroup", controller), first
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
