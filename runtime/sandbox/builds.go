package sandbox

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/faaspot/faaspot/runtime"
)

// builds builds each missing image once for all runs that wait for it. A build lasts as long as a
// run waits for it: a run that is cancelled, or reaches its deadline, leaves, and the last one ends
// the build.
type builds struct {
	mu      sync.Mutex
	current map[buildKey]*build
}

// buildKey identifies builds that may be shared.
type buildKey struct {
	imageKey
	memory int64 // limit of the build's memory in bytes
}

// build is a build in progress.
type build struct {
	cancel  context.CancelFunc
	done    chan struct{} // closed when built is valid and nothing of the build is left
	built   built
	waiters int // guarded by the mutex of builds
}

// built is the result of a build.
type built struct {
	image   *image // nil if the program does not load, or the image was not kept
	outcome runtime.Outcome
	unkept  bool // the program loads, but there was no memory for its image
	err     error
}

// wait returns the result of the build with the key, and starts it with f if there is none. The
// caller must release the image. If ctx ends before, ok is false; the last caller that leaves
// returns only when its build has ended, because its reservation covers the build's memory.
func (b *builds) wait(ctx context.Context, key buildKey, f func(context.Context) built) (result built, ok bool) {
	x := b.join(ctx, key, f)
	select {
	case <-x.done:
		ok = true
	case <-ctx.Done():
	}
	if last := b.leave(key, x, ok, &result); last {
		<-x.done
		if x.built.image != nil {
			x.built.image.release()
		}
	}
	return result, ok
}

// join makes the caller a waiter of the build with the key.
func (b *builds) join(ctx context.Context, key buildKey, f func(context.Context) built) *build {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.current[key]
	if x == nil {
		x = &build{done: make(chan struct{})}
		ctx, x.cancel = context.WithCancel(context.WithoutCancel(ctx))
		if b.current == nil {
			b.current = make(map[buildKey]*build)
		}
		b.current[key] = x
		go b.run(ctx, key, x, f)
	}
	x.waiters++
	return x
}

// run makes a build.
func (b *builds) run(ctx context.Context, key buildKey, x *build, f func(context.Context) built) {
	defer func() {
		if r := recover(); r != nil {
			x.built = built{err: fmt.Errorf("building an image panicked: %v\n%s", r, debug.Stack())}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.remove(key, x)
		close(x.done)
	}()
	x.built = f(ctx)
}

// leave ends the caller's wait and gives it the result if it is done. It reports whether the caller
// was the last one; then it has ended the build.
func (b *builds) leave(key buildKey, x *build, done bool, result *built) (last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if done {
		*result = x.built
		if result.image != nil {
			result.image.retain()
		}
	}
	if x.waiters--; x.waiters > 0 {
		return false
	}
	b.remove(key, x) // nobody may join a build that ends
	x.cancel()
	return true
}

func (b *builds) remove(key buildKey, x *build) {
	if b.current[key] == x {
		delete(b.current, key)
	}
}
