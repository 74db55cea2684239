package wasi

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/sandbox/tlsengine"
)

// settingsOf returns settings as JSON.
func settingsOf(fields map[string]any) string {
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(text)
}

const inMemory = -1

// wantTLS reports an operation that does not end as it should.
func (r *rig) wantTLS(what string, handle int32, op uint64, timeout int64, want tlsengine.Status) {
	r.t.Helper()
	got, _, err := r.tls(handle, op, "", 100, timeout)
	if err != success || got.status != want {
		r.t.Errorf("%s: errno %d, status %d %s, want %d", what, err, got.status, r.tlsText(handle), want)
	}
}

// TestTLSNeedsARule checks whose names TLS may ask for.
func TestTLSNeedsARule(t *testing.T) {
	r, n := newNetRig(t)
	denied, allowed := settingsOf(map[string]any{"server_hostname": "denied.example"}), settingsOf(map[string]any{"server_hostname": "a.example"})
	early, _ := r.tlsMust(inMemory, tlsOpen, denied, 0, 0) // both ends may be in the program
	r.wantTLS("without a connection", int32(early), tlsHandshake, 0, tlsengine.WantRead|tlsOutput)
	late, _ := r.tlsMust(inMemory, tlsOpen, denied, 0, 0)

	fd := r.socket(sockStream, n.echo)
	r.must("connect", r.connect(fd, n.echo))
	refuse := func(what string, handle int32, op uint64, in string) {
		t.Helper()
		if _, _, err := r.tls(handle, op, in, 100, 0); err != eACCES {
			t.Errorf("%s: errno %d", what, err)
		}
		if reason := r.reason(); !strings.Contains(reason, "denied.example") || !strings.Contains(reason, "allow list") {
			t.Errorf("%s: the reason is %q", what, reason)
		}
	}
	refuse("over a socket", int32(fd), tlsOpen, denied)
	refuse("in memory", inMemory, tlsOpen, denied)
	refuse("opened before the connection", int32(late), tlsHandshake, "")
	refuse("begun before the connection", int32(early), tlsHandshake, "")
	r.tlsMust(int32(fd), tlsOpen, allowed, 0, 0)
	r.tlsMust(inMemory, tlsOpen, allowed, 0, 0)
	r.tlsMust(inMemory, tlsOpen, settingsOf(map[string]any{"server_side": true, "server_hostname": "denied.example"}), 0, 0)
	a, _ := r.pair(sockStream)
	r.tlsMust(int32(a), tlsOpen, denied, 0, 0)
}

// TestTLSOpenRefuses checks descriptors and settings that have no engine.
func TestTLSOpenRefuses(t *testing.T) {
	r, n := newNetRig(t)
	idle, datagrams := r.socket(sockStream, n.echo), r.socket(sockDgram, n.datagrams)
	file := uint64(r.mustOpen("tmp/a", openCreate, forBoth))
	for _, test := range []struct {
		fd   uint64
		text string
		want errno
	}{
		{idle, "{}", eNOTCONN},
		{datagrams, "{}", ePROTONOSUPPORT},
		{file, "{}", eNOTSOCK},
		{99, "{}", eBADF},
		{1<<32 - 1, "", eINVAL},
		{1<<32 - 1, "{} {}", eINVAL},
		{1<<32 - 1, `{"sever_side": true}`, eINVAL},
		{1<<32 - 1, `{"verify_mode": 3}`, eINVAL},
		{1<<32 - 1, `{"alpn": [""]}`, eINVAL},
		{1<<32 - 1, settingsOf(map[string]any{"server_hostname": strings.Repeat("a", 2000)}), eINVAL},
	} {
		if _, _, err := r.tls(int32(test.fd), tlsOpen, test.text, 0, 0); err != test.want {
			t.Errorf("descriptor %d, %s: errno %d, want %d", test.fd, test.text, err, test.want)
		}
	}
	got, _, err := r.tls(inMemory, tlsOpen, `{"roots": ["unknown"]}`, 0, 0)
	if text := r.tlsText(0); err != success || got.status != tlsengine.Failed || !strings.Contains(text, "ROOTS_UNKNOWN") {
		t.Errorf("unknown roots: errno %d, status %d, %s", err, got.status, text)
	}
	for _, op := range []uint64{0, 17, 1 << 31} {
		if _, _, err := r.tls(1, op, "", 0, 0); err != eINVAL {
			t.Errorf("operation %d: errno %d", op, err)
		}
	}
	if n := r.sys.buffers(); n != 0 {
		t.Errorf("%d bytes are charged", n)
	}
}

