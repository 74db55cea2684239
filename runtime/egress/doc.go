// Package egress owns which addresses elsewhere the server reaches on behalf of
// its tenants, and how: it implements runtime.Poster over net/http.
//
// Nobody may use the server to reach what only the server can reach. Addresses
// that are not of the public internet (loopback, private, link-local, carriers',
// multicast, translated, documentation), and the machine's own, are denied unless
// the operator allows them. What counts is the address of each dial, after the name was
// resolved: a name that resolves to another address a moment later gains nothing.
// The list is that of the IANA special-purpose registries, as package
// code.dny.dev/ssrf has it.
//
// Redirects are not followed, proxies of the environment and cookies are not used,
// no connection is used twice, and of an answer nothing but its status is of
// interest.
//
//	poster, err := egress.New(egress.Options{Allow: []string{"10.1.0.0/16", "hooks.internal:8443"}})
package egress
