package worker

import (
	"fmt"
	"sync"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// maxKept bounds the tenants in the report of a worker.
const maxKept = maxPrograms / programOverhead

// tenantLimits are the limits of a tenant that a worker applies.
type tenantLimits struct {
	share  int // weight when tenants share the processors of the worker
	images int // bytes of images and idle instances; 0: no limit
}

// tenant is a tenant of which a worker knows programs, as the server sees it.
type tenant struct {
	use      *runtime.TenantUse // counts what the worker keeps; nil: the tenant has no limits
	limits   tenantLimits       // that the worker knows
	programs int
	kept     int64 // bytes of images and idle instances, as the worker last reported
}

// tenants are the tenants of the programs that a worker knows. The mutex of the programs guards them.
type tenants struct {
	uses func(runtime.Tenant) *runtime.TenantUse // nil: no tenant has limits
	all  map[runtime.Tenant]*tenant
}

// count counts n more programs of a tenant.
func (s *tenants) count(name runtime.Tenant, n int) {
	t := s.all[name]
	if t == nil {
		if s.all == nil {
			s.all = make(map[runtime.Tenant]*tenant)
		}
		t = &tenant{limits: limitsOf(nil)}
		s.all[name] = t
	}
	if t.programs += n; t.programs <= 0 {
		t.keep(0)
		delete(s.all, name)
	}
}

// limit sends the limits of a tenant to the worker if they have changed since it last got them.
func (s *tenants) limit(c *conn, name runtime.Tenant) {
	t := s.all[name]
	if s.uses == nil || t == nil {
		return
	}
	if use := s.uses(name); use != t.use {
		kept := t.kept
		t.keep(0)
		t.use = use
		t.keep(kept)
	}
	if l := limitsOf(t.use); l != t.limits {
		t.limits = l
		b := wire.AppendBytes(nil, string(name))
		c.send(kindTenant, wire.AppendUint(wire.AppendUint(b, uint64(l.share)), uint64(l.images)))
	}
}

func limitsOf(use *runtime.TenantUse) tenantLimits {
	return tenantLimits{use.ProcessorShare(), use.Limits().Images}
}

// keep sets the bytes that the worker keeps in memory for the tenant.
func (t *tenant) keep(n int64) {
	t.use.GiveImages(t.kept - n)
	t.kept = n
}

// onKept takes the report of the worker: what it keeps in memory for tenants.
func (s *programs) onKept(report []byte) error {
	d := wire.Decode(report)
	kept := make(map[runtime.Tenant]int64)
	for range d.Count(maxKept) {
		name := runtime.Tenant(d.String(maxName))
		kept[name] = int64(d.Count(runtime.MaxTenantBytes))
	}
	if err := d.Err(); err != nil {
		return fmt.Errorf("what a worker keeps for tenants: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, t := range s.tenants.all {
		t.keep(kept[name])
	}
	return nil
}

// workerTenants are the tenants of the programs that a worker knows, in the worker. The goroutine that
// handles frames changes them.
type workerTenants struct {
	uses     sync.Map // of *runtime.TenantUse, by runtime.Tenant
	programs map[runtime.Tenant]int
}

// use returns the use of a tenant, nil for one of which the worker knows no program.
func (s *workerTenants) use(name runtime.Tenant) *runtime.TenantUse {
	use, _ := s.uses.Load(name)
	u, _ := use.(*runtime.TenantUse)
	return u
}

// count counts n more programs of a tenant.
func (s *workerTenants) count(name runtime.Tenant, n int) {
	if s.programs == nil {
		s.programs = make(map[runtime.Tenant]int)
	}
	switch s.programs[name] += n; {
	case s.programs[name] <= 0:
		delete(s.programs, name)
		s.uses.Delete(name)
	case s.use(name) == nil:
		s.uses.Store(name, runtime.NewTenantUse(runtime.TenantLimits{}))
	}
}

// onTenant sets the limits of a tenant.
func (s *workerTenants) onTenant(payload []byte) error {
	d := wire.Decode(payload)
	use := s.use(runtime.Tenant(d.String(maxName)))
	limits := runtime.TenantLimits{ProcessorShare: d.Count(runtime.MaxProcessorShare), Images: d.Count(runtime.MaxTenantBytes)}
	if err := d.Err(); err != nil {
		return err
	}
	if use == nil {
		return errProgram
	}
	use.SetLimits(limits)
	return nil
}

// report returns what the sandbox keeps in memory for tenants.
func (s *workerTenants) report() []byte {
	var b []byte
	n := 0
	for name, use := range s.uses.Range {
		if kept := use.(*runtime.TenantUse).Usage().Images; kept > 0 && n < maxKept {
			n++
			b = wire.AppendUint(wire.AppendBytes(b, string(name.(runtime.Tenant))), uint64(kept))
		}
	}
	return append(wire.AppendUint(nil, uint64(n)), b...)
}
