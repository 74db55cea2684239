package server

import (
	"net"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

func TestPlaceOf(t *testing.T) {
	for _, tc := range []struct {
		address, want string
		beyond        bool
	}{
		{"127.0.0.1:8080", "http://127.0.0.1:8080", false},
		{"[::1]:9", "http://[::1]:9", false},
		{"0.0.0.0:80", "http://127.0.0.1:80", true},
		{"[::]:80", "http://127.0.0.1:80", true},
		{"[::ffff:127.0.0.1]:80", "http://127.0.0.1:80", false},
		{"192.0.2.7:81", "http://192.0.2.7:81", true},
	} {
		address, err := net.ResolveTCPAddr("tcp", tc.address)
		if err != nil {
			t.Fatal(err)
		}
		at, err := placeOf(address)
		if err != nil || at.url() != tc.want {
			t.Errorf("%s is reached at %s, %v, want %s", tc.address, at.url(), err, tc.want)
		}
		if beyond(address) != tc.beyond {
			t.Errorf("%s: beyond this machine is %v", tc.address, !tc.beyond)
		}
	}
}

func TestListenErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, want := range map[string]struct {
		code runtime.Code
		text string
	}{
		taken.Addr().String(): {runtime.CodeUnavailable, "another process already listens at"},
		"8080":                {runtime.CodeInvalidArgument, "is not valid"},
		"127.0.0.1:":          {runtime.CodeInvalidArgument, "is not valid"},
		"127.0.0.1:http-x":    {runtime.CodeInvalidArgument, "cannot listen"},
		"192.0.2.1:0":         {runtime.CodeInvalidArgument, "cannot listen"}, // TEST-NET-1: no machine has it
	} {
		l, err := listen(address)
		if err == nil {
			l.Close()
		}
		if runtime.CodeOf(err) != want.code || !strings.Contains(err.Error(), want.text) {
			t.Errorf("listen(%q): %v, want %s: %s", address, err, want.code, want.text)
		}
	}
}
