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

// ErrClosed is the cause of errors of a store that is closed.
var ErrClosed = errors.New("it was closed before")

func closedError() error {
	err := runtime.Errorf(runtime.CodeUnavailable, "the store is closed")
	err.Err = ErrClosed
	return err
}

func noSuchID(id string) error {
	return runtime.Errorf(runtime.CodeNotFound, "there is no function with id %q", id)
}
