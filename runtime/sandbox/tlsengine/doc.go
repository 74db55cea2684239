// Package tlsengine runs TLS connections over memory, for guests whose TLS the host computes. An
// [Engine] has no socket and no goroutine of its own: its caller feeds it what the peer has sent and
// sends what it writes. An operation that lacks bytes returns [WantRead], and continues when it is
// called again.
//
// The protocol is crypto/tls. Verification is crypto/x509, of the chain that OpenSSL would have built.
// Settings, results and errors have the names, codes and texts of OpenSSL 3.0, because programs and
// their tests know them.
package tlsengine
