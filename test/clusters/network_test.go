//go:build linux

package clusters

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
)

// What a test process that was killed has left is removed by the next one, and that of a process that runs stays.
func TestNetworksOfTheDeadAreRemoved(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	n := NewNetwork(t) // skips the test if it may not do that
	n.host(t, "mine")
	dead := &Network{id: fmt.Sprintf("fas%d", ended.Process.Pid)}
	n.must(t, "link", "add", dead.bridge(), "type", "bridge")
	n.must(t, "netns", "add", dead.id+"n1")
	exist := func(n *Network) (bridge, namespace bool) {
		_, err := net.InterfaceByName(n.bridge())
		_, statErr := os.Stat("/run/netns/" + n.id + "n1")
		return err == nil, statErr == nil
	}
	if bridge, namespace := exist(dead); !bridge || !namespace {
		t.Fatalf("before: bridge %v, namespace %v", bridge, namespace)
	}
	removeNetworksOfTheDead()
	if bridge, namespace := exist(dead); bridge || namespace {
		t.Errorf("of a process that has ended: bridge %v, namespace %v", bridge, namespace)
	}
	if bridge, namespace := exist(n); !bridge || !namespace {
		t.Errorf("of this process: bridge %v, namespace %v", bridge, namespace)
	}
}
