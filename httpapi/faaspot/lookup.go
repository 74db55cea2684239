package faaspot

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// shortMessage bounds the message of a failure without a traceback, in bytes.
const shortMessage = 256

// turnsPatience is how long a request waits for all turns of its outputs before it leaves out the large ones.
const turnsPatience = 10 * time.Second

// lookup renders many executions. It reads them in steps, each id once, and has the memory of a step
// and of the answer before it uses it.
type lookup struct {
	*api
	tenant   runtime.Tenant
	who      *runtime.Identity
	held     *web.Memory
	base     string        // of URLs
	size     int64         // bytes reserved for the ids and the small parts of the answer
	step     int           // ids of one step
	left     int           // bytes of outputs and failures that the answer may still have
	waited   time.Duration // for turns
	late     bool          // it has waited for too long
	times    map[string]int
	again    map[string]rendered // the executions of ids that occur more than once, once they were read
	response []byte
}

// rendered is an execution in the response.
type rendered struct {
	from, to int                // in the response
	short    *runtime.Execution // with a short failure and no large output; nil if the id is unknown
}

func newLookup(a *api, ctx *fasthttp.RequestCtx, tenant runtime.Tenant, ids []string) *lookup {
	l := &lookup{
		api: a, tenant: tenant, who: web.Identity(ctx), held: web.MemoryOf(ctx), base: a.URL(ctx), size: int64(len(ids)) * renderedBytes,
		times: make(map[string]int), again: make(map[string]rendered),
	}
	largest := l.held.LargestAnswer(math.MaxInt)
	l.step = max(1, l.held.StepBytes()/web.ListedBytes)
	// The answer is in memory up to three times while it grows and a result is added.
	l.left = min(maxOutputs, max(largest-2*int(l.size)-l.step*web.ListedBytes, 0)/3)
	return l
}

// run appends the executions of ids to the response, which it begins.
func (l *lookup) run(ids []string) error {
	if len(ids) > runtime.MaxBulk {
		_, err := l.engine().GetExecutions(l.Context(), l.tenant, ids)
		return err
	}
	if err := l.held.Reserve(l.Context(), l.size); err != nil {
		return err
	}
	for _, id := range ids {
		l.times[id]++
	}
	l.response = append(make([]byte, 0, len(ids)*renderedBytes/2+1), '[')
	for done := 0; done < len(ids); {
		unread, end := l.next(ids, done)
		var found []*runtime.Execution
		if len(unread) > 0 {
			if err := l.reserve(len(unread) * web.ListedBytes); err != nil {
				return err
			}
			var err error
			if found, err = l.engine().GetExecutions(l.Context(), l.tenant, unread); err != nil {
				return err
			}
		}
		for ; done < end; done++ {
			if done > 0 {
				l.response = append(l.response, ',')
			}
			id := ids[done]
			if first, again := l.again[id]; again {
				if err := l.repeat(id, first); err != nil {
					return err
				}
				continue
			}
			x := found[0]
			found = found[1:]
			if x != nil && !l.who.Sees(x) {
				x = nil
			}
			from := len(l.response)
			if err := l.add(id, x, true); err != nil {
				return err
			}
			if l.times[id] > 1 {
				l.again[id] = rendered{from, len(l.response), shortened(x)}
			}
		}
	}
	return nil
}

// next returns the ids of the next step that were not read, and where the step ends.
func (l *lookup) next(ids []string, from int) (unread []string, end int) {
	asked := make(map[string]bool, l.step)
	for end = from; end < len(ids) && len(unread) < l.step; end++ {
		id := ids[end]
		if _, read := l.again[id]; read || asked[id] {
			continue
		}
		asked[id] = true
		unread = append(unread, id)
	}
	return unread, end
}

// repeat appends an execution that is in the response already: as it is there, if there is room.
func (l *lookup) repeat(id string, first rendered) error {
	n := first.to - first.from
	if n > renderedBytes {
		if n > l.left {
			return l.add(id, first.short, false)
		}
		l.left -= n
	}
	return l.write(l.response[first.from:first.to])
}

