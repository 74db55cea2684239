package runtime

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// GetJobExecution finds an execution of a job by its name or id.
//
// Errors of this and the methods below: CodeNotFound, CodeInvalidArgument,
// CodeUnavailable, CodeInternal.
func (e *Engine) GetJobExecution(ctx context.Context, tenant Tenant, job, execution string) (x JobExecution, err error) {
	if err := e.enter(); err != nil {
		return JobExecution{}, err
	}
	defer e.gate.leave()
	x, err = e.jobExecution(tenant, job, execution)
	return x, fault("engine.jobexecution", err)
}

func (e *Engine) jobExecution(tenant Tenant, job, execution string) (JobExecution, error) {
	j, err := e.store.GetJobByName(tenant, job)
	if err != nil {
		return JobExecution{}, err
	}
	return e.jobStands(tenant, func() (JobExecution, error) { return e.store.GetJobExecution(tenant, j.ID, execution) })
}

// jobStands reads an execution of a job, as it stands.
func (e *Engine) jobStands(tenant Tenant, read func() (JobExecution, error)) (JobExecution, error) {
	x, err := read()
	if err == nil && !e.background.overlay(&x) {
		// It is done by now.
		x, err = read()
	}
	return x, err
}

// ListJobExecutions gives a page of the executions of a job.
func (e *Engine) ListJobExecutions(ctx context.Context, tenant Tenant, job string, l PageRequest) (page Page[JobExecution], err error) {
	const op = "engine.jobexecutions"
	if err := e.enter(); err != nil {
		return page, err
	}
	defer e.gate.leave()
	j, err := e.store.GetJobByName(tenant, job)
	if err == nil {
		page, err = e.store.ListJobExecutions(tenant, j.ID, l.bounded())
	}
	for i := range page.Items {
		x := &page.Items[i]
		if e.background.overlay(x) {
			continue
		}
		if done, err := e.store.GetJobExecutionByID(tenant, x.ID); err == nil {
			*x = done
		}
	}
	return page, fault(op, err)
}

// taskPrefix and a number are the name of a task.
const taskPrefix = "task-"

// ListTasks gives a page of the tasks of an execution of a job. In the order of
// their names "task-10" comes before "task-2". Tasks that retention has dropped
// are left out, so that there may be fewer than were asked for.
func (e *Engine) ListTasks(ctx context.Context, tenant Tenant, job, execution string, l PageRequest) (page Page[Execution], err error) {
	const op = "engine.jobtasks"
	if err := e.enter(); err != nil {
		return page, err
	}
	defer e.gate.leave()
	j, err := e.store.GetJobByName(tenant, job)
	if err != nil {
		return page, fault(op, err)
	}
	x, err := e.store.GetJobExecution(tenant, j.ID, execution)
	if err != nil {
		return page, fault(op, err)
	}
	page.Total = x.Stats.Total
	numbers, next, err := l.bounded().tasks(page.Total)
	if err != nil {
		return page, fault(op, err)
	}
	page.Next = next
	ids := make([]string, len(numbers))
	for i, n := range numbers {
		ids[i] = TaskID(x.ID, n)
	}
	found, err := e.store.GetExecutions(tenant, ids)
	if err != nil {
		return page, fault(op, err)
	}
	for _, x := range found {
		if x != nil {
			page.Items = append(page.Items, *x)
		}
	}
	return page, nil
}

// tasks gives the numbers of the tasks of a page.
func (l PageRequest) tasks(total int) (page []int, next string, err error) {
	query := strings.ToLower(l.Query)
	var all []int
	for n := range total {
		if query == "" || strings.Contains(taskPrefix+strconv.Itoa(n), query) {
			all = append(all, n)
		}
	}
	if l.Sort == SortNameAsc || l.Sort == SortNameDesc {
		slices.SortFunc(all, func(a, b int) int { return strings.Compare(strconv.Itoa(a), strconv.Itoa(b)) })
	}
	if l.Sort == SortNameDesc || l.Sort == SortCreatedDesc {
		slices.Reverse(all)
	}
	from := min(l.Offset, len(all))
	if l.After != "" {
		n, failed := strconv.Atoi(l.After)
		if from = slices.Index(all, n) + 1; failed != nil || from == 0 {
			return nil, "", Errorf(CodeInvalidArgument, "the position %q is not one that a list has given", l.After).
				WithHint("begin at the first page")
		}
	}
	page = all[from:min(from+l.Limit, len(all))]
	if from+len(page) < len(all) && len(page) > 0 {
		next = strconv.Itoa(page[len(page)-1])
	}
	return page, next, nil
}

// CancelJobExecution cancels an execution of a job: tasks that run go on to their ends, no
// other task starts or is tried again. It is cancelled once none runs. changed is
// false if it had ended, or was cancelled before. When CancelJob returns what was
// queued is cancelled on disk.
func (e *Engine) CancelJobExecution(ctx context.Context, tenant Tenant, job, execution string) (x JobExecution, changed bool, err error) {
	const op = "engine.canceljob"
	if err := e.enter(); err != nil {
		return JobExecution{}, false, err
	}
	defer e.gate.leave()
	if x, err = e.jobExecution(tenant, job, execution); err != nil {
		return JobExecution{}, false, fault(op, err)
	}
	x, changed, err = e.cancelJob(tenant, x.ID)
	return x, changed, fault(op, err)
}

func (e *Engine) cancelJob(tenant Tenant, id string) (JobExecution, bool, error) {
	x, changed, cancelled, err := e.store.CancelJobExecution(tenant, id, e.now().UTC())
	if err != nil {
		return JobExecution{}, false, err
	}
	e.background.cancelGroup(id)
	for _, task := range cancelled {
		e.ends.tell(task)
		e.turns.tell(task)
	}
	if x.State.Terminal() {
		e.jobDone(tenant, x.ID)
		return x, changed, nil
	}
	x, err = e.jobStands(tenant, func() (JobExecution, error) { return e.store.GetJobExecutionByID(tenant, id) })
	return x, changed, err
}

// jobDone is called when an execution of a job is done, on disk. It may be called
// more than once.
func (e *Engine) jobDone(tenant Tenant, id string) {
	told := e.background.tells(id)
	e.background.dropGroup(id)
	e.ends.tell(id)
	if told {
		e.deliveries.ended(tenant, id)
	}
}

// AwaitJobExecution gives an execution of a job as soon as it is done. When ctx ends
// before, or the server begins to shut down, it gives it as it stands, without an
// error.
func (e *Engine) AwaitJobExecution(ctx context.Context, tenant Tenant, job, execution string) (JobExecution, error) {
	const op = "engine.awaitjob"
	if err := e.enter(); err != nil {
		return JobExecution{}, err
	}
	defer e.gate.leave()
	x, err := e.jobExecution(tenant, job, execution)
	if err != nil || x.State.Terminal() || ctx.Err() != nil {
		return x, fault(op, err)
	}
	id := x.ID
	stands := func() (JobExecution, error) {
		return e.jobStands(tenant, func() (JobExecution, error) { return e.store.GetJobExecutionByID(tenant, id) })
	}
	end, leave := e.ends.of(id)
	defer leave()
	if x, err = stands(); err != nil || x.State.Terminal() {
		return x, fault(op, err)
	}
	select {
	case <-end:
	case <-ctx.Done():
	case <-e.background.shutting:
	}
	x, err = stands()
	return x, fault(op, err)
}
