// Package key derives the TLS identity of a cluster from one secret that all its processes share. A
// process proves that it has the secret by a certificate of an authority whose private key is
// derived from it; the secret itself is never sent.
// A second secret, which is accepted too, lets one replace the other while the processes run.
package key
