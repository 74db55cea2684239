package worker

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/egress"
)

// BenchmarkConnect connects, sends and receives a little, and closes: with the network of the server, and
// with that of a worker, whose both sides are in this process.
func BenchmarkConnect(b *testing.B) {
	to := listen(b, echo)
	many := egress.Limits{Connections: 1 << 20, Dials: egress.Rate{Amount: 1 << 40, Period: time.Second}, Bytes: egress.Rate{Amount: 1 << 50, Period: time.Second}}
	own, n, _ := lentTo(b, egress.NetworkOptions{Run: many, Function: many, Tenant: many, Server: many}, to.String())
	for name, n := range map[string]runtime.Network{"server": own, "worker": n} {
		b.Run(name, func(b *testing.B) {
			before := processTime(b)
			for b.Loop() {
				c, err := n.(runtime.Connector).Connect("tcp", to)
				if err != nil {
					b.Fatal(err)
				}
				raw, err := c.SyscallConn()
				if err != nil {
					b.Fatal(err)
				}
				wait := func(events int16) {
					_ = raw.Control(func(fd uintptr) { _, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, -1) })
				}
				wait(unix.POLLOUT)
				if ended, err := c.Connected(); !ended || err != nil {
					b.Fatal(ended, err)
				}
				p := make([]byte, 16)
				_ = raw.Control(func(fd uintptr) { _, err = unix.Write(int(fd), p) })
				wait(unix.POLLIN)
				_ = raw.Control(func(fd uintptr) { _, err = unix.Read(int(fd), p) })
				if err != nil {
					b.Fatal(err)
				}
				if err := c.Count(len(p), len(p)); err != nil {
					b.Fatal(err)
				}
				_ = c.Close()
			}
			b.ReportMetric(float64(processTime(b)-before)/1e3/float64(b.N), "cpu-µs/op")
		})
	}
}

// processTime returns the processor time of the process.
func processTime(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}
