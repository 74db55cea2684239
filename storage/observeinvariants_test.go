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
)

// checkPostings derives from the records of what is done, and of what was accepted,
// which postings there should be, and compares. What leads to nothing is passed
// over: retention leaves it for a while.
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
		expected := postings{}
		switch rest[0] {
		case keys.KindDone:
			id, err := keys.DecodeID(nil, rest[1:])
			must(t, err)
			r, err := record.DecodeDone(tenant, id, it.Value())
			must(t, err)
			expected.run(&r.Execution, id)
			expected.trace(&r.Execution, id)
		case keys.KindAccepted:
			id, err := keys.DecodeID(nil, rest[1:])
			must(t, err)
			u, err := readUndone(s.db, tenant, id)
			must(t, err)
			x := u.execution(tenant, id)
			expected.trace(&x, id)
		case keys.KindJobDone:
			id, err := keys.DecodeID(nil, rest[1:])
			must(t, err)
			x, err := record.DecodeJobExecution(tenant, id, it.Value())
			must(t, err)
			expected.job(&x, id)
		case keys.KindPostings:
			prefix, field, _, first, err := keys.ParsePostings(tenant, key)
			must(t, err)
			long := field == keys.FieldCode(runtime.FieldDuration)
			of, _, err := keys.CutText(key[len(keys.OfKind(tenant, keys.KindPostings))+1:])
			must(t, err)
			kind := key[len(keys.OfKind(tenant, keys.KindPostings))]
			b, err := readPostings(s.db, tenant, keys.Resource{Kind: kind, ID: of}, first, it.Value(), long)
			must(t, err)
			if b.len() > maxPostings || first.Start-b.at(b.len()-1).Start > postingsSpan {
				t.Fatalf("key %q has %d postings from %v to %v", key, b.len(), first, b.at(b.len()-1))
			}
			for i := range b.len() {
				at, ms := b.at(i).Position, uint32(0)
				if i > 0 && !at.Before(b.at(i-1).Position) {
					t.Fatalf("key %q: %v comes after %v", key, at, b.at(i-1))
				}
				if long {
					ms = b.at(i).ms
				}
				if leads(t, s, tenant, kind, at.ID) {
					one := name(prefix, at, ms)
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
					one.ms = 0
				}
				should[name(of.Prefix(), one.Position, one.ms)] = true
			}
		}
	}
	must(t, errors.Join(it.Error(), it.Close()))
	for one := range there {
		if !should[one] {
			t.Errorf("a posting is not of its execution: %s", one)
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

// leads tells whether there is an execution to which postings of a kind of
// resource may lead.
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

// ofPostings tells whether a key of the tenants' space is that of postings.
func ofPostings(t testing.TB, key []byte) bool {
	t.Helper()
	_, rest, err := keys.CutText(key[1:])
	must(t, err)
	return bytes.HasPrefix(rest, []byte{keys.KindPostings})
}
