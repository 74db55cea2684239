package storage

import (
	"cmp"
	"slices"

	"github.com/faaspot/faaspot/runtime"
)

// Breakdown returns what takes room in the store: the tenants and the functions that have most, at most
// most of each. It reads nothing from the disk but the sizes of its files.
func (s *Store) Breakdown(most int) (b runtime.StorageBreakdown, err error) {
	if err := s.enter(); err != nil {
		return b, fault("storage.breakdown", err)
	}
	defer s.life.RUnlock()
	b.Tables = int64(s.db.Metrics().DiskSpaceUsage())
	b.Tenants = largest(s.breakTenants(), most, func(t runtime.TenantStorage) int64 { return t.Total() },
		func(a, b runtime.TenantStorage) int { return cmp.Compare(a.Tenant, b.Tenant) })
	b.Functions = largest(s.usage.functions(), most, func(f runtime.FunctionStorage) int64 { return f.Bytes },
		func(a, b runtime.FunctionStorage) int {
			return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
		})
	return b, nil
}

// breakTenants returns what each tenant has stored.
func (s *Store) breakTenants() []runtime.TenantStorage {
	all := map[runtime.Tenant]runtime.TenantStorage{}
	s.holdings.mu.Lock()
	for tenant, h := range s.holdings.all {
		all[tenant] = runtime.TenantStorage{Tenant: tenant, Code: h.sources, Bundles: h.bundles, Unfinished: h.rest}
	}
	s.holdings.mu.Unlock()
	s.bundles.mu.Lock()
	for tenant, bytes := range s.bundles.bytecode {
		t := all[tenant]
		t.Tenant, t.Bytecode = tenant, bytes
		all[tenant] = t
	}
	s.bundles.mu.Unlock()
	s.usage.mu.Lock()
	for tenant, bytes := range s.usage.sums {
		t := all[tenant]
		t.Tenant, t.Executions = tenant, bytes
		all[tenant] = t
	}
	s.usage.mu.Unlock()
	list := make([]runtime.TenantStorage, 0, len(all))
	for _, t := range all {
		list = append(list, t)
	}
	return list
}

// functions returns what is kept of the executions of each function that are done.
func (u *usage) functions() (list []runtime.FunctionStorage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for tenant, functions := range u.all {
		for id, h := range functions {
			f := runtime.FunctionStorage{Tenant: tenant, ID: id, Executions: h.count, Bytes: h.bytes}
			for name := range h.names {
				f.Name = max(f.Name, name) // a function that was renamed has several
			}
			list = append(list, f)
		}
	}
	return list
}

// largest returns the elements of which size is largest, at most most of them, the largest first.
func largest[T any](list []T, most int, size func(T) int64, order func(a, b T) int) []T {
	slices.SortFunc(list, func(a, b T) int { return cmp.Or(cmp.Compare(size(b), size(a)), order(a, b)) })
	return slices.Clone(list[:min(most, len(list))])
}
