package storage

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/mem"
)

// A store that follows says of each record what it has changed, once it can be read, and nothing of what others change.
func TestChangesOfRecords(t *testing.T) {
	t.Parallel()
	l := mem.New()
	s, f := openReplica(t, vfs.NewMem(), "owner", l.Client(), false), openReplica(t, vfs.NewMem(), "follower", l.Client(), true)
	follow(t, f, s)
	changes := func() (all Changes) {
		t.Helper()
		to, _ := s.Applied()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := f.Follow(ctx, func(r replog.Record, c Changes) {
			for _, id := range c.Functions {
				if _, err := f.GetFunction("a", id); err != nil && runtime.CodeOf(err) != runtime.CodeNotFound {
					t.Error(err)
				}
			}
			all.Functions, all.Tenants, all.Tokens = append(all.Functions, c.Functions...), append(all.Tenants, c.Tenants...), append(all.Tokens, c.Tokens...)
			all.Settings = all.Settings || c.Settings
			if r.At.Seq >= to.Seq {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		return all
	}
	for _, test := range []struct {
		name string
		do   func() error
		want Changes
	}{
		{"a function", func() error {
			return s.CreateFunction(function("a", "id\x00", "one", 1), version("id\x00", 1, "source"), by("a"))
		}, Changes{Functions: []string{"id\x00"}}},
		{"a version", func() error {
			v := version("id\x00", 2, "source")
			return s.UpdateFunction(function("a", "id\x00", "two", 2), &v, by("a"))
		}, Changes{Functions: []string{"id\x00"}}},
		{"a function that is gone", func() error { return s.DeleteFunction("a", "id\x00", by("a")) }, Changes{Functions: []string{"id\x00"}}},
		{"a tenant", func() error { return s.PutTenant(runtime.TenantRecord{Name: "acme"}, []string{"1"}) }, Changes{Tenants: []runtime.Tenant{"acme"}, Tokens: []string{"1"}}},
		{"tokens", func() error {
			return s.PutTokens([]runtime.Token{{ID: "1", Name: "x", Scope: runtime.ScopeOperator}, {ID: "2", Name: "y", Scope: runtime.ScopeOperator}})
		}, Changes{Tokens: []string{"1", "2"}}},
		{"a token that is gone", func() error { return s.DeleteToken("2") }, Changes{Tokens: []string{"2"}}},
		{"a setting", func() error { return s.PutSetting("x", []byte("y")) }, Changes{Settings: true}},
		{"a run", func() error { return s.Record([]runtime.Execution{newClerk().done()}) }, Changes{}},
	} {
		must(t, test.do())
		if diff := cmp.Diff(test.want, changes()); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
	token, found, err := f.GetToken("1")
	if !found || err != nil || token.Name != "x" {
		t.Errorf("%+v, %v, %v", token, found, err)
	}
	if _, found, err := f.GetToken("2"); found || err != nil {
		t.Errorf("a token that is gone: %v, %v", found, err)
	}
	tenant, found, err := f.GetTenant("acme")
	if !found || err != nil || tenant.Name != "acme" {
		t.Errorf("%+v, %v, %v", tenant, found, err)
	}
	if _, found, err := f.GetTenant("nobody"); found || err != nil {
		t.Errorf("an unknown tenant: %v, %v", found, err)
	}
}

// What is recorded twice is stored and counted once.
func TestRecordOnce(t *testing.T) {
	t.Parallel()
	s, once := openOn(t, vfs.NewMem(), "store"), openOn(t, vfs.NewMem(), "store")
	c := newClerk()
	batch := []runtime.Execution{c.done(), c.done(), c.done()}
	must(t, once.Record(slices.Clone(batch)))
	for i, want := range []int{2, 1, 0} {
		recorded, err := s.RecordOnce(slices.Clone(batch[:min(2+i, 3)]))
		if err != nil || len(recorded) != want {
			t.Errorf("call %d has recorded %d, want %d: %v", i, len(recorded), want, err)
		}
	}
	if got, want := s.Stored("default"), once.Stored("default"); got != want {
		t.Errorf("%+v is stored, want %+v", got, want)
	}
	for _, x := range batch {
		if _, err := s.GetExecution(x.Tenant, x.ID); err != nil {
			t.Error(err)
		}
	}
}
