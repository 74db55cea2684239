package server

import (
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

const (
	// defaultListen is the address of a server without --listen.
	DefaultListen = "127.0.0.1:8080"
	// defaultGrace is how long runs that have begun may continue after a server is asked to stop.
	// Process managers commonly wait as long before they kill.
	DefaultGrace = 30 * time.Second
)

// serveOptions configure a server. The flags of `fas serve` set the first part.
type Options struct {
	Listen          string      // HOST:PORT, port 0 is any free one
	Data            string      // absolute path of the data folder
	MemoryBudget    ui.ByteSize // of all runs together, 0: half of the machine's memory
	Grace           time.Duration
	RetentionAge    ui.Span
	RetentionCount  int
	PublicURL       string
	EgressAllow     []string
	LogLevel        LogLevel
	LogFormat       logFormat
	AddressFile     string // gets the address once the server is ready; empty: none
	Demo            bool
	ResetAdminToken bool

	Terminal *ui.Terminal
	Environ  environ.Environment
	Trace    func(client.TraceLevel, string) // of the demo's requests
	Version  string
}
