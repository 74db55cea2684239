package server

import (
	"sync"

	"github.com/faaspot/faaspot/runtime"
)

// keptBytes bounds the runs that are kept between two lives, in bytes.
const keptBytes = 16 * runtime.MiB

// keptRuns are runs that have ended on a node, and that its life could not record before that has ended. The next life records them.
type keptRuns struct {
	mu    sync.Mutex
	runs  []runtime.Execution
	bytes int64
}

// add keeps runs, and reports whether there is room for all of them.
func (k *keptRuns) add(runs []runtime.Execution) bool {
	var bytes int64
	for i := range runs {
		bytes += runs[i].Weight()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bytes+bytes > keptBytes {
		return false
	}
	k.runs, k.bytes = append(k.runs, runs...), k.bytes+bytes
	return true
}

// take removes all runs, and returns them.
func (k *keptRuns) take() []runtime.Execution {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := k.runs
	k.runs, k.bytes = nil, 0
	return all
}

// keep keeps runs that have ended for the next life, if this one cannot record them any more: another node owns the data, and the process
// goes on.
func (l *life) keep(runs []runtime.Execution) bool {
	if l.node.stopping.Err() != nil || !l.Follows() && l.store.Problem() == nil {
		return false
	}
	return l.node.kept.add(runs)
}
