package instrument

// tickRecursion chooses the functions that tick on entry, so that no cycle of direct calls is
// without a tick: the targets of all back edges in a depth-first search of the call graph. Calls
// inside of loops are not edges, because the path to them leads through a loop entry that ticks;
// nor are indirect calls, which tick themselves.
func tickRecursion(functions []function, imported int) {
	calls := make([][]int, len(functions))
	for i, f := range functions {
		for _, callee := range f.calls {
			if defined := int(callee) - imported; defined >= 0 && defined < len(functions) {
				calls[i] = append(calls[i], defined)
			}
		}
	}
	const (
		unseen = iota
		open
		done
	)
	state := make([]byte, len(calls))
	type frame struct{ function, next int }
	var path []frame
	for root := range calls {
		if state[root] != unseen {
			continue
		}
		state[root] = open
		path = append(path, frame{function: root})
		for len(path) > 0 {
			top := &path[len(path)-1]
			if top.next == len(calls[top.function]) {
				state[top.function] = done
				path = path[:len(path)-1]
				continue
			}
			callee := calls[top.function][top.next]
			top.next++
			switch state[callee] {
			case unseen:
				state[callee] = open
				path = append(path, frame{function: callee})
			case open:
				functions[callee].tickOnEntry = true
			}
		}
	}
}
