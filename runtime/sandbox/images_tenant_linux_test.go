package sandbox

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// tenantsWithImages are the uses of tenants in a test.
type tenantsWithImages map[runtime.Tenant]*runtime.TenantUse

func (u tenantsWithImages) use(tenant runtime.Tenant) *runtime.TenantUse { return u[tenant] }

// check verifies that what the tenants keep is what their images and idle slots in memory keep, and that
// each is within its limit.
func (u tenantsWithImages) check(t *testing.T, box *Sandbox) {
	t.Helper()
	settle(box)
	kept := map[runtime.Tenant]int64{}
	for e := box.images.order.Front(); e != nil; e = e.Next() {
		img := e.Value.(*cachedImage).image
		kept[img.tenant] += img.kept()
	}
	for s := range box.pool.idle.each() {
		if s.image != nil {
			kept[s.tenant] += s.charged
		}
	}
	for tenant, use := range u {
		usage := use.Usage()
		if usage.Images != kept[tenant] {
			t.Errorf("tenant %s keeps %d bytes, counted are %d", tenant, kept[tenant], usage.Images)
		}
		if most := int64(usage.Limits.Images); most > 0 && usage.Images > most {
			t.Errorf("tenant %s keeps %d bytes, more than its limit of %d", tenant, usage.Images, most)
		}
	}
}

// inMemory reports for each program whether its image is in memory.
func inMemory(t *testing.T, box *Sandbox, programs []runtime.Program) (in []bool) {
	t.Helper()
	for _, p := range programs {
		img := box.images.get(keyOf(p))
		if img == nil {
			t.Fatalf("the image of %s was dropped", p.Name)
		}
		in = append(in, !img.onDisk())
		img.release()
	}
	return in
}

