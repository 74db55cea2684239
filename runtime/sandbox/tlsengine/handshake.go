package tlsengine

// handshake is a handshake in progress. It has a goroutine, because crypto/tls cannot leave one in its
// middle: the goroutine computes while its caller waits, and waits while its caller does other things.
// (A coroutine of package iter could not be continued by callers of which some are locked to their
// thread.)
type handshake struct {
	resume chan bool     // true: there are bytes; false: end
	paused chan struct{} // the goroutine waits for bytes, or has ended
	ended  bool
	err    error
	crash  any // what crypto/tls has panicked with
}

// startHandshake returns a handshake that run performs, once step is called.
func startHandshake(run func() error) *handshake {
	h := &handshake{resume: make(chan bool), paused: make(chan struct{})}
	go func() {
		defer func() {
			h.crash = recover()
			h.ended = true
			h.paused <- struct{}{}
		}()
		if <-h.resume {
			h.err = run()
		}
	}()
	return h
}

// step lets the handshake compute until it lacks bytes or ends, and reports whether it has ended. A
// panic of the handshake is one of the caller.
func (h *handshake) step() bool {
	h.resume <- true
	h.wait()
	return h.ended
}

// stop ends the handshake.
func (h *handshake) stop() {
	if h.ended {
		return
	}
	h.resume <- false
	h.wait()
}

func (h *handshake) wait() {
	<-h.paused
	if h.crash != nil {
		panic(h.crash)
	}
}

// pause waits, on the goroutine of the handshake, until there are bytes. It returns false if the
// handshake must end.
func (h *handshake) pause() bool {
	h.paused <- struct{}{}
	return <-h.resume
}
