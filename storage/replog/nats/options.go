package nats

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/faaspot/faaspot/runtime/cluster/key"
)

// DefaultMaxBytes is the size up to which a log grows unless it is trimmed.
const DefaultMaxBytes = 4 << 30

// Options say which log is opened, and how its servers are reached.
type Options struct {
	// Servers are the URLs of some or all servers, such as nats://10.0.0.1:4222.
	Servers []string
	// Cluster, Shard and Generation name the log.
	Cluster    string // letters, digits and -
	Shard      uint16
	Generation uint64
	// Client is the name of the connection in the lists of the servers. Empty: faaspot.
	Client string

	// Key is the key of a cluster whose servers `fas engine` runs. The zero Key: see TLS.
	Key key.Key
	TLS TLS
	// Auth says who the client is. System, unless it is zero, says so for the question how the servers
	// store data: NATS answers it to its system account.
	Auth, System Auth

	// Create makes the log if there is none. MaxBytes is its size then; 0: DefaultMaxBytes.
	Create   bool
	MaxBytes int64
	// Base is the sequence behind which the records of a log that is made begin; 0: it begins with record 1. Origin, unless
	// it is empty, says what the log was made from: a log that exists and was made from something else is refused.
	Base   uint64
	Origin string
	// OneReplica accepts and makes a log on one server, with which that server's disk is lost. For
	// tests and demonstrations.
	OneReplica bool
	// UnsafeSync accepts servers that do not sync each record to disk before they acknowledge it, or
	// whose settings cannot be read. Records that were acknowledged are lost then, if machines fail.
	UnsafeSync bool

	Log *slog.Logger
}

// TLS names PEM files. The zero TLS encrypts connections only if the servers demand it.
type TLS struct {
	Authorities string // that sign the certificates of the servers; empty: those of the system
	Cert, Key   string // of the client; empty: none
}

// Auth is who a client is. At most one of user, credentials and seed is given.
type Auth struct {
	User, Password string
	Credentials    string // file with a JWT and the seed of its key
	Seed           string // file with the seed of an nkey
}

const (
	// dialTime is the time within which a server must accept a connection.
	dialTime = 2 * time.Second
	// pingTime is the time between two pings; a server that does not answer two of them is gone.
	pingTime = time.Second
	// reconnectTime is the time between two attempts to connect.
	reconnectTime = 100 * time.Millisecond
	// writeTime is the time within which a server must take what was written.
	writeTime = 5 * time.Second
)

var validCluster = regexp.MustCompile(`^[A-Za-z0-9-]{1,32}$`)

// name returns the name of the stream.
func (o *Options) name() string {
	return fmt.Sprintf("FAS_%s_%d_%d", o.Cluster, o.Shard, o.Generation)
}

// subject returns the subject of the records.
func (o *Options) subject() string {
	return "fas." + o.Cluster + "." + strconv.Itoa(int(o.Shard)) + "." + strconv.FormatUint(o.Generation, 10)
}

// Check returns what is wrong with the options.
func (o *Options) Check() error {
	switch {
	case len(o.Servers) == 0:
		return errors.New("no server of the log is named")
	case !validCluster.MatchString(o.Cluster):
		return fmt.Errorf("the name %q of the cluster is not valid: give letters, digits and -, at most 32", o.Cluster)
	case !o.Key.IsZero() && o.TLS != TLS{}:
		return errors.New("a key of the cluster and files of TLS exclude each other")
	}
	return nil
}

// connect returns the options of a connection.
func (o *Options) connect(auth Auth) ([]nats.Option, error) {
	all := []nats.Option{
		nats.Name(cmp.Or(o.Client, "faaspot")),
		nats.Timeout(dialTime),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectTime),
		nats.ReconnectJitter(reconnectTime, reconnectTime),
		nats.PingInterval(pingTime),
		nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(writeTime),
		nats.ReconnectOnFlusherError(),
		nats.ReconnectBufSize(-1), // a record that is not sent at once is not sent at all
		nats.IgnoreDiscoveredServers(),
		nats.IgnoreAuthErrorAbort(),
		nats.NoCallbacksAfterClientClose(),
		// A server that will stop is left before it closes the connection.
		nats.LameDuckModeHandler(func(c *nats.Conn) { _ = c.ForceReconnect() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			o.Log.Debug("the connection to the log reports an error", "error", err)
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			o.Log.Warn("lost the connection to a server of the log", "error", err)
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			o.Log.Info("connected to another server of the log, or again", "server", c.ConnectedServerName())
		}),
	}
	secure, err := o.secure()
	if err != nil {
		return nil, err
	}
	if secure != nil {
		all = append(all, nats.Secure(secure))
	}
	more, err := auth.options()
	return append(all, more...), err
}

// secure returns the configuration of TLS, nil for none.
func (o *Options) secure() (*tls.Config, error) {
	if !o.Key.IsZero() {
		return o.Key.TLS()
	}
	if (o.TLS == TLS{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLS.Authorities != "" {
		text, err := os.ReadFile(o.TLS.Authorities)
		if err != nil {
			return nil, fmt.Errorf("read the authorities of the log's servers: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s has no certificates in the form PEM", o.TLS.Authorities)
		}
	}
	if o.TLS.Cert != "" || o.TLS.Key != "" {
		cert, err := tls.LoadX509KeyPair(o.TLS.Cert, o.TLS.Key)
		if err != nil {
			return nil, fmt.Errorf("read the certificate for the log's servers: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

func (a Auth) options() (all []nats.Option, err error) {
	var ways []string
	if a.User != "" {
		ways = append(ways, "a user")
		all = append(all, nats.UserInfo(a.User, a.Password))
	}
	if a.Credentials != "" {
		ways = append(ways, "credentials")
		all = append(all, nats.UserCredentials(a.Credentials))
	}
	if a.Seed != "" {
		ways = append(ways, "a seed")
		seed, err := nats.NkeyOptionFromSeed(a.Seed)
		if err != nil {
			return nil, fmt.Errorf("read the seed for the log's servers: %w", err)
		}
		all = append(all, seed)
	}
	if len(ways) > 1 {
		return nil, fmt.Errorf("%s exclude each other: give one of them", strings.Join(ways, " and "))
	}
	return all, nil
}
