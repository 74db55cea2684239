package storage

import (
	"bytes"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// parsed is the parts of a key of a tenant.
type parsed struct {
	tenant runtime.Tenant
	kind   byte
	text   string
	number uint64
}

func parse(t testing.TB, key []byte) parsed {
	t.Helper()
	tenant, rest, err := keys.CutText(key[1:])
	must(t, err)
	p := parsed{tenant: runtime.Tenant(tenant), kind: rest[0]}
	p.text, rest, err = keys.CutText(rest[1:])
	must(t, err)
	if len(rest) > 0 {
		p.number, err = keys.DecodeNumber(nil, rest)
		must(t, err)
	}
	return p
}

func countKeys(t testing.TB, s *Store) int {
	t.Helper()
	it, err := s.db.NewIter(nil)
	must(t, err)
	defer it.Close()
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if !bytes.Equal(it.Key(), keys.Applied()) { // only replicas have it
			n++
		}
	}
	return n
}

// checkInvariants reads every record and checks the invariants of doc.go: no record is missing, and
// no record is left that nothing leads to.
func checkInvariants(t testing.TB, s *Store) {
	t.Helper()
	checkExecutionInvariants(t, s)
	checkJobInvariants(t, s)
	checkPostings(t, s)
	checkKept(t, s)
	checkBundles(t, s)
	it, err := s.db.NewIter(nil)
	must(t, err)
	defer func() { must(t, it.Close()) }()
	records := map[parsed][]byte{}
	for ok := it.First(); ok; ok = it.Next() {
		if it.Key()[0] == keys.SpaceTenants && !ofExecution(t, it.Key()) && !ofPostings(t, it.Key()) && !ofJob(t, it.Key()) && !ofKept(t, it.Key()) && !ofBundle(t, it.Key()) {
			value, err := kv.Open(s.db, it.Key(), it.Value())
			must(t, err)
			records[parse(t, it.Key())] = bytes.Clone(value)
		}
	}
	must(t, it.Error())
	count := map[parsed]int{}
	for key, value := range records {
		switch key.kind {
		case keys.KindFunctionName:
			id, err := record.DecodeRaw(value)
			must(t, err)
			f, err := record.DecodeFunction(key.tenant, string(id), records[parsed{key.tenant, keys.KindFunction, string(id), 0}])
			if err != nil || f.Name != key.text {
				t.Fatalf("name %q of tenant %q leads to %q: %+v, %v", key.text, key.tenant, id, f, err)
			}
		case keys.KindFunction:
			f, err := record.DecodeFunction(key.tenant, key.text, value)
			must(t, err)
			id, err := record.DecodeRaw(records[parsed{key.tenant, keys.KindFunctionName, f.Name, 0}])
			if err != nil || string(id) != key.text {
				t.Fatalf("function %+v is not found by its name, which leads to %q, %v", f, id, err)
			}
			if _, ok := records[parsed{key.tenant, keys.KindVersion, key.text, f.Version}]; !ok {
				t.Fatalf("function %+v has no current version", f)
			}
		case keys.KindVersion:
			r, err := record.DecodeVersion(value)
			must(t, err)
			f, err := record.DecodeFunction(key.tenant, key.text, records[parsed{key.tenant, keys.KindFunction, key.text, 0}])
			if err != nil || key.number > f.Version || key.number+runtime.KeptVersions <= f.Version {
				t.Fatalf("version %d of function %+v should not exist, %v", key.number, f, err)
			}
			source, err := record.DecodeRaw(records[parsed{key.tenant, keys.KindSource, key.text, key.number}])
			if err != nil || len(source) != r.Source || r.Source == 0 {
				t.Fatalf("version %d of function %+v has a source of %d bytes, not %d, %v", key.number, f, len(source), r.Source, err)
			}
			fnContext, there := records[parsed{key.tenant, keys.KindContext, key.text, key.number}]
			if there != (r.Context > 0) || there && len(fnContext)-1 != r.Context {
				t.Fatalf("version %d of function %+v has a context of %d bytes, not %d", key.number, f, len(fnContext)-1, r.Context)
			}
		case keys.KindSource, keys.KindContext:
			if _, ok := records[parsed{key.tenant, keys.KindVersion, key.text, key.number}]; !ok {
				t.Fatalf("record %+v belongs to no version", key)
			}
		default:
			t.Fatalf("unknown kind of record: %+v", key)
		}
		count[parsed{key.tenant, key.kind, "", 0}]++
	}
	for key, n := range count {
		if key.kind == keys.KindFunctionName && n != count[parsed{key.tenant, keys.KindFunction, "", 0}] {
			t.Fatalf("tenant %q has %d names for %d functions", key.tenant, n, count[parsed{key.tenant, keys.KindFunction, "", 0}])
		}
	}
}