// TestTLSWaits checks times, with a server that does not answer.
func TestTLSWaits(t *testing.T) {
	r, n := newNetRig(t)
	accepted := n.keepAccepted()
	s := tlsServer{n.echo, newTLSServer(t, &tls.Config{}, echoBlocks(1)).root}
	fd := r.tlsConnect(s)
	h := r.tlsOpen(fd, s, nil)
	peer := <-accepted
	defer peer.Close()
	r.wantTLS("without waiting", h, tlsHandshake, 0, tlsengine.WantRead)
	waits := r.control.waits
	r.wantTLS("for 30 ms", h, tlsHandshake, 30, tlsTimeout)
	if r.control.waits == waits {
		t.Error("it did not give its processor back")
	}
	// The handshake goes on after that.
	server := tls.Server(peer, &tls.Config{Certificates: []tls.Certificate{selfSigned(t).TLS()}})
	other := r.tlsOpen(fd, s, nil)
	r.tlsMust(other, tlsClose, "", 0, 0)
	ended := make(chan error, 1)
	go func() { ended <- server.Handshake() }()
	r.wantTLS("with a certificate of another", h, tlsHandshake, -1, tlsengine.Unverified)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "bad certificate") {
		t.Errorf("the server learns %v", err)
	}
	r.wantTLS("again", h, tlsRead, -1, tlsengine.Unverified)

	// Nobody reads: a write waits, and goes on where it was.
	silent, received := make(chan struct{}), make(chan int64, 1)
	s = newTLSServer(t, &tls.Config{}, func(c *tls.Conn) {
		<-silent
		n, _ := io.Copy(io.Discard, c)
		received <- n
	})
	fd = r.tlsConnect(s)
	h = r.tlsOpen(fd, s, nil)
	r.tlsMust(h, tlsHandshake, "", 0, -1)
	data := strings.Repeat("x", 700_000)
	total := 0
	for {
		got, _, err := r.tls(h, tlsWrite, data, 0, 30)
		if err != success || got.status != tlsengine.OK && got.status != tlsTimeout {
			t.Fatalf("write: errno %d, status %d", err, got.status)
		}
		if got.status == tlsTimeout {
			break
		}
		total += int(got.n)
	}
	switch got, _, err := r.tls(h, tlsWrite, data, 0, 0); {
	case err == success && got.status == tlsengine.OK: // the kernel has found some room
		total += int(got.n)
	case err != success || got.status != tlsengine.WantWrite:
		t.Errorf("repeated without waiting: errno %d, status %d", err, got.status)
	}
	close(silent)
	k, _ := r.tlsMust(h, tlsWrite, data, 0, -1)
	total += k
	r.tlsMust(h, tlsShutdown, "", 0, -1)
	if n := <-received; n != int64(total) {
		t.Errorf("the server has received %d bytes of %d", n, total)
	}
}

