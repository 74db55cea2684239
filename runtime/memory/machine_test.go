package memory

import (
	"math"
	"testing"
	"testing/fstest"

	"github.com/faaspot/faaspot/runtime"
)

func TestMachineMemory(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	meminfo := file("MemTotal:       16384 kB\nMemFree:  1 kB\n")
	const total = 16384 * runtime.KiB
	for name, test := range map[string]struct {
		root fstest.MapFS
		want int64
	}{
		"nothing known":   {fstest.MapFS{}, unknownMemory},
		"no cgroup":       {fstest.MapFS{"proc/meminfo": meminfo}, total},
		"damaged meminfo": {fstest.MapFS{"proc/meminfo": file("MemTotal: many kB\n")}, unknownMemory},
		"huge meminfo":    {fstest.MapFS{"proc/meminfo": file("MemTotal: 9223372036854775807 kB\n")}, unknownMemory},
		"v2": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("4096\n"),
		}, 4096},
		"v2, limit above": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("8192\n"),
		}, 8192},
		"v2, smallest": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("9000\n"), "sys/fs/cgroup/a/memory.max": file("8192\n"),
		}, 8192},
		"v2, larger than the machine": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/\n"),
			"sys/fs/cgroup/memory.max": file("9223372036854771712\n"),
		}, total},
		"v2, path on the host": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/../../docker/1\n"),
			"sys/fs/cgroup/memory.max": file("5000\n"),
		}, 5000},
		"v1": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("5:cpu:/x\n4:memory:/docker/1\n0::/\n"),
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": file("6000\n"), "sys/fs/cgroup/cpu/x/memory.max": file("1\n"),
		}, 6000},
		"v1, unlimited": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("4:memory:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"),
		}, total},
		"damaged cgroup": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("x\n::\n0::\n"),
			"sys/fs/cgroup/memory.max": file("-5\n"),
		}, total},
	} {
		if got := memoryIn(test.root); got != test.want {
			t.Errorf("%s: %d bytes, want %d", name, got, test.want)
		}
	}
	if got := Machine(); got < 16*runtime.MiB || got == math.MaxInt64 {
		t.Errorf("this machine has %d bytes", got)
	}
}

func TestProcessors(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	self := file("3:cpu,cpuacct:/x\n0::/a/b\n")
	for name, test := range map[string]struct {
		root fstest.MapFS
		want float64
	}{
		"nothing known": {fstest.MapFS{}, 0},
		"no limit":      {fstest.MapFS{"proc/self/cgroup": self, "sys/fs/cgroup/a/b/cpu.max": file("max 100000\n")}, 0},
		"half":          {fstest.MapFS{"proc/self/cgroup": self, "sys/fs/cgroup/a/b/cpu.max": file("50000 100000\n")}, 0.5},
		"limit above": {fstest.MapFS{
			"proc/self/cgroup": self, "sys/fs/cgroup/a/b/cpu.max": file("400000 100000\n"), "sys/fs/cgroup/a/cpu.max": file("150000 100000\n"),
		}, 1.5},
		"version 1": {fstest.MapFS{
			"proc/self/cgroup": self, "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": file("75000\n"), "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": file("50000\n"),
		}, 1.5},
		"version 1, no limit": {fstest.MapFS{
			"proc/self/cgroup": self, "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": file("-1\n"), "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": file("50000\n"),
		}, 0},
		"damaged": {fstest.MapFS{"proc/self/cgroup": self, "sys/fs/cgroup/a/b/cpu.max": file("1 0\n"), "sys/fs/cgroup/cpu.max": file("-1 1\n")}, 0},
	} {
		if got := processorsIn(test.root); got != test.want {
			t.Errorf("%s: %g, want %g", name, got, test.want)
		}
	}
}
