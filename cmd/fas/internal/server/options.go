package server

import (
	"cmp"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// DefaultListen is the address at which a server listens without --listen.
	DefaultListen = "127.0.0.1:8080"
	// DefaultGrace is the time that started runs get to finish once a server is asked to stop.
	// Process managers commonly wait as long before they kill a process.
	DefaultGrace = 30 * time.Second
	// MaxWorkers is the largest number of workers, and of tenants that have one of their own.
	MaxWorkers = 256
	// DefaultOwnWorkers is the number of tenants that may have a worker of their own.
	DefaultOwnWorkers = 16
	// DefaultImageDisk stands for an eighth of what is free on the disk.
	DefaultImageDisk ui.ByteSize = -1
	// DefaultBallast stands for a sixteenth of the disk, at most 32 MiB.
	DefaultBallast ui.ByteSize = -1
)

// Options configure a server. Flags of `fas serve` set the first part.
type Options struct {
	Listen          string        // HOST:PORT; port 0 is any free port
	HealthListen    string        // HOST:PORT of a listener for health checks alone; empty: none
	TLSCert, TLSKey string        // absolute paths of PEM files; empty: requests are not encrypted
	ACMEDomains     []string      // domains for which the server gets certificates by ACME
	ACMEEmail       string        // address that the authority may write to; empty: none
	ACMEDirectory   string        // URL of the authority's directory; empty: that of Let's Encrypt
	Data            string        // absolute path of the data folder
	SecretsFile     string        // path of the file with the keys of secrets; empty: one in the data folder
	MemoryBudget    ui.ByteSize   // memory that the server holds for others; 0: half of the machine's
	ImageDisk       ui.ByteSize   // disk space of images for which there is no memory; DefaultImageDisk: a share of the disk
	Grace           time.Duration // time that started runs get to finish at the end
	RetentionAge    ui.Span       // age at which finished executions are dropped
	RetentionCount  int           // largest number of finished executions
	RetentionMinAge ui.Span       // age up to which finished executions are kept whatever else is
	// Largest sizes of finished executions: of all, of one tenant, of one function. 0: half of the
	// disk, three quarters of that, half of that.
	RetentionBytes, RetentionTenantBytes, RetentionFunctionBytes ui.ByteSize
	DiskFloor                                                    ui.ByteSize // what must be free on the disk for new work; 0: a share of the disk
	Ballast                                                      ui.ByteSize // what is held back for a full disk; 0: nothing; DefaultBallast: a share of the disk
	AuditAge                                                     ui.Span     // age at which entries of the audit log are dropped
	AuditBytes                                                   ui.ByteSize // largest size of the audit log; 0: a share of the disk
	DropArgs                                                     bool        // store no args with executions, unless a function keeps them
	PublicURL                                                    string      // URL of the server in answers; empty: derived from the request
	EgressAllow                                                  []string    // private addresses that functions and callbacks may reach
	EgressCeiling                                                []string    // rules beyond which no function may reach anything; empty: there is no ceiling
	EgressProxy                                                  string      // URL of a proxy for functions; empty: none. It may have a password
	// Cluster are the URLs of servers of a replicated log; none: the server is alone. ClusterName, Node, NodeListen,
	// NodeAddress, ClusterKeyFile and ClusterCreate have a meaning with them alone.
	Cluster        []string
	ClusterName    string // of the cluster
	Node           string // name of this server, in the cluster
	NodeListen     string // HOST:PORT to listen at for other nodes; port 0 is any free port
	NodeAddress    string // HOST:PORT at which other nodes reach this one; empty: that of the listener
	ClusterKeyFile string // path of the file with the key of the cluster; empty: none
	ClusterCreate  bool   // make the log if there is none

	Workers         int                  // worker processes that run functions; 0: they run in the server
	OwnWorkers      int                  // tenants that may have a worker of their own
	TenantLimits    runtime.TenantLimits // of tenants that have none of their own
	OTLPEndpoint    string               // URL of a collector of traces; empty: that of the variables of OpenTelemetry, else none
	OTLPSampleRatio Ratio                // part of the traces that is exported
	LogLevel        LogLevel
	LogFormat       LogFormat
	AccessLog       bool   // log each request, whatever the level
	AddressFile     string // file to write the address to once the server is ready; empty: none
	Demo            bool   // deploy a sample function and run it
	ResetAdminToken bool
	Unconfined      bool // keep all rights of the process, for debugging

	// Cache is the folder of the compiled guest. Empty: one in the data folder.
	Cache string
	// Ready, if not nil, is called with the URL of the server once it serves functions.
	Ready func(url string)
	// NoSchedules says that schedules of jobs do not fire.
	NoSchedules bool
	// Poster, if not nil, returns what sends callbacks in place of p, which does.
	Poster func(p runtime.Poster) runtime.Poster
	// Requests gets a record for each request in place of the access log. Nil: see AccessLog.
	Requests *slog.Logger

	// Config is the file that the settings come from. Nil: there is none.
	Config   *Config
	Settings []Setting // those that do not have their default, for the log
	Terminal *ui.Terminal
	Environ  environ.Environment
	Version  string
	Trace    func(client.TraceLevel, string) // traces the requests of the demo
}

// budget returns the memory that the server holds for others, in bytes.
func (o *Options) budget() int64 { return cmp.Or(int64(o.MemoryBudget), memory.Machine()/2) }

// cacheFolder returns the folder of the compiled guest. Whatever else is in it is removed, so it is never one that a user has
// named.
func (o *Options) cacheFolder() string { return cacheFolder(o.Cache, o.Data) }

// cacheFolder returns the folder of the compiled guest in a folder that a user has named; empty: in the data folder.
func cacheFolder(named, data string) string {
	if named != "" {
		return filepath.Join(named, "faaspot-interpreter")
	}
	return filepath.Join(data, "cache")
}
