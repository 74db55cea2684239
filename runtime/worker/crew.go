package worker

import "sync"

// crew runs functions on goroutines that it keeps: their stacks have grown already. The zero value
// works.
type crew struct {
	mu     sync.Mutex
	idle   []chan func()
	closed bool
	all    sync.WaitGroup
}

// maxIdle is the number of goroutines that a crew keeps.
const maxIdle = 64

// do calls f on another goroutine.
func (c *crew) do(f func()) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		next := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		next <- f
		return
	}
	c.all.Add(1)
	c.mu.Unlock()
	go c.work(f)
}

func (c *crew) work(f func()) {
	defer c.all.Done()
	jobs := make(chan func(), 1)
	for ok := true; ok; f, ok = <-jobs {
		f()
		c.mu.Lock()
		if c.closed || len(c.idle) >= maxIdle {
			c.mu.Unlock()
			return
		}
		c.idle = append(c.idle, jobs)
		c.mu.Unlock()
	}
}

// close ends the goroutines that are idle, and waits for the others.
func (c *crew) close() {
	c.mu.Lock()
	c.closed = true
	for _, jobs := range c.idle {
		close(jobs)
	}
	c.idle = nil
	c.mu.Unlock()
	c.all.Wait()
}
