package storage

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/internal/search"
)

// checkPostings derives all postings that should exist from the records of accepted executions and
// of those that are done, and compares them with the postings that do. It skips postings that lead
// to nothing: retention drops them later.
func checkPostings(t testing.TB, s *Store) {
	t.Helper()
	should, there := map[string]bool{}, map[string]bool{}
	name := func(prefix []byte, at keys.Position, ms uint32) string {
		return fmt.Sprintf("%q %d %s %d", prefix, at.Start, at.ID, ms)
	}
	it, err := s.db.NewIter(nil)
	must(t, err)
	for ok := it.First(); ok; ok = it.Next() {
		key := it.Key()
		if key[0] != keys.SpaceTenants {
			continue
		}
		text, rest, err := keys.CutText(key[1:])
		must(t, err)
		tenant := runtime.Tenant(text)
		expected := search.Postings{}
		switch rest[0] {
		case keys.KindDone:
			id, err := keys.DecodeID(nil, rest[1:])
			must(t, err)
			r, err := record.DecodeDone(tenant, id, it.Value())
			must(t, err)
			expected.AddRun(&r.Execution, id)
			expected.AddTrace(&r.Execution, id)
		case keys.KindAccepted:
			id, err := keys.DecodeID(nil, rest[1:])
			must(t, err)
			u, err := readUnfinished(s.db, tenant, id)
			must(t, err)
			x := u.execution(tenant, id)
			expected.AddTrace(&x, id)
		case keys.KindJobDone:
			id, err := keys.DecodeID(nil, rest[1:])
			must(t, err)
			x, err := record.DecodeJobExecution(tenant, id, it.Value())
			must(t, err)
			expected.AddJob(&x, id)
		case keys.KindPostings:
			of, all, err := search.DecodePostings(s.db, tenant, key, it.Value())
			must(t, err)
			if len(all) > search.MaxPostings || all[0].Start-all[len(all)-1].Start > search.Span {
				t.Fatalf("key %q has %d postings from %v to %v", key, len(all), all[0], all[len(all)-1])
			}
			for i, one := range all {
				if i > 0 && !one.Before(all[i-1].Position) {
					t.Fatalf("key %q: %v comes after %v", key, one, all[i-1])
				}
				if leads(t, s, tenant, of.Resource.Kind, one.ID) {
					one := name(of.Prefix(), one.Position, one.Ms)
					if there[one] {
						t.Fatalf("there are two of %s", one)
					}
					there[one] = true
				}
			}
		}
		for of, all := range expected {
			for _, one := range all {
				if of.Field != runtime.FieldDuration {
					one.Ms = 0
				}
				should[name(of.Prefix(), one.Position, one.Ms)] = true
			}
		}
	}
	must(t, errors.Join(it.Error(), it.Close()))
	for one := range there {
		if !should[one] {
			t.Errorf("a posting does not match its execution: %s", one)
		}
	}
	for one := range should {
		if !there[one] {
			t.Errorf("there is no posting %s", one)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// leads reports whether there is an execution that the postings of a kind of resource may lead to.
func leads(t testing.TB, s *Store, tenant runtime.Tenant, kind byte, id keys.ID) bool {
	t.Helper()
	var err error
	switch kind {
	case keys.ResourceJob:
		_, err = readJobDone(s.db, tenant, id)
	case keys.ResourceFunction:
		_, err = readDoneRecord(s.db, tenant, id)
	default:
		_, err = readExecution(s.db, tenant, id.String(), false)
	}
	if err != nil && !errors.Is(err, kv.ErrAbsent) {
		t.Fatal(err)
	}
	return err == nil
}

// ofPostings reports whether a tenant's key is one of postings.
func ofPostings(t testing.TB, key []byte) bool {
	t.Helper()
	_, rest, err := keys.CutText(key[1:])
	must(t, err)
	return bytes.HasPrefix(rest, []byte{keys.KindPostings})
}
