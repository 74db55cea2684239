package egress

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// TestCeilingOfATenant checks that a tenant has a ceiling in addition to that of the server, which changes
// what functions reach that were deployed before.
func TestCeilingOfATenant(t *testing.T) {
	resolver, asked := zone{"api.example.com.": fixed("203.0.114.7"), "www.example.com.": fixed("203.0.114.7"), "evil.org.": fixed("203.0.114.7")}.resolver(t)
	use := runtime.NewTenantUse(runtime.TenantLimits{})
	n := newNetworks(t, NetworkOptions{Resolver: resolver, Ceiling: []string{"*.example.com:443"}, Uses: func(tenant runtime.Tenant) *runtime.TenantUse {
		if tenant == "a" {
			return use
		}
		return nil
	}})
	d := &dialled{}
	n.direct = d
	for _, test := range []struct {
		hosts []string
		reach []string // of those that the function allows
	}{
		{nil, []string{"api.example.com", "www.example.com"}},
		{[]string{"api.example.com:443"}, []string{"api.example.com"}},
		{[]string{"api.example.com:443", "evil.org:443"}, []string{"api.example.com"}},
		{[]string{"api.example.com:80", "udp:www.example.com:443"}, nil},
		{[]string{runtime.NoEgress}, nil},
		{nil, []string{"api.example.com", "www.example.com"}},
	} {
		hosts, err := runtime.NormalEgressHosts(test.hosts)
		if err != nil {
			t.Fatal(err)
		}
		w := n.open(t, "api.example.com:443", "www.example.com:443", "evil.org:443")
		use.SetLimits(runtime.TenantLimits{EgressHosts: hosts}) // while the run runs
		asked.list()
		for _, host := range []string{"api.example.com", "www.example.com", "evil.org"} {
			_, err := reach(w, "tcp", host, 443)
			want := slices.Contains(test.reach, host)
			if got := len(d.take()) == 1; got != want || !want && (runtime.CodeOf(err) != runtime.CodePermissionDenied || !strings.Contains(err.Error(), "operator")) {
				t.Errorf("%q, %s: dialled %t, %v", test.hosts, host, got, err)
			}
			if refused := n.CheckAllow("a", []string{host + ":443"}); (refused == nil) != want {
				t.Errorf("%q, %s: at deployment: %v", test.hosts, host, refused)
			}
		}
		if err := n.CheckAllow("b", []string{"www.example.com:443"}); err != nil {
			t.Errorf("%q: another tenant: %v", test.hosts, err)
		}
	}
}

// TestDayOfATenant checks that all runs of a tenant together send and receive no more on a day than it
// may: connections that are open end, and others are refused, until the next day in UTC.
func TestDayOfATenant(t *testing.T) {
	to := echo(t)
	rule := hostPort("127.0.0.1", to.Port())
	at := time.Date(2026, 3, 4, 23, 59, 0, 0, time.FixedZone("", 3600))
	use := runtime.NewTenantUse(runtime.TenantLimits{EgressBytes: 1000})
	n := newNetworks(t, NetworkOptions{
		Allow: []string{loopback}, Now: func() time.Time { return at },
		Uses: func(tenant runtime.Tenant) *runtime.TenantUse {
			return map[runtime.Tenant]*runtime.TenantUse{"a": use}[tenant]
		},
	})
	open := func(tenant runtime.Tenant, function string) (runtime.Network, runtime.Connection) {
		t.Helper()
		w := n.Open(&runtime.Program{Tenant: tenant, FunctionID: function, Allow: []string{rule}})
		t.Cleanup(func() { w.Close() })
		c, err := w.Dial(context.Background(), "tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		return w, c
	}
	first, c := open("a", "f")
	_, d := open("a", "g")
	_, other := open("b", "f")
	send := func(c runtime.Connection, n int) error {
		_, err := c.Write(make([]byte, n))
		return err
	}
	if err := errors.Join(send(c, 400), send(d, 600), send(other, 5000)); err != nil {
		t.Fatalf("within the limit: %v", err)
	}
	for what, err := range map[string]error{
		"a byte more":       send(d, 1),
		"a new connection":  func() error { _, err := first.Dial(context.Background(), "tcp", to); return err }(),
		"a check":           first.Check("tcp", to),
		"a connection open": send(c, 1),
	} {
		if runtime.CodeOf(err) != runtime.CodeTooLarge || !strings.Contains(err.Error(), "on a day") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := send(other, 1); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	at = at.Add(-24 * time.Hour) // a clock that is set back gives nothing
	if err := first.Check("tcp", to); runtime.CodeOf(err) != runtime.CodeTooLarge {
		t.Errorf("after the clock was set back: %v", err)
	}
	at = at.Add(24*time.Hour + time.Hour + time.Minute) // 00:00 in UTC
	if _, err := first.Dial(context.Background(), "tcp", to); err != nil {
		t.Errorf("on the next day: %v", err)
	}
	at = at.Add(10_000 * time.Hour) // a clock that was far ahead keeps nothing out once it is right again
	if err := send(c, 1000); err != nil {
		t.Errorf("in a year: %v", err)
	}
	at = at.Add(-10_000 * time.Hour)
	if err := send(c, 1000); err != nil {
		t.Errorf("after a clock that was ahead: %v", err)
	}
	use.SetLimits(runtime.TenantLimits{EgressBytes: 10})
	if err := send(c, 11); runtime.CodeOf(err) != runtime.CodeTooLarge {
		t.Errorf("beyond a lower limit: %v", err)
	}
	use.SetLimits(runtime.TenantLimits{})
	if err := send(c, 5000); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}
