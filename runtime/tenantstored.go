package runtime

import "time"

// TenantStored is what a tenant has stored.
type TenantStored struct {
	Functions int64
	Code      int64 // bytes of the sources and contexts of all versions that are kept, and of each bundle once
	Bytes     int64 // of everything else: executions with their args, results and logs, jobs, callbacks and dead letters
}

// FullRetry is the RetryAfter of the errors for tenants that have stored as much as they may.
const FullRetry = 10 * time.Second

// CheckFunctions returns an error if a tenant that has functions may not have more of them. It and the
// methods below permit everything that adds nothing. The errors are CodeTooBusy, or CodeTooLarge for
// what alone is beyond the limit.
func (l *TenantLimits) CheckFunctions(has, more int64) error {
	most := int64(l.Functions)
	if most == 0 || more <= 0 || has+more <= most {
		return nil
	}
	return fullError(more > most, "delete functions that are not needed any more", "the tenant has %d functions, and may have %d", has, most)
}

// CheckCode returns an error if a tenant that has bytes of code may not store more of them.
func (l *TenantLimits) CheckCode(has, more int64) error {
	most := int64(l.CodeBytes)
	if most == 0 || more <= 0 || has+more <= most {
		return nil
	}
	return fullError(more > most, "delete functions that are not needed any more; versions that are kept count, too",
		"the tenant has %s bytes of code, and may have %s: there is no room for %s more", SizeText(int(has)), SizeText(int(most)), SizeText(int(more)))
}

// CheckStored returns an error if a tenant whose records, without its executions that are done, have
// some bytes may not store more of them.
func (l *TenantLimits) CheckStored(has, more int64) error {
	most := int64(l.StoredBytes)
	if most == 0 || more <= 0 || has+more <= most {
		return nil
	}
	return fullError(more > most, "wait until queued executions have ended, delete jobs, or purge dead letters",
		"the tenant has stored %s bytes of queued executions, jobs and callbacks, and may store %s: there is no room for %s more",
		SizeText(int(has)), SizeText(int(most)), SizeText(int(more)))
}

// fullError returns an error for what a tenant may not store now, or never can.
func fullError(never bool, hint, format string, args ...any) *Error {
	err := Errorf(CodeTooBusy, format, args...).WithHint(hint + "; " + RaiseHint)
	err.RetryAfter = FullRetry
	if never {
		err.Code, err.RetryAfter = CodeTooLarge, 0
	}
	return err
}
