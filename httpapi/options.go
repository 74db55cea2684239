package httpapi

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Functions is what this package needs of the engine to keep functions and to
// run them while a caller waits; *runtime.Engine is one. All methods may be
// called concurrently.
type Functions interface {
	CreateFunction(ctx context.Context, s runtime.FunctionSpec) (runtime.Deployment, error)
	UpdateFunction(ctx context.Context, u runtime.FunctionUpdate) (runtime.Deployment, error)
	DeleteFunction(ctx context.Context, d runtime.FunctionDeletion) (runtime.Deployment, error)
	GetFunction(ctx context.Context, tenant runtime.Tenant, name string) (runtime.FunctionDetail, error)
	ListFunctions(ctx context.Context, tenant runtime.Tenant, r runtime.PageRequest) (runtime.Page[runtime.Function], error)
	Run(ctx context.Context, r runtime.RunRequest) (*runtime.Execution, error)
}

// Executions is what this package needs of the engine to run functions in the
// background and to look executions up; *runtime.Engine is one. All methods may
// be called concurrently.
type Executions interface {
	Submit(ctx context.Context, r runtime.SubmitRequest) (runtime.Acceptance, error)
	SubmitBulk(ctx context.Context, r runtime.BulkRequest) (runtime.Acceptance, error)
	GetExecution(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error)
	GetExecutions(ctx context.Context, tenant runtime.Tenant, ids []string) ([]*runtime.Execution, error)
	AwaitExecution(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error)
	ListExecutions(ctx context.Context, tenant runtime.Tenant, filter runtime.Filter, r runtime.PageRequest) (runtime.Page[runtime.Execution], error)
	CancelExecution(ctx context.Context, tenant runtime.Tenant, id string) (x runtime.Execution, changed bool, err error)
	GetLogs(ctx context.Context, tenant runtime.Tenant, id string, from runtime.LogPosition) (runtime.LogPage, error)
	SearchExecutions(ctx context.Context, tenant runtime.Tenant, q runtime.SearchQuery) (runtime.Page[runtime.ExecutionSummary], error)
	FollowLogs(ctx context.Context, tenant runtime.Tenant, id string, from runtime.LogPosition) (runtime.LogPage, error)
}

// Jobs is what this package needs of the engine to keep jobs and to run them;
// *runtime.Engine is one. All methods may be called concurrently.
type Jobs interface {
	// CreateJob keeps a new job. Of j the engine sets ID, Revision, Created and
	// Updated, and ids and secrets of triggers that have none.
	CreateJob(ctx context.Context, j runtime.Job) (runtime.Job, error)
	// UpdateJob gives the job of j's name the names, labels and spec of j, as a new
	// revision if the spec is another one. CreatedBy and Created stay, and so do
	// secrets that are [runtime.Masked].
	UpdateJob(ctx context.Context, j runtime.Job) (runtime.Job, error)
	// RollbackJob makes the spec of a kept revision the current one, as a new
	// revision.
	RollbackJob(ctx context.Context, tenant runtime.Tenant, name string, revision uint64, userID string) (runtime.Job, error)
	// DeleteJob removes a job and cancels what is under way of it. Its executions
	// stay as long as others.
	DeleteJob(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Job, error)
	GetJob(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Job, error)
	ListJobs(ctx context.Context, tenant runtime.Tenant, l runtime.PageRequest) (runtime.Page[runtime.Job], error)
	// ListJobRevisions lists the kept revisions, newest first.
	ListJobRevisions(ctx context.Context, tenant runtime.Tenant, name string) ([]runtime.JobRevision, error)

	StartJob(ctx context.Context, r runtime.JobStartRequest) (runtime.JobAcceptance, error)
	// TriggerJob starts an execution by the trigger for requests that has the path.
	TriggerJob(ctx context.Context, r runtime.JobStartRequest, path string) (runtime.JobAcceptance, runtime.Trigger, error)
	// GetJobExecution finds an execution by its Name within the job, or by its ID.
	GetJobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (runtime.JobExecution, error)
	ListJobExecutions(ctx context.Context, tenant runtime.Tenant, job string, l runtime.PageRequest) (runtime.Page[runtime.JobExecution], error)
	// ListTasks lists tasks, which are called "task-0" and so on; see
	// [Executions.Execution] for a single one with its result. Tasks that retention
	// has dropped are left out.
	ListTasks(ctx context.Context, tenant runtime.Tenant, job, execution string, l runtime.PageRequest) (runtime.Page[runtime.Execution], error)
	// GetTaskResults gives the tasks whose results are told with an execution.
	GetTaskResults(ctx context.Context, x runtime.JobExecution) ([]runtime.Execution, error)
	// CancelJobExecution lets running tasks end and starts no others. changed is false if
	// it had ended, or was cancelled before.
	CancelJobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (x runtime.JobExecution, changed bool, err error)
	// AwaitJobExecution waits until the execution is done, or for the end of ctx, at which
	// it gives the execution as it stands without an error.
	AwaitJobExecution(ctx context.Context, tenant runtime.Tenant, job, execution string) (runtime.JobExecution, error)
}

