package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Engine is what changes and deletions of tenants need of the engine.
type Engine interface {
	LimitsChanged(tenant runtime.Tenant)
	MemoryOf(tenant runtime.Tenant) int64
	// ForgetTenant is called with a tenant that was deleted.
	ForgetTenant(tenant runtime.Tenant)
	// CancelRuns cancels the runs of a tenant whose callers wait.
	CancelRuns(tenant runtime.Tenant)
	ListFunctions(ctx context.Context, tenant runtime.Tenant, r runtime.PageRequest) (runtime.Page[runtime.Function], error)
	DeleteFunction(ctx context.Context, d runtime.FunctionDeletion) (runtime.Deployment, error)
	ListJobs(ctx context.Context, tenant runtime.Tenant, r runtime.PageRequest) (runtime.Page[runtime.Job], error)
	DeleteJob(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Job, error)
	ListExecutions(ctx context.Context, tenant runtime.Tenant, filter runtime.ExecutionFilter, r runtime.PageRequest) (runtime.Page[runtime.Execution], error)
	CancelExecution(ctx context.Context, tenant runtime.Tenant, id string) (x runtime.Execution, changed bool, err error)
}

const (
	// lastUsePause is the time between two writes of the last uses of tokens.
	lastUsePause = time.Minute
	// deletePause is the time between two rounds of the deletion of tenants, failedPause that after one
	// that failed. A round takes at most deleteSteps steps of each tenant, each of at most deleteStep
	// functions, jobs and executions.
	deletePause = 250 * time.Millisecond
	failedPause = 5 * time.Second
	deleteSteps = 10
	deleteStep  = 100
)

// SetEngine lets the Keeper delete tenants.
func (k *Keeper) SetEngine(e Engine) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.engine = e
	k.awaken()
}

