package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Attack is one hostile load.
type Attack struct {
	Name string
	// Run puts the load on the server until ctx ends. It returns an error only if the server does
	// something else than answer, refuse or disconnect.
	Run func(ctx context.Context, t Target) error
}

// All returns all attacks.
func All() []Attack {
	return []Attack{
		{"images of 200 MB in five functions", largeImages},
		{"deep native stacks that sleep", deepStacks},
		{"runs that fill /tmp and sleep", fullTmp},
		{"queued runs with args of 6 MiB", queuedArgs},
		{"bulk bodies of 64 MiB without their last byte", endlessBodies},
		{"a bulk body of a million empty objects", manyObjects},
		{"results of 6 MB that nobody reads", unreadResults},
		{"background runs with results of 6 MB", largeResults},
		{"logs that alternate between streams, unread and followed", alternatingLogs},
		{"contexts that nest deeply", nestedContexts},
		{"silent connections", silentConnections},
		{"long polls that hang up", longPolls},
	}
}

// repeat calls f in n goroutines again and again until ctx ends, and ignores refusals.
func repeat(ctx context.Context, n int, f func(worker int) error) error {
	var all sync.WaitGroup
	for worker := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				if f(worker) != nil {
					pause(ctx, 50*time.Millisecond)
				}
			}
		})
	}
	all.Wait()
	return nil
}

func largeImages(ctx context.Context, t Target) error {
	const mb = 200
	code := fmt.Sprintf("X = bytearray(b'\\x5a') * (%d << 20)\ndef main(args, context):\n    return len(X)\n", mb)
	for i := range 5 {
		if err := t.deploy(ctx, function{fmt.Sprint("image", i), code, mb + 80, 60}); err != nil {
			return busy(ctx, err)
		}
	}
	return repeat(ctx, 2, func(worker int) error {
		for i := range 5 {
			if _, err := t.run(ctx, fmt.Sprint("image", (i+worker)%5), "{}"); err != nil {
				return err
			}
		}
		return nil
	})
}

func deepStacks(ctx context.Context, t Target) error {
	const code = `import itertools, time
def main(args, context):
    def wait(x):
        time.sleep(2)
        return x
    it = map(wait, [1])
    for _ in range(400000):
        it = itertools.cycle(it)
    return next(it)
`
	if err := t.deploy(ctx, function{"deep", code, 64, 30}); err != nil {
		return busy(ctx, err)
	}
	return repeat(ctx, 4, func(int) error {
		_, err := t.run(ctx, "deep", "{}")
		return err
	})
}

func fullTmp(ctx context.Context, t Target) error {
	const code = `import time
def main(args, context):
    try:
        with open('/tmp/x', 'wb', buffering=0) as f:
            for _ in range(64):
                f.write(b'z' * (1 << 20))
    except OSError:
        pass
    time.sleep(2)
`
	if err := t.deploy(ctx, function{"tmp", code, 64, 30}); err != nil {
		return busy(ctx, err)
	}
	return repeat(ctx, 8, func(int) error {
		_, err := t.run(ctx, "tmp", "{}")
		return err
	})
}

func queuedArgs(ctx context.Context, t Target) error {
	const code = "import time\ndef main(args, context):\n    time.sleep(3)\n"
	if err := t.deploy(ctx, function{"sleep", code, 64, 30}); err != nil {
		return busy(ctx, err)
	}
	body := []byte(`{"a":"` + strings.Repeat("x", 6<<20-16) + `"}`)
	t.hold(ctx, 60, t.head("POST", runPath("sleep"), len(body)), body)
	return nil
}

func endlessBodies(ctx context.Context, t Target) error {
	if err := t.deploy(ctx, function{"bulk", "def main(args, context):\n    pass\n", 64, 30}); err != nil {
		return busy(ctx, err)
	}
	const size = 64 << 20
	body := append([]byte("["), bytes.Repeat([]byte(" "), size-2)...)
	t.hold(ctx, 8, t.head("POST", "/v1/functions/bulk/bulk_rpc/", size), body)
	return nil
}

