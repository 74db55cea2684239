package egress

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// zone is a fake server of DNS. It maps a name, with a dot at its end, to what it resolves to, as a
// question arrives; all other names do not exist.
type zone map[string]func() []dnsmessage.ResourceBody

// fixed returns addresses that do not change, and names that a name is another name of.
func fixed(all ...string) func() []dnsmessage.ResourceBody {
	return func() (bodies []dnsmessage.ResourceBody) {
		for _, text := range all {
			address, err := netip.ParseAddr(text)
			switch {
			case err != nil:
				bodies = append(bodies, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(text)})
			case address.Is4():
				bodies = append(bodies, &dnsmessage.AResource{A: address.As4()})
			default:
				bodies = append(bodies, &dnsmessage.AAAAResource{AAAA: address.As16()})
			}
		}
		return bodies
	}
}

// flipping returns one of several answers after the other, for the questions of one type.
func flipping(all ...string) func() []dnsmessage.ResourceBody {
	var mu sync.Mutex
	n := 0
	return func() []dnsmessage.ResourceBody {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fixed(all[min(n, len(all))-1])()
	}
}

// answer adds the records for a question to a message, and follows other names.
func (z zone) answer(m *dnsmessage.Message, q dnsmessage.Question) {
	name := q.Name
	for range 10 {
		records := z[strings.ToLower(name.String())]
		if records == nil {
			m.RCode = dnsmessage.RCodeNameError
			return
		}
		var next dnsmessage.Name
		add := func(body dnsmessage.ResourceBody, kind dnsmessage.Type) {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: name, Type: kind, Class: q.Class, TTL: 0}, Body: body})
		}
		for _, body := range records() {
			switch body := body.(type) {
			case *dnsmessage.AResource:
				if q.Type == dnsmessage.TypeA {
					add(body, q.Type)
				}
			case *dnsmessage.AAAAResource:
				if q.Type == dnsmessage.TypeAAAA {
					add(body, q.Type)
				}
			case *dnsmessage.CNAMEResource:
				add(body, dnsmessage.TypeCNAME)
				next = body.CNAME
			}
		}
		if next.Length == 0 {
			return
		}
		name = next
	}
}

// serve answers the questions of one connection.
func (z zone) serve(c net.Conn, asked func(string)) {
	defer c.Close()
	for {
		var head [2]byte
		if _, err := readFull(c, head[:]); err != nil {
			return
		}
		query := make([]byte, int(head[0])<<8|int(head[1]))
		if _, err := readFull(c, query); err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(query) != nil {
			return
		}
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		asked(m.Questions[0].Name.String())
		z.answer(&m, m.Questions[0])
		answer, err := m.Pack()
		if err != nil {
			return
		}
		if _, err := c.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...)); err != nil {
			return
		}
	}
}

// questions are the names that a zone was asked for.
type questions struct {
	mu    sync.Mutex
	names []string
}

func (q *questions) add(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.names = append(q.names, name)
}

func (q *questions) list() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]string(nil), q.names...)
}

// resolver returns a resolver that asks the zone.
func (z zone) resolver(t *testing.T) (*net.Resolver, *questions) {
	t.Helper()
	q := &questions{}
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go z.serve(ours, q.add)
		return theirs, nil
	}}, q
}
