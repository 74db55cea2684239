# differs: without an allow list, a connection raises what the package raises if it cannot connect
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.resolver
import dns.reversename
import dns.rrset
import dns.zone

ZONE = """$TTL 300
@ IN SOA ns admin 1 2 3 4 5
@ IN NS ns
@ IN MX 10 mail
ns IN A 192.0.2.1
mail IN AAAA 2001:db8::1
www IN CNAME ns
txt IN TXT "a b" "c"
"""


def main(args, context):
    zone = dns.zone.from_text(ZONE, origin="example.org.", relativize=False)
    query = dns.message.make_query("www.example.org", "A", use_edns=0, want_dnssec=True)
    query.id = 4711
    wire = query.to_wire()
    response = dns.message.make_response(dns.message.from_wire(wire))
    response.answer.append(dns.rrset.from_text("www.example.org.", 60, "IN", "A", "192.0.2.1", "192.0.2.2"))
    answer = dns.resolver.Answer(dns.name.from_text("www.example.org"), dns.rdatatype.A, 1, response)
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = 9
    try:
        resolver.resolve("h.invalid", lifetime=0.1)
        offline = "connected"
    except dns.exception.DNSException:
        offline = "offline"
    return [
        wire.hex(), dns.flags.to_text(response.flags), [str(a) for a in answer], str(dns.reversename.from_address("192.0.2.1")),
        sorted("%s %s %s" % (name, ttl, data) for name, ttl, data in zone.iterate_rdatas()), zone.to_text().splitlines()[0],
        dns.name.from_text("bücher.example").to_text(), dns.name.from_text("a.b").is_subdomain(dns.name.from_text("b")), offline,
    ]
