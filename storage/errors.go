package storage

import (
	"errors"

	"github.com/faaspot/faaspot/runtime"
)

// fault adds the operation to an error for callers, unless it has one. It turns all other errors
// into internal ones.
func fault(op string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		if e.Op != "" {
			return err
		}
		named := *e
		named.Op = op
		return &named
	}
	return runtime.Internal(op, err)
}

func closedError() error { return runtime.Errorf(runtime.CodeUnavailable, "the store is closed") }

func noSuchID(id string) error {
	return runtime.Errorf(runtime.CodeNotFound, "there is no function with id %q", id)
}
