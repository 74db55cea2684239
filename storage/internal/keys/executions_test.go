package keys

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

var kindsOfExecutions = []byte{
	KindAccepted, KindArgs, KindLease, KindWaiting, KindWaitingLogs, KindUnfinishedByFunction,
	KindDone, KindResult, KindLogs, KindDoneByState, KindDoneByFunction, KindIdempotency,
}

func anID() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		at := time.UnixMilli(rapid.Int64Range(0, 1<<48-2).Draw(t, "ms"))
		return storetest.ID(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), at)
	})
}

func TestIDsSortAsTheirTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anID().Draw(t, "a"), anID().Draw(t, "b")
		idA, okA := ParseID(a)
		idB, okB := ParseID(strings.ToUpper(b))
		if !okA || !okB || idA.String() != a || idB.String() != b {
			t.Fatalf("%s and %s came back as %s and %s", a, b, idA, idB)
		}
		if idA.Before(idB) != (a < b) || idA.Before(idB) != (bytes.Compare(Execution('x', "t", idA), Execution('x', "t", idB)) < 0) {
			t.Fatalf("%s and %s sort in different ways", a, b)
		}
		at := storetest.TimeOf(a)
		if idA.Before(FirstIDAt(at)) || !idA.Before(FirstIDAt(at.Add(time.Millisecond))) {
			t.Fatalf("%s is not between the bounds of its time %v", a, at)
		}
		if !idA.Before(LastID) {
			t.Fatalf("%s is after the last id", a)
		}
	})
}

func TestTimesOutsideOfIDs(t *testing.T) {
	if id := FirstIDAt(time.Unix(-1, 0)); id != (ID{}) {
		t.Errorf("before 1970: %s", id)
	}
	if id := FirstIDAt(time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)); !strings.HasPrefix(id.String(), "ffffffff-ffff-") {
		t.Errorf("after all: %s", id)
	}
}

func TestInvalidIDs(t *testing.T) {
	good := storetest.ID(rand.New(rand.NewPCG(1, 1)), time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))
	if _, ok := ParseID(good); !ok {
		t.Fatalf("%s is refused", good)
	}
	for _, text := range append([]string{
		good + "0", good[:35], "{" + good + "}", "urn:uuid:" + good, strings.ReplaceAll(good, "-", ""),
		good[:14] + "4" + good[15:], good[:8] + "0" + good[9:], good[:35] + "g", good[:35] + "-", strings.Repeat("\x00", 36),
	}, storetest.HostileTexts...) {
		if id, ok := ParseID(text); ok {
			t.Errorf("%q is read as %s", text, id)
		}
	}
}

// No two records share a key, and the ranges that lists and Expire read hold only the records that
// they are meant for.
func TestExecutionKeysDoNotCollide(t *testing.T) {
	type record struct {
		kind     byte
		tenant   string
		function string
		state    byte
		id       string
		day      uint64
	}
	prefix := func(r record) []byte {
		tenant := runtime.Tenant(r.tenant)
		switch r.kind {
		case KindUnfinishedByFunction:
			return UnfinishedByFunction(tenant, r.function)
		case KindDoneByState:
			return DoneByState(tenant, r.state)
		case KindDoneByFunction:
			return DoneByFunction(tenant, r.function, r.state)
		case KindIdempotency:
			return IdempotencyDay(tenant, r.day)
		}
		return OfKind(tenant, r.kind)
	}
	key := func(r record) []byte {
		if r.kind == KindIdempotency {
			return Idempotency(runtime.Tenant(r.tenant), r.day, r.function)
		}
		id, _ := ParseID(r.id)
		return append(prefix(r), id[:]...)
	}
	draw := func(t *rapid.T, label string) record {
		r := record{kind: rapid.SampledFrom(kindsOfExecutions).Draw(t, label)}
		if r.kind != KindIdempotency {
			r.id = rapid.SampledFrom([]string{"01890000-0000-7000-8000-000000000001", "01890000-0000-7000-8000-000000000002"}).Draw(t, label+" id")
		}
		r.tenant = storetest.Text().Draw(t, label+" tenant")
		switch r.kind {
		case KindUnfinishedByFunction, KindDoneByFunction, KindIdempotency:
			r.function = storetest.Text().Draw(t, label+" function")
		}
		switch r.kind {
		case KindDoneByState, KindDoneByFunction:
			r.state = rapid.ByteRange(1, 4).Draw(t, label+" state")
		case KindIdempotency:
			r.day = rapid.Uint64Range(0, 2).Draw(t, label+" day")
		}
		return r
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		if same := bytes.Equal(key(a), key(b)); same != (a == b) {
			t.Fatalf("%+v has key %x, %+v has key %x", a, key(a), b, key(b))
		}
		alike := a
		alike.id = b.id
		if a.kind == KindIdempotency {
			alike.function = b.function
		}
		if bytes.HasPrefix(key(b), prefix(a)) != (alike == b) {
			t.Fatalf("prefix of %+v and key of %+v", a, b)
		}
		if a.kind != KindIdempotency {
			id, _ := ParseID(a.id)
			if got, err := DecodeID(prefix(a), key(a)); err != nil || got != id {
				t.Fatalf("%s came back as %s, %v", id, got, err)
			}
		}
		for _, functions := range [][]byte{FunctionNames(runtime.Tenant(a.tenant)), Versions(runtime.Tenant(a.tenant), "id")} {
			if bytes.HasPrefix(key(b), functions) {
				t.Fatalf("key of %+v is among those of functions", b)
			}
		}
	})
}