// TestTLSReadsWhileOutputWaits: a peer that sends before it reads is read, with and without waiting,
// although what was written cannot be sent.
func TestTLSReadsWhileOutputWaits(t *testing.T) {
	for _, timeout := range []int64{0, -1} {
		r, _ := newNetRig(t)
		full := make(chan struct{})
		s := newTLSServer(t, &tls.Config{}, func(c *tls.Conn) {
			<-full
			fmt.Fprint(c, "first")
			io.Copy(io.Discard, c)
		})
		fd := r.tlsConnect(s)
		h := r.tlsOpen(fd, s, nil)
		r.tlsMust(h, tlsHandshake, "", 0, -1)
		data := strings.Repeat("x", 100_000)
		for {
			got, _, err := r.tls(h, tlsWrite, data, 0, 0)
			if err != success || got.status != tlsengine.OK && got.status != tlsengine.WantWrite {
				t.Fatalf("write: errno %d, status %d", err, got.status)
			}
			if got.status == tlsengine.WantWrite {
				break
			}
		}
		close(full)
		for {
			got, text, err := r.tls(h, tlsRead, "", 100, timeout)
			if timeout == 0 && err == success && got.status == tlsengine.WantRead {
				continue
			}
			if err != success || got.status != tlsengine.OK || text != "first" {
				t.Errorf("time %d: errno %d, status %d, %q", timeout, err, got.status, text)
			}
			break
		}
	}
}

// TestTLSEndings checks how connections end.
func TestTLSEndings(t *testing.T) {
	reset := func(c net.Conn) {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	for name, test := range map[string]struct {
		answer tlsAnswer
		want   tlsengine.Status
		n      uint32
	}{
		"close_notify":        {func(c *tls.Conn) { c.CloseWrite() }, tlsengine.Closed, 0},
		"the transport ended": {func(c *tls.Conn) { c.NetConn().Close() }, tlsengine.EOF, 0},
		"reset":               {func(c *tls.Conn) { reset(c.NetConn()) }, tlsSystem, uint32(eCONNRESET)},
		"half a record":       {func(c *tls.Conn) { c.NetConn().Write([]byte{23, 3, 3, 0, 100, 1}); c.NetConn().Close() }, tlsengine.EOF, 0},
		"a record of another": {func(c *tls.Conn) { c.NetConn().Write([]byte{23, 3, 3, 0, 20, 19: 1, 24: 1}); c.NetConn().Close() }, tlsengine.Failed, 0},
		"a record too large":  {func(c *tls.Conn) { c.NetConn().Write([]byte{23, 3, 3, 255, 255}); c.NetConn().Close() }, tlsengine.Failed, 0},
		"no TLS any more":     {func(c *tls.Conn) { c.NetConn().Write([]byte("HTTP/1.1 200 OK\r\n")); c.NetConn().Close() }, tlsengine.Failed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := newNetRig(t)
			s := newTLSServer(t, &tls.Config{}, test.answer)
			fd := r.tlsConnect(s)
			h := r.tlsOpen(fd, s, nil)
			r.tlsMust(h, tlsHandshake, "", 0, -1)
			for range 2 {
				got, _, err := r.tls(h, tlsRead, "", 100, -1)
				if err != success || got.status != test.want || test.n != 0 && got.n != test.n && got.n != uint32(eCONNABORTED) {
					if test.want == tlsSystem && got.status == tlsengine.EOF {
						continue // a reset is reported once
					}
					t.Errorf("errno %d, status %d, n %d: %s", err, got.status, got.n, r.tlsText(h))
				}
			}
		})
	}
}

