// Package access owns who may use a server: tenants, tokens and passwords. A [Keeper] has all of them
// in memory, so that the check of a token is one hash and one look-up, without a lock and without the
// disk. A change is durable before it takes effect, and takes effect at once.
//
//	k, err := access.Open(access.Options{Store: store, Memory: budget, Admin: sha256OfTheAdminToken})
//	if err != nil {
//		return err
//	}
//	defer k.Close()
//	identity, err := k.Authenticate(token)
//
// It refuses to know how requests arrive, and what a scope permits there.
//
// All methods of a Keeper may be called concurrently. It has one goroutine, which stores when tokens
// were last used and deletes tenants; Close ends it.
package access
