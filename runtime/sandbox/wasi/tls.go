package wasi

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox/tlsengine"
)

// The operations of tls_call.
const (
	tlsOpen = 1 + iota
	tlsHandshake
	tlsRead
	tlsWrite
	tlsShutdown
	tlsFeed
	tlsFeedEOF
	tlsDrain
	tlsInfo
	tlsPending
	tlsError
	tlsClose
	tlsRoots
	tlsDecode
	tlsPair
	tlsCiphers
)

// Results of tls_call beside those of tlsengine.Status.
const (
	tlsTimeout tlsengine.Status = 5
	tlsSystem  tlsengine.Status = 6
	// tlsOutput is added if there is output to drain.
	tlsOutput tlsengine.Status = 0x100
)

// Trust keeps the trust anchors of a tenant.
type Trust interface {
	// Default returns the roots of the machine.
	Default() *tlsengine.Roots
	// Find returns a set by its sum, or nil if there is none.
	Find(sum string) *tlsengine.Roots
	// Keep keeps a set, and reports whether it is small enough.
	Keep(r *tlsengine.Roots) bool
}

// tlsConn is an engine of a run.
type tlsConn struct {
	handle  int32
	engine  *tlsengine.Engine
	socket  *socket // nil: the engine is in memory
	name    string  // of the server that a client asks for
	checked bool    // the network allows the name
	charged int64
}

// tlsState are the engines of a run.
type tlsState struct {
	conns    []*tlsConn
	sessions *tlsengine.Sessions
	charged  int64              // for the sessions
	failure  *tlsengine.Failure // of the latest call without a handle
}

// tlsCall are the arguments of a call.
type tlsCall struct {
	handle  int32
	op      uint32
	in, out iovec
	timeout int64 // milliseconds; negative: none
}

// tlsResult is what a call writes.
type tlsResult struct {
	status tlsengine.Status
	n      uint32
}

func tlsCallFunction(s *System, g guest, p []uint64) errno {
	c := tlsCall{
		handle: int32(p[0]), op: uint32(p[1]), timeout: int64(p[6]),
		in: iovec{uint32(p[2]), uint32(p[3])}, out: iovec{uint32(p[4]), uint32(p[5])},
	}
	result := uint32(p[7])
	if !hasSockets {
		return eNOSYS
	}
	if !g.writable(result, 8) || !g.writable(c.in.at, c.in.length) || !g.writable(c.out.at, c.out.length) || max(c.in.length, c.out.length) > math.MaxInt32 {
		return eFAULT
	}
	r, err := s.tlsDo(g, c)
	if err != success {
		return err
	}
	b, _ := g.Read(result, 8)
	binary.LittleEndian.PutUint32(b, uint32(r.status))
	binary.LittleEndian.PutUint32(b[4:], r.n)
	return success
}

// tlsDo performs an operation.
func (s *System) tlsDo(g guest, c tlsCall) (tlsResult, errno) {
	switch c.op {
	case tlsOpen:
		return s.tlsNew(g, c)
	case tlsRoots, tlsDecode, tlsPair, tlsCiphers:
		return s.tlsWithout(g, c)
	case tlsClose:
		if t := s.tlsFind(c.handle); t != nil {
			s.tlsDrop(t)
		}
		return tlsResult{}, success
	case tlsError:
		f := s.tls.failure
		if c.handle != 0 {
			t := s.tlsFind(c.handle)
			if t == nil {
				return tlsResult{}, eBADF
			}
			f = t.engine.Failure()
		}
		return tlsWriteJSON(g, c, f)
	}
	if c.op < tlsHandshake || c.op > tlsPending {
		return tlsResult{}, eINVAL
	}
	t := s.tlsFind(c.handle)
	if t == nil {
		return tlsResult{}, eBADF
	}
	r, err := s.tlsOf(g, c, t)
	s.tlsChargeSessions()
	if err == success && !s.tlsCharge(t) {
		s.tlsDrop(t)
		return tlsResult{}, eNOBUFS
	}
	return r, err
}

// tlsOf performs an operation of an engine.
func (s *System) tlsOf(g guest, c tlsCall, t *tlsConn) (r tlsResult, err errno) {
	e := t.engine
	switch c.op {
	case tlsInfo:
		return tlsWriteJSON(g, c, e.Info())
	case tlsPending:
		return tlsResult{n: uint32(e.Pending())}, success
	case tlsFeed, tlsFeedEOF, tlsDrain:
		if t.socket != nil {
			return r, eINVAL
		}
		if err := s.tlsAllowed(t); err != success {
			return r, err
		}
		r.n = uint32(s.tlsCarry(g, c, t))
	default:
		if err := s.tlsAllowed(t); err != success {
			return r, err
		}
		if t.socket == nil {
			r = s.tlsStep(g, c, t)
		} else {
			r = s.tlsDrive(g, c, t)
		}
	}
	if t.socket == nil && len(e.Output()) > 0 {
		r.status |= tlsOutput
	}
	return r, success
}