// TestTLSLeavesNothing ends runs in every way while engines are in every state.
func TestTLSLeavesNothing(t *testing.T) {
	r, n := newNetRig(t)
	n.keepAccepted()
	s := tlsServer{n.echo, newTLSServer(t, &tls.Config{}, echoBlocks(1)).root}
	open := func() (fd, socket, memory int32) {
		r.sys.Connect(n)
		fd = r.tlsConnect(s)
		socket = r.tlsOpen(fd, s, nil)
		r.wantTLS("half a handshake", socket, tlsHandshake, 0, tlsengine.WantRead)
		memory = r.tlsOpen(inMemory, s, nil)
		r.wantTLS("half a handshake", memory, tlsHandshake, 0, tlsengine.WantRead|tlsOutput)
		return fd, socket, memory
	}
	settled := func(most int) int { // waits for the server's goroutines, which end later
		now := runtime.NumGoroutine()
		for deadline := time.Now().Add(10 * time.Second); now > most && time.Now().Before(deadline); now = runtime.NumGoroutine() {
			time.Sleep(time.Millisecond)
		}
		return now
	}
	none := runtime.NumGoroutine()
	open()
	r.reset(nil)
	before := settled(none)
	for name, end := range map[string]func(fd, socket, memory int32){
		"reset":      func(_, _, _ int32) { r.reset(nil) },
		"disconnect": func(_, _, _ int32) { r.sys.Disconnect() },
		"close": func(fd, socket, memory int32) {
			r.tlsMust(memory, tlsClose, "", 0, 0)
			r.must("fd_close", r.call("fd_close", uint64(fd)))
		},
		"the run ends as it waits": func(_, socket, _ int32) {
			r.control.patience = time.Millisecond
			defer func() { r.control.patience = 0 }()
			if v := recovered(func() { r.tls(socket, tlsHandshake, "", 0, -1) }); v != errEnd {
				t.Errorf("it ends with %v", v)
			}
			r.reset(nil)
		},
	} {
		fd, socket, memory := open()
		if !r.sys.Connected() {
			t.Errorf("%s: the run is not connected", name)
		}
		end(fd, socket, memory)
		if len(r.sys.tls.conns) != 0 || r.control.charged != 0 {
			t.Errorf("%s: %d engines and %d bytes are left", name, len(r.sys.tls.conns), r.control.charged)
		}
		for _, h := range []int32{socket, memory} {
			if _, _, err := r.tls(h, tlsRead, "", 1, 0); err != eBADF {
				t.Errorf("%s: handle %d: errno %d", name, h, err)
			}
		}
		r.reset(nil)
		if now := settled(before); now > before {
			t.Errorf("%s: %d goroutines, before %d", name, now, before)
		}
	}
}

// TestTLSHandlesAreNew checks that a handle of an image is never that of another engine.
func TestTLSHandlesAreNew(t *testing.T) {
	r := newRig(t)
	open := func() int32 {
		h, _ := r.tlsMust(inMemory, tlsOpen, "{}", 0, 0)
		return int32(h)
	}
	open()
	frozen := open()
	state := r.capture()
	if state == nil {
		t.Fatal("there is no State")
	}
	for range 3 {
		r.reset(state)
		r.kept = 0
		if _, _, err := r.tls(frozen, tlsRead, "", 1, 0); err != eBADF {
			t.Errorf("the handle of an image: errno %d", err)
		}
		if h := open(); h <= frozen {
			t.Errorf("the handle %d is given again, after %d", h, frozen)
		}
	}
	r.reset(nil)
	r.sys.numbered = 1<<31 - 1
	if _, _, err := r.tls(inMemory, tlsOpen, "{}", 0, 0); err != eMFILE || r.control.charged != 0 {
		t.Errorf("without numbers: errno %d, %d bytes", err, r.control.charged)
	}
}

