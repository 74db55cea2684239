package storage

import (
	"errors"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
)

// GetExecution returns an execution with its result, without its logs.
func (s *Store) GetExecution(tenant runtime.Tenant, text string) (x runtime.Execution, err error) {
	err = s.durably(func(r kv.Reader) error {
		x, err = readExecution(r, tenant, text, true)
		return orNoExecution(err, text)
	})
	return x, fault("storage.execution", err)
}

// GetExecutions returns executions in the order of ids, nil for ids without an execution. It leaves
// out logs, and results larger than runtime.ListedResult.
func (s *Store) GetExecutions(tenant runtime.Tenant, ids []string) (all []*runtime.Execution, err error) {
	all = make([]*runtime.Execution, len(ids))
	err = s.durably(func(r kv.Reader) error {
		for i, text := range ids {
			x, err := readExecution(r, tenant, text, false)
			switch {
			case err == nil:
				all[i] = &x
			case !errors.Is(err, kv.ErrAbsent):
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fault("storage.executions", err)
	}
	return all, nil
}

// GetArgs returns the args of an execution, nil if it is done and they were not kept; see
// runtime.ExecutionQueue.
func (s *Store) GetArgs(tenant runtime.Tenant, text string) (args []byte, err error) {
	err = s.snapshot(func(r kv.Reader) error {
		id, ok := keys.ParseID(text)
		if !ok {
			return noExecution(text)
		}
		accepted, err := kv.Get(r, keys.Execution(keys.KindAccepted, tenant, id), record.DecodeAccepted)
		if errors.Is(err, kv.ErrAbsent) {
			args, err = readKeptArgs(r, tenant, id)
			return orNoExecution(err, text)
		}
		if err == nil {
			args, err = inlineOrStored(r, keys.Execution(keys.KindArgs, tenant, id), accepted.ArgsSize, accepted.InlineArgs)
		}
		return err
	})
	return args, fault("storage.args", err)
}

// readKeptArgs returns the args of an execution that is done, nil if they were not kept. It fails with
// kv.ErrAbsent if there is no such execution.
func readKeptArgs(r kv.Reader, tenant runtime.Tenant, id keys.ID) ([]byte, error) {
	done, err := readDoneRecord(r, tenant, id)
	if err != nil || !done.KeepsArgs() {
		return nil, err
	}
	return inlineOrStored(r, keys.Execution(keys.KindArgs, tenant, id), uint64(done.ArgsSize), done.InlineArgs)
}

// GetLogs returns a page of the logs of an execution's latest attempt, and the execution as it was
// at the same moment; see runtime.ExecutionHistory.
func (s *Store) GetLogs(tenant runtime.Tenant, text string, from runtime.LogPosition) (x runtime.Execution, p runtime.LogPage, err error) {
	err = s.durably(func(r kv.Reader) error {
		id, ok := keys.ParseID(text)
		if !ok {
			return noExecution(text)
		}
		x, p, err = readLogs(r, tenant, id, from)
		return orNoExecution(err, text)
	})
	if err != nil {
		return runtime.Execution{}, runtime.LogPage{}, fault("storage.logs", err)
	}
	p.State = x.State
	return x, p, nil
}

// readLogs fails with kv.ErrAbsent if there is no such execution.
func readLogs(r kv.Reader, tenant runtime.Tenant, id keys.ID, from runtime.LogPosition) (x runtime.Execution, p runtime.LogPage, err error) {
	page := func(value []byte) (runtime.LogPage, error) { return record.DecodeLogPage(value, x.Attempt, from) }
	of := executionRef{tenant, id}
	done, err := readDoneRecord(r, tenant, id)
	if errors.Is(err, kv.ErrAbsent) {
		u, err := readUnfinished(r, tenant, id)
		if err != nil {
			return x, p, err
		}
		x = u.execution(tenant, id)
		if u.Waiting == nil {
			p, err = page(nil)
			return x, p, err
		}
		p, err = readLogsRecord(r, of, keys.KindWaitingLogs, u.Waiting.LogsSize, page)
		return x, p, err
	}
	if err != nil {
		return x, p, err
	}
	x = done.Execution
	x.Result = nil
	if done.LogsBytes <= record.InlineSize {
		p, err = page(done.InlineLogs)
	} else {
		p, err = readLogsRecord(r, of, keys.KindLogs, done.LogsBytes, page)
	}
	return x, p, err
}

// waitingLogs returns the logs of the previous attempt, if the execution waits for its next one.
func waitingLogs(r kv.Reader, of executionRef, waiting *record.Waiting) (runtime.Logs, error) {
	if waiting == nil || waiting.LogsSize == 0 {
		return runtime.Logs{}, nil
	}
	return readLogsRecord(r, of, keys.KindWaitingLogs, waiting.LogsSize, record.DecodeLogs)
}

// readLogsRecord decodes the record of an execution's logs, which has a size; without one, if the
// size is zero.
func readLogsRecord[T any](r kv.Reader, of executionRef, kind byte, size uint64, decode func([]byte) (T, error)) (T, error) {
	if size == 0 {
		return decode(nil)
	}
	logs, err := kv.Get(r, keys.Execution(kind, of.tenant, of.id), func(value []byte) (none T, err error) {
		if uint64(len(value)) != size {
			return none, kv.Damaged("execution %s has logs of %d bytes instead of %d", of.id, len(value), size)
		}
		return decode(value)
	})
	if errors.Is(err, kv.ErrAbsent) {
		err = kv.Damaged("execution %s has no logs", of.id)
	}
	return logs, err
}

// readExecution fails with kv.ErrAbsent if there is no such execution.
func readExecution(r kv.Reader, tenant runtime.Tenant, text string, whole bool) (runtime.Execution, error) {
	id, ok := keys.ParseID(text)
	if !ok {
		return runtime.Execution{}, kv.ErrAbsent
	}
	x, err := readDone(r, tenant, id, whole)
	if !errors.Is(err, kv.ErrAbsent) {
		return x, err
	}
	u, err := readUnfinished(r, tenant, id)
	if err != nil {
		return runtime.Execution{}, err
	}
	return u.execution(tenant, id), nil
}

// readDone reads an execution that is done. Unless whole is set, it leaves out a result that has a
// record of its own.
func readDone(r kv.Reader, tenant runtime.Tenant, id keys.ID, whole bool) (runtime.Execution, error) {
	done, err := readDoneRecord(r, tenant, id)
	if err != nil {
		return runtime.Execution{}, err
	}
	if whole {
		done.Result, err = inlineOrStored(r, keys.Execution(keys.KindResult, tenant, id), done.ResultBytes, done.InlineResult)
	}
	return done.Execution, err
}

func readDoneRecord(r kv.Reader, tenant runtime.Tenant, id keys.ID) (record.Done, error) {
	return kv.Get(r, keys.Execution(keys.KindDone, tenant, id), func(value []byte) (record.Done, error) {
		return record.DecodeDone(tenant, id, value)
	})
}

// inlineOrStored returns the inline data, or reads the record that setPacked has written for data
// larger than record.InlineSize.
func inlineOrStored(r kv.Reader, key []byte, size uint64, inline []byte) ([]byte, error) {
	if size <= record.InlineSize {
		return inline, nil
	}
	data, err := kv.Get(r, key, func(value []byte) ([]byte, error) { return record.Unpack(value, size) })
	if err != nil {
		return nil, kv.Damaged("key %x: %v", key, err)
	}
	return data, nil
}