// DeadLetters is what this package needs of the engine to look after callbacks
// that nobody took; *runtime.Engine is one.
type DeadLetters interface {
	// ListDeadLetters lists them, newest first, from behind the one with the id after.
	ListDeadLetters(ctx context.Context, tenant runtime.Tenant, r runtime.PageRequest) (runtime.Page[runtime.Delivery], error)
	GetDeadLetter(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Delivery, error)
	// RedriveDeadLetters has them tried again as if they were new: those with the
	// ids, or all if ids is nil. It gives how many.
	RedriveDeadLetters(ctx context.Context, tenant runtime.Tenant, ids []string) (int, error)
	// PurgeDeadLetters drops them for good, likewise.
	PurgeDeadLetters(ctx context.Context, tenant runtime.Tenant, ids []string) (int, error)
}

// Engine is everything that this package needs of the engine; *engine.Engine is one.
type Engine interface {
	Functions
	Executions
	Jobs
	DeadLetters
}

// Options of a Server. Auth must be set; everything else has a default that is safe on
// an open network.
type Options struct {
	// Engine runs the requests. Nil: until [Server.SetEngine], requests that need it get
	// 503.
	Engine Engine
	Auth   Authenticator
	// Version of the server, reported by GET /readyz. Empty: not reported.
	Version string

	// Ready tells why requests cannot be served yet or any more, nil if they
	// can. Only the message of a *runtime.Error is shown to callers. A nil
	// Ready means always.
	Ready func() error
	Log   *slog.Logger // nil: slog.Default

	// BaseURL is the scheme and host under which callers reach the server,
	// such as "https://faas.example.com", for the URLs in answers. Empty: what
	// each request's Host header says. Set it behind a proxy.
	BaseURL string

	// HeaderTimeout bounds how long a request's header, or a small request as
	// a whole, may take to arrive. Zero: 10 s.
	HeaderTimeout time.Duration
	// BodyTimeout bounds how long the body of an authenticated request that
	// is larger than 64 KiB or chunked may take to arrive. Zero: 60 s.
	BodyTimeout time.Duration
	// WriteTimeout bounds how long an answer may take to be sent, from the
	// end of its handler. Zero: 30 s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection may rest between two requests.
	// Zero: 60 s.
	IdleTimeout time.Duration

	// MaxConns bounds the connections open at once, running functions
	// included. Zero: 10,000.
	MaxConns int
	// MaxHeader bounds the bytes of a request's first line and header.
	// Zero: 16 KiB.
	MaxHeader int
}

const (
	defaultHeaderTimeout = 10 * time.Second
	defaultBodyTimeout   = 60 * time.Second
	defaultWriteTimeout  = 30 * time.Second
	defaultIdleTimeout   = 60 * time.Second
	defaultMaxConns      = 10_000
	defaultMaxHeader     = 16 * runtime.KiB

	// maxURI bounds the request target, and with it the args of a GET run.
	// Proxies commonly pass 8 KiB.
	maxURI = 8 * runtime.KiB
	// minMaxHeader leaves room for a target of maxURI and the usual fields.
	minMaxHeader = maxURI + 2*runtime.KiB
	// requestsPerConn spreads long-lived clients over the servers behind a
	// load balancer now and then.
	requestsPerConn = 1000
)

// withDefaults fills in what is zero and reports what makes no sense.
func (o Options) withDefaults() (Options, error) {
	if o.Auth == nil {
		return o, runtime.Errorf(runtime.CodeInvalidArgument, "httpapi: Options.Auth must be set")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	if o.BaseURL != "" {
		u, err := url.Parse(o.BaseURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return o, runtime.Errorf(runtime.CodeInvalidArgument, "the base URL %q is not an http(s) URL", o.BaseURL).
				WithHint("give scheme and host, such as https://faas.example.com")
		}
	}
	for _, d := range []struct {
		v        *time.Duration
		fallback time.Duration
	}{
		{&o.HeaderTimeout, defaultHeaderTimeout},
		{&o.BodyTimeout, defaultBodyTimeout},
		{&o.WriteTimeout, defaultWriteTimeout},
		{&o.IdleTimeout, defaultIdleTimeout},
	} {
		if *d.v < 0 {
			return o, runtime.Errorf(runtime.CodeInvalidArgument, "httpapi: a timeout is negative")
		}
		if *d.v == 0 {
			*d.v = d.fallback
		}
	}
	if o.MaxConns == 0 {
		o.MaxConns = defaultMaxConns
	}
	if o.MaxHeader == 0 {
		o.MaxHeader = defaultMaxHeader
	}
	if o.MaxConns < 0 || o.MaxHeader < minMaxHeader {
		return o, runtime.Errorf(runtime.CodeInvalidArgument,
			"httpapi: MaxConns must be positive and MaxHeader at least %d bytes", minMaxHeader)
	}
	return o, nil
}

// early is by how much any of the timeouts may be over too soon: a hundredth.
func (o Options) early() time.Duration {
	return min(o.HeaderTimeout, o.BodyTimeout, o.WriteTimeout, o.IdleTimeout) / 100
}
