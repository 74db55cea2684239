package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestClusterState checks who owns the data, and who leads the log, in what `fas cluster status` prints.
func TestClusterState(t *testing.T) {
	var s clusterState
	const text = `{"name": "bench", "nodes": [{"node": "n0", "role": "follower", "lag": 3}, {"node": "n2", "role": "owner"}],
		"servers": [{"name": "a", "leader": false}, {"name": "b", "leader": true}], "log": null}`
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	owner, err := s.owner()
	leader, lerr := s.leader()
	if err != nil || lerr != nil || owner != 2 || leader != "b" {
		t.Errorf("got %d, %v and %q, %v", owner, err, leader, lerr)
	}
	s.Nodes[1].Role, s.Servers[1].Leader = "follower", false
	_, err = s.owner()
	if _, lerr = s.leader(); err == nil || lerr == nil {
		t.Errorf("a cluster without an owner and a leader: got %v, %v", err, lerr)
	}
}

// TestLongestOutage checks that an outage begins with the last answer before the fault, in the order of the answers.
func TestLongestOutage(t *testing.T) {
	began := time.Now()
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	w := &watch{accepted: []acceptance{
		{at(-900), at(-890)}, {at(-20), at(-10)}, {at(4000), at(4010)}, {at(-30), at(3000)}, {at(4020), at(4030)},
	}}
	if got, want := w.longest(began), 3010*time.Millisecond; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if !w.acceptsSince(at(4000)) || w.acceptsSince(at(4020)) {
		t.Error("what was sent before counts, or what was sent later does not")
	}
}

// TestSpentCountsGroups checks that the time of each group of processes is its own.
func TestSpentCountsGroups(t *testing.T) {
	l := testLab(t)
	busy, err := l.start(t.Context(), "", nil, "sh", "-c", "while :; do :; done")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.kill()
	idle, err := l.start(t.Context(), "", nil, "sleep", "600")
	if err != nil {
		t.Fatal(err)
	}
	defer idle.kill()
	const most = 20 * time.Millisecond // many times what the idle one needs to start
	used, err := spent(func() error {
		before, err := busy.cpuTime()
		for now := before; err == nil && now < before+most; now, err = busy.cpuTime() {
			time.Sleep(time.Millisecond)
		}
		return err
	}, []*process{idle}, []*process{busy}, []*process{idle, busy})
	if err != nil || used[0] >= most || used[1] < most || used[2] < most {
		t.Errorf("got %v, %v", used, err)
	}
}

// TestQuota checks that a process in a group has no more of a processor than the group.
func TestQuota(t *testing.T) {
	q, err := newQuota(0.1)
	if err != nil {
		t.Skip(err)
	}
	p, err := testLab(t).start(t.Context(), "", nil, "sh", "-c", "while :; do :; done")
	if err != nil {
		t.Fatal(err)
	}
	if err := q.add(p); err != nil {
		t.Error(err)
	}
	before, err := p.cpuTime()
	if err != nil {
		t.Error(err)
	}
	began := time.Now()
	time.Sleep(time.Second)
	after, err := p.cpuTime()
	if share := (after - before).Seconds() / time.Since(began).Seconds(); err != nil || share > 0.2 || share == 0 {
		t.Errorf("a loop with a tenth of a processor has used %.2f, %v", share, err)
	}
	p.kill()
	if err := q.remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(q.dir); !os.IsNotExist(err) {
		t.Errorf("the group is left: %v", err)
	}
}

// TestQuotaOfVersionTwo checks what is written to control groups of version 2.
func TestQuotaOfVersionTwo(t *testing.T) {
	root := t.TempDir()
	q := quota{filepath.Join(root, "group")}
	if err := os.Mkdir(q.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cgroup.subtree_control", "group/cpu.max"} {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.set(root, 0.25); err != nil {
		t.Fatal(err)
	}
	control, err := os.ReadFile(filepath.Join(root, "cgroup.subtree_control"))
	most, merr := os.ReadFile(filepath.Join(q.dir, "cpu.max"))
	if err != nil || merr != nil || strings.TrimSpace(string(control)) != "+cpu" || string(most) != "2500 10000" {
		t.Errorf("got %q, %v and %q, %v", control, err, most, merr)
	}
}
