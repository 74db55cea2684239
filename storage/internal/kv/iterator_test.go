package kv

import (
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/storage/internal/keys"
)

func open(t *testing.T) *pebble.DB {
	t.Helper()
	db, err := pebble.Open("db", &pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func set(t *testing.T, db *pebble.DB, key []byte) {
	t.Helper()
	if err := db.Set(key, nil, pebble.NoSync); err != nil {
		t.Fatal(err)
	}
}

// An iterator returns the wanted ids of its prefix between its bounds, in both directions.
func TestIDIterator(t *testing.T) {
	db := open(t)
	for i := range byte(6) {
		set(t, db, keys.Execution(keys.KindDone, "t", keys.ID{15: i}))
		set(t, db, keys.Execution(keys.KindDone, "t\x00", keys.ID{14: 1, 15: i}))
	}
	for _, back := range []bool{false, true} {
		it := NewIDIterator(db, keys.OfKind("t", keys.KindDone), keys.ID{15: 1}, keys.ID{15: 5})
		it.Wanted = func(it *IDIterator) bool { return it.ID[15] != 3 }
		want := []byte{1, 2, 4}
		if it.First(); back {
			slices.Reverse(want)
			it.Last()
		}
		var got []byte
		for ; it.Valid; it.Next() {
			got = append(got, it.ID[15])
		}
		for id, want := range map[byte]byte{0: 1, 2: 2, 3: 4, 4: 4} {
			if it.Seek(keys.ID{15: id}); !it.Valid || it.ID[15] != want {
				t.Errorf("from %d on, it is at %v, %v", id, it.ID, it.Valid)
			}
		}
		if it.Seek(keys.ID{15: 5}); it.Valid {
			t.Errorf("behind its end it is at %v", it.ID)
		}
		if err := errors.Join(it.Err, it.Close()); err != nil || !slices.Equal(got, want) {
			t.Errorf("back %v: %v, %v, want %v", back, got, err, want)
		}
	}
}

// A key that does not end in an id is damage, and ends the iteration.
func TestIDIteratorRefusesDamagedKeys(t *testing.T) {
	db := open(t)
	set(t, db, append(keys.OfKind("t", keys.KindDone), "short"...))
	it := NewIDIterator(db, keys.OfKind("t", keys.KindDone), keys.ID{}, keys.LastID)
	it.First()
	if it.Valid || !errors.Is(it.Err, ErrDamaged) {
		t.Errorf("valid %v, %v, want damage", it.Valid, it.Err)
	}
	if err := it.Close(); err != nil {
		t.Error(err)
	}
}
