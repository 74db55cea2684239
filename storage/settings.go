package storage

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// Setting returns a setting of the server, or a CodeNotFound error if it was never stored.
func (s *Store) Setting(name string) ([]byte, error) {
	const op = "storage.setting"
	if err := s.enter(); err != nil {
		return nil, fault(op, err)
	}
	defer s.life.RUnlock()
	value, err := kv.Get(s.db, keys.Setting(name), record.DecodeRaw)
	if errors.Is(err, kv.ErrAbsent) {
		err = runtime.Errorf(runtime.CodeNotFound, "there is no setting %q", name)
	}
	return value, fault(op, err)
}

// PutSetting stores a setting of the server. It is durable when the call returns nil.
func (s *Store) PutSetting(name string, value []byte) error {
	const op = "storage.put_setting"
	if err := s.enter(); err != nil {
		return fault(op, err)
	}
	defer s.life.RUnlock()
	return fault(op, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error {
		return b.Set(keys.Setting(name), record.EncodeRaw(value), nil)
	}))
}
