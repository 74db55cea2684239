package tlsengine

import (
	"crypto/tls"
	"crypto/x509"
)

// Info describes a connection after its handshake.
type Info struct {
	Version        string   `json:"version"`
	Cipher         *[3]any  `json:"cipher"` // name, protocol, bits
	ALPN           *string  `json:"alpn"`
	SessionReused  bool     `json:"session_reused"`
	Session        int32    `json:"session"` // 0: none
	SessionTime    int64    `json:"session_time"`
	Ticket         bool     `json:"ticket"`
	TicketLifetime int64    `json:"ticket_lifetime"` // seconds; 0: unknown
	Chain          [][]byte `json:"chain"`           // DER, as the peer has sent it
	Verified       [][]byte `json:"verified"`        // DER, with the anchor
	SharedCiphers  [][3]any `json:"shared_ciphers"`  // of a server
	TLSUnique      []byte   `json:"tls_unique"`
}

// Info returns what is known of the connection, or nil before the end of the handshake.
func (e *Engine) Info() *Info {
	if !e.complete {
		return nil
	}
	state := e.conn.ConnectionState()
	i := &Info{
		Version: map[uint16]string{tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"}[state.Version], SessionReused: state.DidResume,
		Chain: rawOf(state.PeerCertificates), Verified: rawOf(e.verified), TLSUnique: state.TLSUnique,
	}
	if s := suiteOf(state.CipherSuite); s != nil {
		i.Cipher = new(s.tuple())
	}
	if state.NegotiatedProtocol != "" {
		i.ALPN = &state.NegotiatedProtocol
	}
	if x := e.session; x != nil {
		i.Session, i.SessionTime, i.Ticket = x.number, x.time.Unix(), true
	}
	for _, id := range e.shared {
		if s := suiteOf(id); s != nil {
			i.SharedCiphers = append(i.SharedCiphers, s.tuple())
		}
	}
	return i
}

func (s *suite) tuple() [3]any { return [3]any{s.name, s.protocol, s.bits} }

func rawOf(list []*x509.Certificate) (raw [][]byte) {
	for _, c := range list {
		raw = append(raw, c.Raw)
	}
	return raw
}