func manyObjects(ctx context.Context, t Target) error {
	if err := t.deploy(ctx, function{"objects", "def main(args, context):\n    pass\n", 64, 30}); err != nil {
		return busy(ctx, err)
	}
	body := "[" + strings.Repeat("{},", 20<<20) + "{}]"
	return repeat(ctx, 2, func(int) error {
		_, _, err := t.do(ctx, "POST", "/v1/functions/objects/bulk_rpc/", body)
		pause(ctx, 500*time.Millisecond)
		return err
	})
}

const largeResultCode = `import base64, os
def main(args, context):
    return base64.b64encode(os.urandom(4600000)).decode()
`

func unreadResults(ctx context.Context, t Target) error {
	if err := t.deploy(ctx, function{"result", largeResultCode, 64, 60}); err != nil {
		return busy(ctx, err)
	}
	id, err := t.run(ctx, "result", "{}")
	if err != nil {
		return busy(ctx, err)
	}
	var both sync.WaitGroup
	both.Go(func() { t.hold(ctx, 60, t.head("GET", "/v1/executions/"+id, 0)) })
	ids, err := json.Marshal(slices.Repeat([]string{id}, 50))
	if err != nil {
		return err
	}
	both.Go(func() { t.hold(ctx, 10, t.head("POST", "/v1/executions/bulk/", len(ids)), ids) })
	both.Wait()
	return nil
}

func largeResults(ctx context.Context, t Target) error {
	if err := t.deploy(ctx, function{"results", largeResultCode, 64, 60}); err != nil {
		return busy(ctx, err)
	}
	return repeat(ctx, 1, func(int) error {
		_, _, err := t.do(ctx, "POST", "/v1/functions/results/bulk_rpc/", "["+strings.Repeat("{},", 9)+"{}]")
		pause(ctx, 2*time.Second)
		return err
	})
}

func alternatingLogs(ctx context.Context, t Target) error {
	const code = `import os
def main(args, context):
    write = os.write
    for _ in range(300000):
        write(1, b'x')
        write(2, b'y')
`
	if err := t.deploy(ctx, function{"logs", code, 64, 60}); err != nil {
		return busy(ctx, err)
	}
	id, err := t.run(ctx, "logs", "{}")
	if err != nil {
		return busy(ctx, err)
	}
	var all sync.WaitGroup
	for path, n := range map[string]int{"": 10, "?stream=stdout": 10, "?follow=1": 100} {
		all.Go(func() { t.hold(ctx, n, t.head("GET", "/v1/executions/"+id+"/logs"+path, 0)) })
	}
	all.Wait()
	return nil
}

func nestedContexts(ctx context.Context, t Target) error {
	texts := []string{
		`a=["""x"""", ` + strings.Repeat("[", 60_000) + strings.Repeat("]", 60_000) + "]",
		`a=["""x"""", {` + strings.Repeat("a.", 60_000) + "a=1}]",
		strings.Repeat("a.", 60_000) + "a = 1",
		"a = 1\n" + strings.Repeat("[[b]]\n", 40_000),
	}
	return repeat(ctx, 2, func(worker int) error {
		for _, text := range texts {
			f := map[string]any{"name": fmt.Sprint("context", worker), "code": "def main(args, context):\n    pass\n", "context": text}
			if _, _, err := t.do(ctx, "PUT", "/v1/functions/", f); ctx.Err() != nil {
				return err
			}
		}
		return nil
	})
}

func silentConnections(ctx context.Context, t Target) error {
	t.hold(ctx, 2000)
	return nil
}

func longPolls(ctx context.Context, t Target) error {
	const code = "import time\ndef main(args, context):\n    time.sleep(20)\n"
	if err := t.deploy(ctx, function{"poll", code, 64, 30}); err != nil {
		return busy(ctx, err)
	}
	_, text, err := t.patient(ctx, "POST", "/v1/functions/poll/rpc/", "{}")
	var id string
	if err == nil {
		err = json.Unmarshal(text, &id)
	}
	if err != nil {
		return busy(ctx, err)
	}
	poll := t.head("GET", "/v1/executions/"+id+"?wait=60", 0)
	return repeat(ctx, 200, func(int) error {
		conn, err := t.connect(ctx)
		if err != nil {
			return err
		}
		_, err = conn.Write(poll)
		pause(ctx, time.Second)
		return errors.Join(err, conn.Close())
	})
}

// busy returns nil if the end of ctx explains an error.
func busy(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
