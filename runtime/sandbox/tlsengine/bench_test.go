package tlsengine

import (
	goruntime "runtime"
	"testing"

	"github.com/faaspot/faaspot/test/certs"
)

// BenchmarkHandshake performs a handshake of TLS 1.3, with both ends and a verified certificate (EC).
func BenchmarkHandshake(b *testing.B) {
	root := certs.Issue(b, nil, certs.Root("root"))
	leaf := certs.Issue(b, root, asServer("a.example"))
	o, sums := rooted(b, root)
	client := Settings{ServerHostname: "a.example", CheckHostname: true, VerifyMode: verifyRequired, Roots: sums, MinimumVersion: minimumSupported, MaximumVersion: maximumSupported}
	server := Settings{ServerSide: true, Certificate: &Certificate{Chain: certs.PEM(leaf), Key: leaf.KeyPEM(b)}, MinimumVersion: minimumSupported, MaximumVersion: maximumSupported}
	for b.Loop() {
		o.Sessions.Clear()
		c, err := New(&client, o)
		if err != nil {
			b.Fatal(err)
		}
		s, err := New(&server, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if x, y := meet(b, c, s, MaxInput); x != OK || y != OK {
			b.Fatal(c.Failure(), s.Failure())
		}
		c.Close()
		s.Close()
	}
}

// BenchmarkBulk encrypts and decrypts 64 KiB.
func BenchmarkBulk(b *testing.B) {
	client, server := connected(b, 0x304)
	if c, s := meet(b, client, server, MaxInput); c != OK || s != OK {
		b.Fatal(client.Failure(), server.Failure())
	}
	data, buffer := make([]byte, maxWrite), make([]byte, maxWrite)
	b.SetBytes(maxWrite)
	for b.Loop() {
		if n, _ := client.Write(data); n != len(data) {
			b.Fatal(n)
		}
		for got := 0; got < len(data); {
			carry(client, server, MaxInput)
			n, status := server.Read(buffer)
			if status != OK {
				b.Fatal(status)
			}
			got += n
		}
	}
}

// BenchmarkEngineMemory reports the heap that a connected client takes, and what it is charged.
func BenchmarkEngineMemory(b *testing.B) {
	const engines = 200
	for b.Loop() {
		var clients []*Engine
		var servers []*Engine
		for range engines {
			c, s := connected(b, 0x304)
			clients, servers = append(clients, c), append(servers, s)
		}
		heap := func() uint64 {
			var m goruntime.MemStats
			goruntime.GC()
			goruntime.GC()
			goruntime.ReadMemStats(&m)
			return m.HeapInuse + m.StackInuse
		}
		before := heap()
		for i := range clients {
			clients[i].Handshake()
		}
		waiting := heap()
		for i := range clients {
			if c, s := meet(b, clients[i], servers[i], MaxInput); c != OK || s != OK {
				b.Fatal(clients[i].Failure(), servers[i].Failure())
			}
		}
		for i := range servers {
			servers[i].Close()
			servers[i] = nil
		}
		after := heap()
		b.ReportMetric(float64(int64(waiting-before))/engines, "B/handshake")
		b.ReportMetric(float64(int64(after-before))/engines, "B/connected")
		b.ReportMetric(float64(clients[0].Size()), "B/charged")
	}
}
