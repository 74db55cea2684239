package netaddr

import (
	"net"
	"testing"
)

func TestClient(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":                 "192.0.2.1",
		"::ffff:192.0.2.1":          "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":      "2001:db8:1:2::",
		"2001:db8:1:2:ffff:4:5:600": "2001:db8:1:2::",
		"::1":                       "::",
	} {
		if got := Client(&net.TCPAddr{IP: net.ParseIP(address), Port: 80, Zone: ""}).String(); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got := Client(&net.UnixAddr{Name: "/a"}); got.IsValid() {
		t.Errorf("a socket of Unix: %s", got)
	}
}

func TestOnLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.9.9.9:0": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true, "localhost:80": true,
		"0.0.0.0:80": false, "[::]:80": false, "192.0.2.1:80": false, "example.com:80": false, "localhost": false, ":80": false, "": false,
	} {
		if got := OnLoopback(address); got != want {
			t.Errorf("%q: %v, want %v", address, got, want)
		}
	}
}
