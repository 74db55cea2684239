package runtime

import (
	"sync"
	"time"
)

// EgressDay is how many bytes the functions of a tenant have sent and received on a day.
type EgressDay struct {
	Day   int64 // since 1970, in UTC
	Bytes int64
}

// dayOf returns the number of days since 1970, in UTC.
func dayOf(t time.Time) int64 { return t.Unix() / int64(day/time.Second) }

// egressUse counts what a tenant has sent and received.
type egressUse struct {
	mu  sync.Mutex
	day EgressDay
}

// add counts bytes at a time, and returns what was counted on that day. A clock that is set back by less
// than a day does not begin a day again; after one that was far ahead, the days count anew.
func (u *egressUse) add(n int64, now time.Time) EgressDay {
	u.mu.Lock()
	defer u.mu.Unlock()
	if today := dayOf(now); today > u.day.Day || today < u.day.Day-1 {
		if n == 0 {
			return EgressDay{Day: today}
		}
		u.day = EgressDay{Day: today}
	}
	u.day.Bytes += n
	return u.day
}

// CountEgress counts bytes that functions of the tenant have sent or received, and returns an error once
// there are more than the limit of the day, CodeTooLarge.
func (u *TenantUse) CountEgress(n int64, now time.Time) error {
	if u == nil {
		return nil
	}
	used := u.egress.add(n, now)
	return u.egressError(used.Bytes, now)
}

// CheckEgress returns the error of CountEgress for one more byte.
func (u *TenantUse) CheckEgress(now time.Time) error {
	if u == nil {
		return nil
	}
	used := u.egress.add(0, now)
	return u.egressError(used.Bytes+1, now)
}

func (u *TenantUse) egressError(used int64, now time.Time) error {
	most := int64(u.limits.Load().EgressBytes)
	if most == 0 || used <= most {
		return nil
	}
	err := Errorf(CodeTooLarge, "the tenant has sent and received %s bytes today, the most that it may on a day (UTC)", SizeText(int(most))).
		WithHint("wait until the next day; " + RaiseHint)
	err.RetryAfter = day - now.Sub(time.Unix(dayOf(now)*int64(day/time.Second), 0))
	return err
}

// Egress returns what was counted on the day of a time.
func (u *TenantUse) Egress(now time.Time) EgressDay { return u.egress.add(0, now) }

// Counted returns what was counted on the last day on which there was anything.
func (u *TenantUse) Counted() EgressDay {
	u.egress.mu.Lock()
	defer u.egress.mu.Unlock()
	return u.egress.day
}

// SetEgress sets what was counted before, by another process.
func (u *TenantUse) SetEgress(d EgressDay) {
	u.egress.mu.Lock()
	defer u.egress.mu.Unlock()
	u.egress.day = d
}

// EgressCeiling returns the ceiling over what functions of the tenant may reach.
func (u *TenantUse) EgressCeiling() *EgressCeiling {
	if u == nil {
		return nil
	}
	return u.limits.Load().ceiling
}