// TestImagesOfATenant deploys more functions than a tenant may keep images of in memory: the least
// recently used move to disk, no run executes a module body again, and a neighbour keeps its own.
func TestImagesOfATenant(t *testing.T) {
	const size = 3 * runtime.MiB
	uses := tenantsWithImages{
		"a": runtime.NewTenantUse(runtime.TenantLimits{Images: 4*size + 5*runtime.MiB}),
		"b": runtime.NewTenantUse(runtime.TenantLimits{}),
	}
	box := openWithDisk(t, Options{IdleSlots: 4, Uses: uses.use})
	deploy := func(tenant runtime.Tenant, bytes int) runtime.Program {
		p := program(named(bytes), runtime.Limits{})
		p.Tenant = tenant
		outcome, err := box.Deploy(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		checkClass(t, outcome, "")
		return p
	}
	neighbours := []runtime.Program{deploy("b", size), deploy("b", size)}
	var programs []runtime.Program
	var made []string
	for i := range 8 {
		programs = append(programs, deploy("a", size))
		made = append(made, result(t, box, programs[i], "{}"))
		if i > 0 {
			result(t, box, programs[0], "{}") // the first stays in use
		}
		uses.check(t, box)
	}
	in := inMemory(t, box, programs)
	if !in[0] || !in[7] || in[1] || in[2] {
		t.Errorf("of the images, the first of which was used all the time, these are in memory: %v", in)
	}
	if in := inMemory(t, box, neighbours); fmt.Sprint(in) != "[true true]" {
		t.Errorf("of the images of a neighbour, these are in memory: %v", in)
	}
	for i, p := range programs {
		if got := result(t, box, p, "{}"); got != made[i] {
			t.Errorf("a run of function %d returned %s, want %s", i, got, made[i])
		}
	}
	uses.check(t, box)
	large := deploy("a", 6*size) // alone beyond the limit: it is stored on disk
	if in := inMemory(t, box, []runtime.Program{large}); in[0] {
		t.Error("an image that is larger than the limit of its tenant is in memory")
	}
	for _, p := range append(append(programs, neighbours...), large) {
		box.Forget(p.FunctionID, p.Version)
	}
	uses.check(t, box)
	box.reclaimSlots(math.MaxInt64) // of deployments
	for tenant, use := range uses {
		if n := use.Usage().Images; n != 0 {
			t.Errorf("tenant %s keeps %d bytes after its functions were deleted", tenant, n)
		}
	}
	if len(box.images.byTenant) > 0 {
		t.Errorf("%d tenants are remembered", len(box.images.byTenant))
	}
}

// TestLoweredLimitOfImages lowers the limit of a tenant whose functions nobody calls any more: what it keeps
// beyond moves to disk or is closed, and a neighbour keeps its own.
func TestLoweredLimitOfImages(t *testing.T) {
	const size = 3 * runtime.MiB
	uses := tenantsWithImages{"a": runtime.NewTenantUse(runtime.TenantLimits{}), "b": runtime.NewTenantUse(runtime.TenantLimits{})}
	box := openWithDisk(t, Options{IdleSlots: 8, Uses: uses.use})
	programs := map[runtime.Tenant][]runtime.Program{}
	for i := range 8 {
		p := program(named(size), runtime.Limits{})
		p.Tenant = []runtime.Tenant{"a", "b"}[i%2]
		if outcome, err := box.Deploy(t.Context(), p); err != nil || outcome.Failure != nil {
			t.Fatalf("deploying: %v, %v", outcome.Failure, err)
		}
		result(t, box, p, "{}")
		programs[p.Tenant] = append(programs[p.Tenant], p)
	}
	for _, limit := range []int{2*size + 5*runtime.MiB, 1} {
		if uses["a"].SetLimits(runtime.TenantLimits{Images: limit}); uses["a"].ImagesBeyond(0) <= 0 {
			t.Fatalf("the tenant keeps only %d bytes", uses["a"].Usage().Images)
		}
		box.reclaimTenants()
		uses.check(t, box)
	}
	if in := inMemory(t, box, programs["a"]); fmt.Sprint(in) != "[false false false false]" {
		t.Errorf("of the images of the tenant, these are in memory: %v", in)
	}
	if in := inMemory(t, box, programs["b"]); fmt.Sprint(in) != "[true true true true]" {
		t.Errorf("of the images of a neighbour, these are in memory: %v", in)
	}
	for _, all := range programs {
		for _, p := range all {
			result(t, box, p, "{}")
		}
	}
	uses.check(t, box)
}

// TestImagesOfATenantHammer deploys, calls and deletes functions of limited tenants at once, while the
// memory of caches is taken away: their use stays within the limits, and is exact in the end.
func TestImagesOfATenantHammer(t *testing.T) {
	uses := tenantsWithImages{}
	for _, tenant := range []runtime.Tenant{"a", "b"} {
		uses[tenant] = runtime.NewTenantUse(runtime.TenantLimits{Images: 6 * runtime.MiB})
	}
	box := openWithDisk(t, Options{IdleSlots: 4, Uses: uses.use})
	var workers sync.WaitGroup
	for i := range 4 {
		workers.Go(func() {
			for n := range 6 {
				p := program(named((n%3)*runtime.MiB), runtime.Limits{})
				p.Tenant = []runtime.Tenant{"a", "b"}[i%2]
				if outcome, err := box.Deploy(t.Context(), p); err != nil || outcome.Failure != nil {
					t.Errorf("deploying: %v, %v", outcome.Failure, err)
					return
				}
				for range 3 {
					result(t, box, p, "{}")
				}
				if n%2 == 0 {
					box.Forget(p.FunctionID, p.Version)
				}
				if n == 3 {
					box.reclaimSlots(math.MaxInt64)
					box.reclaimImages(math.MaxInt64)
				}
				for tenant, use := range uses {
					if u := use.Usage(); u.Images < 0 || u.Images > int64(u.Limits.Images) {
						t.Errorf("tenant %s keeps %d bytes of %d", tenant, u.Images, u.Limits.Images)
					}
				}
			}
		})
	}
	workers.Wait()
	uses.check(t, box)
}

// TestIdleSlotsOfATenant verifies that an idle slot takes the place of one that was used less recently
// once its tenant may keep no more, and that slots of others stay.
func TestIdleSlotsOfATenant(t *testing.T) {
	uses := tenantsWithImages{"a": runtime.NewTenantUse(runtime.TenantLimits{Images: 10_000}), "b": runtime.NewTenantUse(runtime.TenantLimits{})}
	p := newTestPool(100)
	p.uses = uses.use
	img := &image{size: pageSize}
	slots := func(tenant runtime.Tenant, bytes int64, n int) (all []*slot) {
		for range n {
			s := poolSlot(img, tenant, pageSize)
			s.idle = bytes
			all = append(all, s)
		}
		return all
	}
	b := slots("b", 4000, 3)
	for _, s := range b {
		if p.put(s) != nil {
			t.Fatal("a slot without a limit is not kept")
		}
	}
	a := slots("a", 4000, 4)
	for i, s := range a {
		surplus := p.put(s)
		if want := append([]*slot{nil, nil}, a...)[i]; surplus != want {
			t.Errorf("slot %d replaced %p, want %p", i, surplus, want)
		}
		if n := uses["a"].Usage().Images; n > 10_000 || n != int64(min(i+1, 2))*4000 {
			t.Errorf("the tenant keeps %d bytes after slot %d", n, i)
		}
	}
	if large := slots("a", 9000, 1)[0]; p.put(large) != large {
		t.Error("a slot that exceeds the limit beside smaller ones is kept")
	}
	if n := uses["b"].Usage().Images; n != 12_000 || p.account.Held() != 20_000 {
		t.Errorf("a neighbour keeps %d bytes, all %d", n, p.account.Held())
	}
	for p.idle.len() > 0 {
		s := p.idle.copied.first
		p.remove(s)
		s.image = nil // as closing does
		p.discharge(s)
	}
	if uses["a"].Usage().Images != 0 || uses["b"].Usage().Images != 0 || p.account.Held() != 0 {
		t.Error("something is counted for an empty pool")
	}
}