// add appends an execution, with its output if whole is true. x is nil for an unknown id.
func (l *lookup) add(id string, x *runtime.Execution, whole bool) error {
	if x == nil {
		text, err := web.EncodeJSON(renderAbsent(id))
		if err != nil {
			return runtime.Internal("httpapi.encode", err)
		}
		return l.write(text)
	}
	if whole && x.ResultSize > len(x.Result) && x.ResultSize <= l.left {
		if added, err := l.addWhole(x); added || err != nil {
			return err
		}
	}
	return l.append(x)
}

// addWhole appends an execution with its large output. It appends nothing if the request has waited too long for its
// turns: then no output that needs one follows.
func (l *lookup) addWhole(x *runtime.Execution) (added bool, err error) {
	if l.late && x.ResultSize >= largeRead {
		return false, nil
	}
	head, err := encodeHead(l.base, x)
	if err != nil {
		return false, err
	}
	// The response has room before the turn: making it copies the response, and may wait.
	if err := l.grow(len(head) + x.ResultSize); err != nil {
		return false, err
	}
	asked := time.Now()
	err = l.inTurn(l.tenant, l.held, x.ResultSize, l.bytes(x.ResultSize), func() error {
		l.waited += time.Since(asked)
		added = true
		// If it has expired since, the answer has it without its output.
		if whole, err := l.engine().GetExecution(l.Context(), l.tenant, x.ID); err == nil {
			x = &whole
		}
		return l.append(x)
	})
	if !added && runtime.CodeOf(err) == runtime.CodeTooBusy {
		l.late = true
		return false, nil
	}
	l.late = l.late || l.waited >= turnsPatience
	return added, err
}

// append appends an execution as it is, with a shorter failure if there is no room.
func (l *lookup) append(x *runtime.Execution) error {
	head, err := encodeHead(l.base, x)
	if err != nil {
		return err
	}
	if x.Failure != nil && len(head) > renderedBytes {
		if len(head) > l.left {
			x = shortened(x)
			if head, err = encodeHead(l.base, x); err != nil {
				return err
			}
		} else {
			l.left -= len(head)
		}
	}
	l.left -= len(x.Result)
	if err := l.grow(headSize(head, x)); err != nil {
		return err
	}
	l.response = appendHead(l.response, head, x)
	return nil
}

// write appends text to the response.
func (l *lookup) write(text []byte) error {
	if err := l.grow(len(text)); err != nil {
		return err
	}
	l.response = append(l.response, text...)
	return nil
}

// grow makes room for n more bytes in the response, and for the characters around them.
func (l *lookup) grow(n int) error {
	if need := len(l.response) + n + 2; need > cap(l.response) {
		larger := max(need, cap(l.response)+cap(l.response)/4)
		if err := l.reserve(larger + n); err != nil {
			return err
		}
		l.response = append(make([]byte, 0, larger), l.response...)
	}
	return nil
}

// reserve takes the memory for n more bytes beside the response.
func (l *lookup) reserve(n int) error {
	return l.held.Reserve(l.Context(), l.bytes(n))
}

// bytes returns the memory of the request with n more bytes beside the response.
func (l *lookup) bytes(n int) int64 { return l.size + int64(cap(l.response)) + int64(n) }

// shortened returns x without its traceback, and with the beginning of the failure's message.
func shortened(x *runtime.Execution) *runtime.Execution {
	if x == nil || x.Failure == nil {
		return x
	}
	short, f := *x, *x.Failure
	f.Traceback = ""
	if n := shortMessage; len(f.Message) > n {
		for ; n > 0 && !utf8.RuneStart(f.Message[n]); n-- {
		}
		f.Message = strings.Clone(f.Message[:n]) + "..."
	}
	short.Failure = &f
	return &short
}
