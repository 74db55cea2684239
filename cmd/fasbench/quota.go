package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// quotaPeriod is the time within which a control group gets its part of a processor. It is short, so that a process that
// has used its part waits for milliseconds.
const quotaPeriod = 10 * time.Millisecond

// quotaRoots are where the controller of processors may be mounted, in version 1 and 2 of control groups.
var quotaRoots = []string{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"}

// quota is a control group whose processes have a part of a processor together.
type quota struct{ dir string }

// newQuota makes a control group with a number of processors.
func newQuota(processors float64) (q quota, err error) {
	var failed error
	for _, root := range quotaRoots {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if q.dir, err = os.MkdirTemp(root, "fasbench-"); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if err = q.set(root, processors); err == nil {
			return q, nil
		}
		failed = errors.Join(failed, err, q.remove())
	}
	return quota{}, fmt.Errorf("cannot give a process a part of a processor: run this as root, with control groups that can be written: %w", failed)
}

// set sets the quota.
func (q quota) set(root string, processors float64) error {
	period := quotaPeriod.Microseconds()
	part := int64(processors * float64(period))
	if _, err := os.Stat(filepath.Join(q.dir, "cpu.cfs_quota_us")); err == nil {
		return errors.Join(q.write("cpu.cfs_period_us", strconv.FormatInt(period, 10)), q.write("cpu.cfs_quota_us", strconv.FormatInt(part, 10)))
	}
	if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+cpu"), 0); err != nil {
		return err
	}
	return q.write("cpu.max", fmt.Sprintf("%d %d", part, period))
}

// add moves a process into the group.
func (q quota) add(p *process) error { return q.write("cgroup.procs", strconv.Itoa(p.cmd.Process.Pid)) }

func (q quota) write(name, value string) error {
	return os.WriteFile(filepath.Join(q.dir, name), []byte(value), 0)
}

// remove removes the group, whose processes must have ended.
func (q quota) remove() error { return os.Remove(q.dir) }