// tlsCarry moves bytes between the guest and an engine in memory, and returns their number.
func (s *System) tlsCarry(g guest, c tlsCall, t *tlsConn) (n int) {
	switch c.op {
	case tlsFeed:
		n = t.engine.Feed(g.bytes(c.in))
	case tlsFeedEOF:
		t.engine.End()
	case tlsDrain:
		n = copy(g.bytes(c.out), t.engine.Output())
		t.engine.Sent(n)
	}
	s.spend(n)
	return n
}

// tlsCost is the work of a byte of ciphertext, in units of spend.
const tlsCost = 4

// tlsStep performs a part of an operation, as far as it goes without more bytes.
func (s *System) tlsStep(g guest, c tlsCall, t *tlsConn) (r tlsResult) {
	e, n := t.engine, 0
	work := 0
	if !e.Complete() {
		work = workPerCheckpoint // signatures and key exchange
	}
	switch c.op {
	case tlsHandshake:
		r.status = e.Handshake()
	case tlsRead:
		n, r.status = e.Read(g.bytes(c.out))
	case tlsWrite:
		n, r.status = e.Write(g.bytes(c.in))
	case tlsShutdown:
		r.status = e.Shutdown()
	}
	s.spend(work + tlsCost*n)
	r.n = uint32(n)
	return r
}

// tlsFind returns the engine of a handle, or nil.
func (s *System) tlsFind(handle int32) *tlsConn {
	for _, t := range s.tls.conns {
		if t.handle == handle {
			return t
		}
	}
	return nil
}

// tlsNumber returns a number that this run, and those it comes from, have not given yet. It is 0 if
// there is none.
func (s *System) tlsNumber() int32 {
	if s.numbered == math.MaxInt32 {
		return 0
	}
	s.numbered++
	return s.numbered
}

// tlsNew creates an engine.
func (s *System) tlsNew(g guest, c tlsCall) (r tlsResult, err errno) {
	if c.in.length > tlsengine.MaxInputText {
		return r, eINVAL
	}
	settings, failed := tlsengine.ParseSettings(g.bytes(c.in))
	if failed != nil {
		return r, eINVAL
	}
	t := &tlsConn{}
	if c.handle >= 0 {
		if t.socket, err = s.tlsSocket(c.handle); err != success {
			return r, err
		}
	}
	if !settings.ServerSide {
		t.name = settings.ServerHostname
	}
	if err = s.tlsAllowed(t); err != success {
		return r, err
	}
	if len(s.tls.conns) >= maxConnections {
		return r, eMFILE
	}
	if s.tls.sessions == nil {
		s.tls.sessions = tlsengine.NewSessions(s.tlsNumber)
	}
	trust := s.control.Trust()
	t.engine, failed = tlsengine.New(settings, tlsengine.Options{Roots: trust.Find, Default: trust.Default, Sessions: s.tls.sessions})
	s.spend(workPerCheckpoint + tlsCost*int(c.in.length)) // reading a key takes milliseconds
	if failed != nil {
		return s.tlsFailed(failed)
	}
	if !s.tlsCharge(t) {
		t.engine.Close()
		return r, eNOBUFS
	}
	if t.handle = s.tlsNumber(); t.handle == 0 {
		s.tlsEnd(t)
		return r, eMFILE
	}
	s.tls.conns = append(s.tls.conns, t)
	return tlsResult{n: uint32(t.handle)}, success
}

// tlsSocket returns the connected stream of a descriptor.
func (s *System) tlsSocket(fd int32) (*socket, errno) {
	d, err := s.openSocket(uint64(fd))
	if err != success {
		return nil, err
	}
	k := d.socket
	s.settle(k)
	switch {
	case !k.stream:
		return nil, ePROTONOSUPPORT
	case k.state == socketDead:
		return nil, k.usable(true)
	case k.state != socketConnected:
		return nil, eNOTCONN
	}
	return k, success
}

// tlsAllowed returns an errno if the network does not allow a client to ask for its server. An engine
// in memory is checked once the run has a connection that it may be for.
func (s *System) tlsAllowed(t *tlsConn) errno {
	if t.checked || t.name == "" || s.network == nil {
		return success
	}
	var err error
	switch {
	case t.socket == nil && !s.networked():
		return success
	case t.socket == nil:
		err = s.network.CheckServerName(t.name)
	case len(t.socket.ends) > 0:
		if c, ok := t.socket.ends[0].conn.(runtime.Socket); ok {
			err = c.CheckServerName(t.name)
		}
	}
	if err != nil {
		return s.failure(err)
	}
	t.checked = true
	return success
}

// networked reports whether the run has a connection to the network, or makes one.
func (s *System) networked() bool {
	for i := range s.opened {
		if k := s.opened[i].socket; k != nil && !k.pair && (k.dial != nil || len(k.ends) > 0) {
			return true
		}
	}
	return false
}

