"""Plans subnets, checks allow lists and sorts addresses."""
# args: {"clients": ["10.1.2.3", "192.168.1.77", "2001:db8::dead:beef", "::ffff:10.0.0.1", "127.0.0.1", "8.8.8.8", "fe80::1", "169.254.1.1", "224.0.0.1", "300.1.1.1", "1.2.3", "01.2.3.4", "::1::", ""]}
import ipaddress as ip


def attempt(function, *args, **kwargs):
    try:
        return str(function(*args, **kwargs))
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def classify(text):
    try:
        a = ip.ip_address(text)
    except ValueError as error:
        return str(error)
    return [str(a), a.compressed, a.exploded, a.version, a.is_private, a.is_global, a.is_loopback, a.is_link_local, a.is_multicast, a.is_reserved, a.reverse_pointer, a.packed.hex(), int(a), format(a, "x"), str(getattr(a, "ipv4_mapped", None)), getattr(a, "scope_id", None)]


def main(args, context):
    net = ip.ip_network("10.20.0.0/22")
    nets = [ip.ip_network(n) for n in ("10.0.0.0/25", "10.0.0.128/25", "10.0.1.0/24", "10.0.0.5/32")]
    return {
        "clients": {c: classify(c) for c in args["clients"]}, "network": [str(net.netmask), str(net.hostmask), str(net.broadcast_address), net.num_addresses, net.prefixlen, str(net[5]), str(net[-1]), [str(h) for h in net.hosts()][:2], str(net.supernet()), [str(n) for n in net.subnets(new_prefix=24)]], "in": [ip.ip_address("10.20.3.255") in net, ip.ip_network("10.20.1.0/24").subnet_of(net), net.overlaps(nets[0]), ip.ip_address("::1") in net],
        "collapse": [str(n) for n in ip.collapse_addresses(nets)], "summary": [str(n) for n in ip.summarize_address_range(ip.ip_address("192.0.2.0"), ip.ip_address("192.0.2.130"))], "exclude": sorted(str(n) for n in net.address_exclude(ip.ip_network("10.20.1.0/24"))), "interface": [str(ip.ip_interface("192.168.1.5/24").network), str(ip.ip_interface("2001:db8::5/64").with_netmask), repr(ip.ip_interface("1.2.3.4"))], "sort": [str(a) for a in sorted(map(ip.ip_address, ["10.0.0.2", "9.255.0.1", "10.0.0.10"]))], "mixed": sorted(["10.0.0.1", "::1"], key=lambda a: ip.get_mixed_type_key(ip.ip_address(a))),
        "errors": [attempt(ip.ip_network, "10.0.0.1/24"), attempt(ip.ip_network, "10.0.0.1/24", strict=False), attempt(ip.ip_network, "10.0.0.0/33"), attempt(ip.ip_network, "10.0.0.0/255.0.255.0"), attempt(ip.ip_address, 2**128), attempt(ip.IPv4Address, -1), attempt(lambda: ip.ip_address("1.1.1.1") < ip.ip_address("::1")), attempt(lambda: ip.ip_address("255.255.255.255") + 1), attempt(lambda: net.subnets(new_prefix=8).__next__()), attempt(ip.ip_interface, "x/5"), attempt(ip.ip_address, b"\x01\x02"), attempt(ip.ip_address, b"\x01\x02\x03\x04")],
        "v6": [str(ip.IPv6Address("2001:0db8:0000:0000:0000:0000:0000:0001")), ip.IPv6Address("2002:102:304::").sixtofour.__str__(), str(ip.IPv6Address("::").is_unspecified), ip.IPv6Network("2001:db8::/32").num_addresses, hash(ip.ip_address("1.1.1.1")) == hash(ip.ip_address("1.1.1.1")), repr(ip.IPv4Address(1))],
    }