// TestTLSIsBounded opens as many engines as it may, and lets the server send without end.
func TestTLSIsBounded(t *testing.T) {
	r := newRig(t)
	for i := range maxConnections + 1 {
		_, _, err := r.tls(inMemory, tlsOpen, "{}", 0, 0)
		if want := map[bool]errno{true: eMFILE}[i == maxConnections]; err != want {
			t.Fatalf("engine %d: errno %d", i, err)
		}
	}
	if r.control.charged < maxConnections*32<<10 {
		t.Errorf("%d engines are charged %d bytes", maxConnections, r.control.charged)
	}
	r.reset(nil)
	r.control.most = 100 << 10
	var err errno
	for range 10 {
		if _, _, err = r.tls(inMemory, tlsOpen, "{}", 0, 0); err != success {
			break
		}
	}
	if err != eNOBUFS {
		t.Errorf("without memory: errno %d", err)
	}
	r.reset(nil)

	// A server that sends messages of a handshake for ever.
	for name, message := range map[string]string{
		"hello requests":     "\x16\x03\x03\x00\x04\x00\x00\x00\x00",
		"empty records":      "\x16\x03\x03\x00\x00",
		"warnings":           "\x15\x03\x03\x00\x02\x01\x5a",
		"a certificate":      "\x16\x03\x03\x40\x00\x0b\x03\xff\xff" + strings.Repeat("\x00", 1<<14-4),
		"a large hello":      "\x16\x03\x03\x40\x00\x02\x00\xff\xff" + strings.Repeat("\x00", 1<<14-4),
		"nothing but a hull": "\x16\x03\x03\x00\x01\x02",
	} {
		r, n := newNetRig(t)
		accepted := n.keepAccepted()
		s := tlsServer{n.echo, newTLSServer(t, &tls.Config{}, echoBlocks(1)).root}
		fd := r.tlsConnect(s)
		h := r.tlsOpen(fd, s, nil)
		peer := <-accepted
		go func() {
			for {
				if _, err := peer.Write([]byte(message)); err != nil {
					return
				}
			}
		}()
		got, _, err := r.tls(h, tlsHandshake, "", 0, -1)
		if err != success && err != eNOBUFS || err == success && got.status != tlsengine.Failed {
			t.Errorf("%s: errno %d, status %d", name, err, got.status)
		}
		if r.control.peak > 4<<20 {
			t.Errorf("%s: %d bytes were charged", name, r.control.peak)
		}
		peer.Close()
	}
}

// TestTLSSessionsResume resumes a session, within one run.
func TestTLSSessionsResume(t *testing.T) {
	for _, version := range []int{tls.VersionTLS12, tls.VersionTLS13} {
		r, _ := newNetRig(t)
		s := newTLSServer(t, &tls.Config{}, echoBlocks(1))
		session := int32(0)
		for i := range 3 {
			fd := r.tlsConnect(s)
			h := r.tlsOpen(fd, s, map[string]any{"session": session, "maximum_version": version})
			r.tlsMust(h, tlsHandshake, "", 0, -1)
			r.tlsMust(h, tlsWrite, "x", 0, -1)
			r.tlsMust(h, tlsRead, "", 1, -1)
			var info struct {
				Reused  bool  `json:"session_reused"`
				Session int32 `json:"session"`
			}
			_, text := r.tlsMust(h, tlsInfo, "", 1<<16, 0)
			if err := json.Unmarshal([]byte(text), &info); err != nil {
				t.Fatal(err)
			}
			if info.Reused != (i > 0) || info.Session == 0 {
				t.Errorf("%x, connection %d: %s", version, i, fmt.Sprintf("%+v", info))
			}
			session = info.Session
		}
		r.sys.Disconnect()
		if r.sys.tls.sessions != nil {
			t.Error("sessions survive")
		}
	}
}

// TestTLSSessionsAreNotParked parks a run that has had a connection: what its session has taken is free.
func TestTLSSessionsAreNotParked(t *testing.T) {
	s := newTLSServer(t, &tls.Config{}, echoBlocks(1))
	r, _ := newNetRig(t)
	fd := r.tlsConnect(s)
	h := r.tlsOpen(fd, s, nil)
	r.tlsMust(h, tlsHandshake, "", 0, -1)
	r.tlsMust(h, tlsWrite, "x", 0, -1)
	r.tlsMust(h, tlsRead, "", 1, -1) // the ticket came before
	r.tlsMust(h, tlsClose, "", 0, 0)
	r.must("close", r.call("fd_close", uint64(fd)))
	if r.sys.Connected() || r.control.charged == 0 {
		t.Fatalf("connected, or %d bytes are charged", r.control.charged)
	}
	r.sys.Resume(r.sys.Park())
	if r.control.charged != 0 || r.sys.charged != 0 {
		t.Errorf("%d and %d bytes are charged", r.control.charged, r.sys.charged)
	}
}