func (k *Keeper) awaken() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// CreateTenant creates a tenant.
//
// Errors: CodeInvalidArgument, CodeAlreadyExists, CodeTooLarge beyond [runtime.MaxTenants],
// CodeTooBusy without memory for it, CodeUnavailable.
func (k *Keeper) CreateTenant(name runtime.Tenant) (runtime.TenantRecord, error) {
	if err := runtime.ValidateTenant(name); err != nil {
		return runtime.TenantRecord{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := k.tenants[name]; t != nil {
		err := runtime.Errorf(runtime.CodeAlreadyExists, "a tenant named %q already exists", string(name)).WithHint("choose another name")
		if t.Deleting {
			err = err.WithHint("it is being deleted: try again in a moment, or choose another name")
		}
		return runtime.TenantRecord{}, err
	}
	if len(k.names) >= runtime.MaxTenants {
		return runtime.TenantRecord{}, runtime.Errorf(runtime.CodeTooLarge, "there are %d tenants, and no more are allowed", len(k.names)).
			WithHint("delete tenants that are not used")
	}
	if !k.memory.TryTake(tenantBytes) {
		return runtime.TenantRecord{}, k.memory.Refuse(tenantBytes)
	}
	t := runtime.TenantRecord{Name: name, Created: k.clock.Now().UTC()}
	if err := k.store.PutTenant(t, nil); err != nil {
		k.memory.Give(tenantBytes)
		return runtime.TenantRecord{}, err
	}
	k.addTenant(t)
	return t, nil
}

// UpdateTenant changes a tenant, at once and durably. What is beyond its limits continues, and what runs
// stays where it runs.
//
// Errors: CodeInvalidArgument, CodeNotFound, CodeConflict if it is being deleted or may not have a worker
// of its own, CodeUnavailable.
func (k *Keeper) UpdateTenant(name runtime.Tenant, c runtime.TenantChange) (runtime.TenantRecord, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tenants[name]
	if t == nil || name == "" {
		return runtime.TenantRecord{}, runtime.NoTenantError(name)
	}
	if t.Deleting {
		return runtime.TenantRecord{}, runtime.Errorf(runtime.CodeConflict, "the tenant %q is being deleted", string(name)).
			WithHint("wait until it is gone, and create it again")
	}
	changed := t.TenantRecord
	changed.Limits = c.Limits.Of(changed.Limits)
	if err := changed.Limits.Validate(); err != nil {
		return runtime.TenantRecord{}, err
	}
	if c.OwnWorker != nil {
		changed.OwnWorker = *c.OwnWorker
	}
	if changed.OwnWorker && !t.OwnWorker {
		if err := k.checkOwnWorkers(); err != nil {
			return runtime.TenantRecord{}, err
		}
	}
	more := limitsBytes(&changed.Limits) - limitsBytes(&t.Limits)
	if more > 0 && !k.memory.TryTake(more) {
		return runtime.TenantRecord{}, k.memory.Refuse(more)
	}
	if err := k.store.PutTenant(changed, nil); err != nil {
		k.memory.Give(max(more, 0))
		return runtime.TenantRecord{}, err
	}
	k.memory.Give(max(-more, 0))
	t.TenantRecord = changed
	t.use.SetOwnWorker(changed.OwnWorker)
	t.use.SetLimits(changed.Limits.Effective(k.defaults))
	if k.engine != nil {
		k.engine.LimitsChanged(name)
	}
	return changed, nil
}

// checkOwnWorkers returns an error if no further tenant may have a worker of its own.
func (k *Keeper) checkOwnWorkers() error {
	if k.maxOwn == 0 {
		return runtime.Errorf(runtime.CodeConflict, "this server gives no tenant a worker of its own").
			WithHint("start it with --workers 1 or more, and --own-workers 1 or more")
	}
	if n := k.countOwnWorkers(); n >= k.maxOwn {
		return runtime.Errorf(runtime.CodeConflict, "no more than %d tenants may have a worker of their own", n).
			WithHint("take it from another tenant, or start the server with a higher --own-workers")
	}
	return nil
}

func (k *Keeper) countOwnWorkers() (n int) {
	for _, t := range k.tenants {
		if t.OwnWorker {
			n++
		}
	}
	return n
}

// OwnWorkers returns the number of tenants that have a worker of their own.
func (k *Keeper) OwnWorkers() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.countOwnWorkers()
}

// OwnWorker reports whether a tenant has a worker of its own. It takes no lock.
func (k *Keeper) OwnWorker(name runtime.Tenant) bool { return k.Use(name).OwnWorker() }

// Usage returns what a tenant has in progress and has stored, and its limits.
func (k *Keeper) Usage(name runtime.Tenant) (runtime.TenantUsage, error) {
	use := k.Use(name)
	if use == nil {
		return runtime.TenantUsage{}, runtime.NoTenantError(name)
	}
	usage := use.Usage()
	usage.Stored = k.stored(name)
	k.mu.Lock()
	engine := k.engine
	k.mu.Unlock()
	if engine != nil {
		usage.Memory = engine.MemoryOf(name)
	}
	return usage, nil
}

// Use returns the use of a tenant, nil if it does not exist. It takes no lock.
func (k *Keeper) Use(name runtime.Tenant) *runtime.TenantUse {
	use, _ := k.uses.Load(name)
	u, _ := use.(*runtime.TenantUse)
	return u
}

// ListTenants returns a page of tenants in the order of their names.
func (k *Keeper) ListTenants(r runtime.PageRequest) (page runtime.Page[runtime.TenantRecord]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	names, next := pageOf(k.names, r)
	page.Next = next
	for _, name := range names {
		page.Items = append(page.Items, k.tenants[runtime.Tenant(name)].TenantRecord)
	}
	return page
}

// GetTenant returns a tenant.
func (k *Keeper) GetTenant(name runtime.Tenant) (runtime.TenantRecord, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tenants[name]
	if t == nil || name == "" {
		return runtime.TenantRecord{}, runtime.NoTenantError(name)
	}
	return t.TenantRecord, nil
}

// DeleteTenant begins to delete a tenant. At once its tokens are deleted, and it accepts no request.
// Everything else follows in the background, and continues after a restart: its functions and jobs are
// deleted, its executions cancelled, and then all of its records. Until that is done, the tenant
// exists as one that is being deleted. Without force, a tenant that has functions or jobs is refused.
//
// Errors: CodeNotFound, CodeInvalidArgument for the default tenant, CodeConflict without force,
// CodeUnavailable.
func (k *Keeper) DeleteTenant(ctx context.Context, name runtime.Tenant, force bool) (runtime.TenantRecord, error) {
	if name == runtime.DefaultTenant {
		return runtime.TenantRecord{}, runtime.Errorf(runtime.CodeInvalidArgument, "the tenant %s cannot be deleted", name).
			WithHint("the server's own token belongs to it; delete its functions and tokens instead")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tenants[name]
	if t == nil || name == "" {
		return runtime.TenantRecord{}, runtime.NoTenantError(name)
	}
	if t.Deleting {
		return t.TenantRecord, nil
	}
	if k.engine == nil {
		err := runtime.Errorf(runtime.CodeUnavailable, "the server is starting").WithHint("try again in a moment")
		err.RetryAfter = runtime.BusyRetry
		return runtime.TenantRecord{}, err
	}
	if !force {
		if err := k.closeEmpty(ctx, t); err != nil {
			return runtime.TenantRecord{}, err
		}
	}
	deleting := t.TenantRecord
	deleting.Deleting = true
	if err := k.store.PutTenant(deleting, t.ids); err != nil {
		t.use.Reopen()
		return runtime.TenantRecord{}, err
	}
	t.TenantRecord = deleting
	t.use.Close()
	for _, id := range slices.Clone(t.ids) {
		k.forget(k.tokens[id])
	}
	k.awaken()
	return deleting, nil
}

// closeEmpty closes the use of a tenant that has no functions and jobs, and no requests that may create
// some. Otherwise it returns an error.
func (k *Keeper) closeEmpty(ctx context.Context, t *tenant) error {
	if err := k.checkEmpty(ctx, t.Name); err != nil {
		return err
	}
	t.use.Close()
	err := error(nil)
	if t.use.Requests() > 0 {
		err = runtime.Errorf(runtime.CodeConflict, "the tenant %q has requests in progress, which may create something", string(t.Name)).
			WithHint("try again when they have ended, or delete the tenant with force=true, which deletes everything that it owns")
	} else {
		err = k.checkEmpty(ctx, t.Name)
	}
	if err != nil {
		t.use.Reopen()
	}
	return err
}

// checkEmpty returns an error for a tenant that has functions or jobs.
func (k *Keeper) checkEmpty(ctx context.Context, name runtime.Tenant) error {
	one := runtime.PageRequest{Limit: 1, Uncounted: true}
	functions, err := k.engine.ListFunctions(ctx, name, one)
	if err != nil {
		return err
	}
	jobs, err := k.engine.ListJobs(ctx, name, one)
	if err != nil {
		return err
	}
	if len(functions.Items)+len(jobs.Items) > 0 {
		return runtime.Errorf(runtime.CodeConflict, "the tenant %q has functions or jobs", string(name)).
			WithHint("delete them first, or delete the tenant with force=true, which deletes everything that it owns")
	}
	return nil
}

// attend stores last uses and egress, and deletes tenants, until ctx ends.
func (k *Keeper) attend(ctx context.Context) {
	uses := time.NewTicker(lastUsePause)
	defer uses.Stop()
	store := func() {
		k.storeLastUses()
		k.storeEgress()
	}
	defer store()
	for {
		again := make(<-chan time.Time)
		if pause := k.deleteTenants(ctx); pause > 0 {
			again = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return
		case <-uses.C:
			store()
		case <-k.wake:
		case <-again:
		}
	}
}

// deleteTenants takes a round of steps for each tenant that is being deleted, and returns the time until the
// next one; zero if there is nothing left to do.
func (k *Keeper) deleteTenants(ctx context.Context) (pause time.Duration) {
	k.mu.Lock()
	engine := k.engine
	var deleting []*tenant
	for name, t := range k.tenants {
		if name != "" && t.Deleting {
			deleting = append(deleting, t)
		}
	}
	k.mu.Unlock()
	if engine == nil {
		return 0
	}
	for _, t := range deleting {
		done, err := k.deletePart(ctx, engine, t)
		if err != nil && ctx.Err() == nil {
			k.log.Warn("access: a tenant cannot be deleted yet", "tenant", string(t.Name), "error", err)
		}
		switch {
		case err != nil:
			pause = max(pause, failedPause)
		case !done:
			pause = max(pause, deletePause)
		default:
			k.reclaim(ctx, t.Name)
		}
	}
	return pause
}

// reclaim frees the disk space of a tenant that is gone. That may take long: k.mu must not be held.
func (k *Keeper) reclaim(ctx context.Context, name runtime.Tenant) {
	if err := k.store.ReclaimTenant(ctx, name); err != nil && ctx.Err() == nil {
		k.log.Warn("access: the disk space of a deleted tenant is not free yet", "tenant", string(name), "error", err)
	}
}

// deletePart deletes a part of what a tenant owns and, once nothing is left that changes by itself,
// the rest. done reports that the tenant is gone.
func (k *Keeper) deletePart(ctx context.Context, e Engine, t *tenant) (done bool, err error) {
	quiet, err := emptyInSteps(ctx, e, t)
	if err != nil || !quiet {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.store.DropTenant(t.Name); err != nil {
		if runtime.CodeOf(err) == runtime.CodeConflict {
			err = nil // something has not ended yet
		}
		return false, err
	}
	k.drop(t)
	e.ForgetTenant(t.Name)
	k.log.Info("access: deleted a tenant with all that it owned", "tenant", string(t.Name))
	return true, nil
}

// drop removes a tenant from memory. The caller holds mu.
func (k *Keeper) drop(t *tenant) {
	delete(k.tenants, t.Name)
	k.uses.Delete(t.Name)
	k.memory.Give(tenantBytes + limitsBytes(&t.Limits))
	k.names = remove(k.names, string(t.Name))
}

// emptyInSteps takes a round of steps of empty. quiet reports that nothing is left, and that no request is
// in progress that may create something.
func emptyInSteps(ctx context.Context, e Engine, t *tenant) (quiet bool, err error) {
	for range deleteSteps {
		began := time.Now()
		quiet = t.use.Requests() == 0 // before the look for what the last request has left
		left, err := empty(ctx, e, t.Name)
		if err != nil || left < deleteStep {
			return quiet && left == 0, err
		}
		// Others get as much time as the step has taken.
		select {
		case <-ctx.Done():
			return false, nil
		case <-time.After(time.Since(began)):
		}
	}
	return false, nil
}

// empty deletes functions and jobs of a tenant and cancels its executions, at most deleteStep of each.
// It returns how many it has found.
func empty(ctx context.Context, e Engine, name runtime.Tenant) (found int, err error) {
	step := runtime.PageRequest{Limit: deleteStep, Uncounted: true}
	jobs, err := e.ListJobs(ctx, name, step)
	if err != nil {
		return 0, fmt.Errorf("list its jobs: %w", err)
	}
	functions, err := e.ListFunctions(ctx, name, step)
	if err != nil {
		return 0, fmt.Errorf("list its functions: %w", err)
	}
	unfinished := runtime.ExecutionFilter{States: []runtime.State{runtime.StateQueued, runtime.StateRunning, runtime.StateCancelling}}
	executions, err := e.ListExecutions(ctx, name, unfinished, step)
	if err != nil {
		return 0, fmt.Errorf("list its executions: %w", err)
	}
	var errs []error
	did := func(err error) {
		if found++; err != nil && runtime.CodeOf(err) != runtime.CodeNotFound && len(errs) == 0 {
			errs = append(errs, err)
		}
	}
	for _, j := range jobs.Items {
		_, err := e.DeleteJob(ctx, name, j.Name)
		did(err)
	}
	for _, f := range functions.Items {
		_, err := e.DeleteFunction(ctx, runtime.FunctionDeletion{Tenant: name, Name: f.Name})
		did(err)
	}
	for _, err := range cancelAll(ctx, e, name, executions.Items) {
		did(err)
	}
	return found, errors.Join(errs...)
}

// cancelAll cancels executions, at most deleteStep, all at once, because each waits for the disk. It returns
// an error or nil for each.
func cancelAll(ctx context.Context, e Engine, name runtime.Tenant, all []runtime.Execution) []error {
	errs := make([]error, len(all))
	var cancels sync.WaitGroup
	for i, x := range all {
		cancels.Go(func() { _, _, errs[i] = e.CancelExecution(ctx, name, x.ID) })
	}
	cancels.Wait()
	return errs
}

// storeEgress stores what tenants have sent and received, of those for which it has changed. A process
// that is killed loses what was counted since the last time, at most lastUsePause ago.
func (k *Keeper) storeEgress() {
	k.mu.Lock()
	defer k.mu.Unlock()
	var changed []runtime.TenantRecord
	flush := func() {
		if len(changed) == 0 {
			return
		}
		if err := k.store.PutTenants(changed); err != nil {
			k.log.Warn("access: cannot store the egress of tenants; it is stored later", "error", err)
		} else {
			for _, t := range changed {
				k.tenants[t.Name].Egress = t.Egress
			}
		}
		changed = changed[:0]
	}
	for name, t := range k.tenants {
		if name == "" {
			continue
		}
		record := t.TenantRecord
		if record.Egress = t.use.Counted(); record.Egress != t.Egress {
			if changed = append(changed, record); len(changed) == lastUseBatch {
				flush()
			}
		}
	}
	flush()
}