// tlsFailed keeps the failure of a call without a handle.
func (s *System) tlsFailed(err error) (tlsResult, errno) {
	var f *tlsengine.Failure
	if !errors.As(err, &f) {
		return tlsResult{}, eINVAL
	}
	s.tls.failure = f
	return tlsResult{status: tlsengine.Failed}, success
}

// tlsWriteJSON writes a value as JSON. If it does not fit, its length alone is the result.
func tlsWriteJSON(g guest, c tlsCall, v any) (tlsResult, errno) {
	text, err := json.Marshal(v)
	if err != nil {
		return tlsResult{}, eIO
	}
	if len(text) <= int(c.out.length) {
		copy(g.bytes(c.out), text)
	}
	return tlsResult{n: uint32(len(text))}, success
}

// tlsStepBytes is the unit in which engines are charged.
const tlsStepBytes = 16 << 10

// tlsCharge charges what an engine takes, and reports whether the run may have it.
func (s *System) tlsCharge(t *tlsConn) bool {
	want := (t.engine.Size() + tlsStepBytes - 1) / tlsStepBytes * tlsStepBytes
	switch more := want - t.charged; {
	case more > 0 && !s.charge(more):
		return false
	case more < 0:
		s.refund(-more)
	}
	t.charged = want
	return true
}

// tlsChargeSessions charges what the sessions take. If the run may not have it, they are forgotten.
func (s *System) tlsChargeSessions() {
	more := s.tls.sessions.Size() - s.tls.charged
	if more > 0 && !s.charge(more) {
		s.tls.sessions.Clear()
		more = -s.tls.charged
	}
	if more < 0 {
		s.refund(-more)
	}
	s.tls.charged += more
}

// tlsEnd ends an engine.
func (s *System) tlsEnd(t *tlsConn) {
	t.engine.Close()
	s.refund(t.charged)
}

// tlsDrop ends an engine and forgets its handle.
func (s *System) tlsDrop(t *tlsConn) {
	s.tlsEnd(t)
	kept := s.tls.conns[:0]
	for _, x := range s.tls.conns {
		if x != t {
			kept = append(kept, x)
		}
	}
	clear(s.tls.conns[len(kept):])
	s.tls.conns = kept
}

// tlsDropSocket ends the engines of a socket that is closed.
func (s *System) tlsDropSocket(k *socket) {
	for i := len(s.tls.conns) - 1; i >= 0; i-- {
		if s.tls.conns[i].socket == k {
			s.tlsDrop(s.tls.conns[i])
		}
	}
}

// tlsDisconnect ends all engines and forgets all sessions.
func (s *System) tlsDisconnect() {
	for _, t := range s.tls.conns {
		s.tlsEnd(t)
	}
	s.refund(s.tls.charged)
	s.tls = tlsState{}
}

// tlsWithout performs an operation without a handle.
func (s *System) tlsWithout(g guest, c tlsCall) (tlsResult, errno) {
	if c.in.length > tlsengine.MaxInputText {
		return tlsResult{}, eINVAL
	}
	in := g.bytes(c.in)
	s.spend(workPerCheckpoint + tlsCost*len(in))
	var v any
	var err error
	switch c.op {
	case tlsRoots:
		v, err = s.tlsKeep(in)
	case tlsDecode:
		v, err = tlsengine.Decode(in)
	case tlsPair:
		err = tlsengine.CheckPair(in)
	case tlsCiphers:
		v, err = tlsengine.Ciphers(string(in))
	}
	if err != nil {
		return s.tlsFailed(err)
	}
	if v == nil {
		return tlsResult{}, success
	}
	return tlsWriteJSON(g, c, v)
}

// rootsResult is the result of ROOTS.
type rootsResult struct {
	Sum          string `json:"sha256"`
	Certificates int    `json:"certificates"`
	Authorities  int    `json:"authorities"`
}

// tlsKeep parses and keeps trust anchors.
func (s *System) tlsKeep(in []byte) (*rootsResult, error) {
	trust := s.control.Trust()
	r := trust.Find(tlsengine.Sum(in))
	if r == nil {
		var err error
		if r, err = tlsengine.ParseRoots(in, s.spend); err != nil {
			return nil, err
		}
		if !trust.Keep(r) {
			return nil, tlsengine.ErrTooManyRoots
		}
	}
	certificates, authorities := r.Counts()
	return &rootsResult{r.Sum(), certificates, authorities}, nil
}

// until returns the time that is left of a call that began at a reading of the monotonic clock.
func (c tlsCall) until(s *System, began int64) time.Duration {
	if c.timeout < 0 || c.timeout > int64(math.MaxInt64/time.Millisecond) {
		return math.MaxInt64
	}
	return max(time.Duration(c.timeout)*time.Millisecond-time.Duration(s.instant().monotonic-began), 0)
}
