package runtime

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Bounds of allow lists.
const (
	MaxAllow     = 100 // rules of a function
	MaxAllowRule = 300 // bytes of a rule
	maxHost      = 253 // bytes of a name in DNS
	maxHostLabel = 63  // bytes of a part of a name between dots
)

const allowHint = `write HOST:PORT or udp:HOST:PORT, such as "api.example.com:443", "*.example.com:443", "10.1.2.0/24:6379" or "[2001:db8::7]:443"`

// AllowRule is a rule of an allow list: one port of a host, of all names below a name, or of a
// network of addresses. It is comparable.
type AllowRule struct {
	udp     bool         // of UDP, else of TCP
	below   bool         // of all names below name, but not of name itself
	name    string       // as [ParseHost] returns it; empty: the rule has a network
	network netip.Prefix // masked, without zone; of IPv4 rather than mapped to IPv6
	port    uint16       // from 1
}

// ParseAllow parses an allow list. Rules that occur again are left out.
func ParseAllow(texts []string) ([]AllowRule, error) {
	if len(texts) > MaxAllow {
		return nil, Errorf(CodeInvalidArgument, "the allow list has more than %d rules", MaxAllow).
			WithHint(`one rule can allow many hosts: "*.example.com:443" or "10.1.2.0/24:6379"`)
	}
	rules := make([]AllowRule, 0, len(texts))
	for _, text := range texts {
		r, err := ParseAllowRule(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(rules, r) {
			rules = append(rules, r)
		}
	}
	return rules, nil
}

// NormalAllow returns an allow list in the form in which it is stored and shown: the rules as
// [AllowRule.String] writes them. Nil stays nil, and an empty list empty.
func NormalAllow(texts []string) ([]string, error) {
	if texts == nil {
		return nil, nil
	}
	rules, err := ParseAllow(texts)
	if err != nil {
		return nil, err
	}
	normal := make([]string, len(rules))
	for i, r := range rules {
		normal[i] = r.String()
	}
	return normal, nil
}

// ParseAllowRule parses a rule in the form [udp:]HOST:PORT. HOST is a name, *.NAME, an address, an
// IPv6 address in brackets, or a network such as 10.1.2.0/24 or [2001:db8::/32].
func ParseAllowRule(text string) (r AllowRule, err error) {
	fail := func(hint, format string, args ...any) (AllowRule, error) {
		e := Errorf(CodeInvalidArgument, "the rule %s cannot be allowed: "+format, append([]any{quoteRule(text)}, args...)...)
		return AllowRule{}, e.WithHint(hint)
	}
	rest := text
	if prefix, after, ok := strings.Cut(text, ":"); ok && strings.EqualFold(prefix, "udp") {
		r.udp, rest = true, after
	}
	at := strings.LastIndexByte(rest, ':')
	switch {
	case text == "":
		return fail(allowHint, "it is empty")
	case len(text) > MaxAllowRule:
		return fail(allowHint, "it has %d bytes, at most %d are allowed", len(text), MaxAllowRule)
	case strings.Contains(text, "://"):
		return fail("leave the scheme and the path out: https has the port 443, http the port 80", "it is a URL, not a host with a port")
	case at < 0 || strings.IndexByte(rest[at:], ']') >= 0:
		return fail(allowHint, "it has no port")
	}
	host, port := rest[:at], rest[at+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '0' || port[0] == '+' {
		return fail("give one port for each rule, a number from 1 to 65535", "%s is not a port", quoteRule(port))
	}
	r.port = uint16(n)
	switch name, below := strings.CutPrefix(host, "*."); {
	case host == "":
		return fail(allowHint, "it has no host")
	case below:
		r.below, host = true, name
	case strings.Contains(host, "*"):
		return fail(`write "*.example.com:443" for all names below example.com`, "* can only stand for the first parts of a name")
	case strings.Contains(host, "/"):
		if r.network, err = parseNetwork(host); err != nil {
			return fail("write a network as its first address and the length of its prefix, such as 10.1.2.0/24 or [2001:db8::/32]", "%s", err)
		}
		return r, nil
	case strings.Contains(host, ":") && host[0] != '[':
		return fail(`write an IPv6 address in brackets: "[2001:db8::7]:443"`, "it is not clear where the port begins")
	}
	name, address, err := ParseHost(host)
	switch e, _ := AsError(err); {
	case err != nil:
		return fail(e.Hint, "%s", e.Message)
	case address.IsValid() && r.below:
		return fail(allowHint, "no name is below the address %s", address)
	case address.IsValid():
		r.network = netip.PrefixFrom(address, address.BitLen())
	case r.below && len("x.")+len(name) > maxHost:
		return fail(allowHint, "no name below %s is short enough for DNS", name)
	default:
		r.name = name
	}
	return r, nil
}

// quoteRule quotes a part of a rule, which may be long, for a message.
func quoteRule(text string) string {
	const shown = 80
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "..."
	}
	return strconv.Quote(text)
}

// parseNetwork parses 10.1.2.0/24, [2001:db8::/32] or [2001:db8::]/32.
func parseNetwork(text string) (netip.Prefix, error) {
	inner := text
	if strings.HasPrefix(text, "[") {
		inner = strings.Replace(text[1:], "]", "", 1)
	}
	network, err := netip.ParsePrefix(inner)
	if bracketed := len(inner) == len(text)-len("[]"); err != nil || bracketed != network.Addr().Is6() {
		return netip.Prefix{}, Errorf(CodeInvalidArgument, "%s is not a network", quoteRule(text))
	}
	const mapped = 96 // bits of the prefix of IPv4 addresses that are mapped to IPv6
	if network.Addr().Is4In6() && network.Bits() >= mapped {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-mapped)
	}
	if network != network.Masked() {
		return netip.Prefix{}, Errorf(CodeInvalidArgument, "%s has bits behind its prefix: the network is %s", network, network.Masked())
	}
	return network, nil
}

// hostNames maps the names of hosts to the form in which DNS has them.
var hostNames = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.CheckHyphens(false), idna.StrictDomainName(false))

// ParseHost parses the host of an allow list, a URL or a look-up. It returns either a name, in lower
// case, in ASCII (Punycode) and without a dot at its end, or an address, of IPv4 if it is mapped to
// IPv6. A number or a short form that some systems take for an address (127.1, 2130706433, 0x7f.1) is
// an error.
func ParseHost(text string) (name string, address netip.Addr, err error) {
	fail := func(hint, why string) (string, netip.Addr, error) {
		return "", netip.Addr{}, Errorf(CodeInvalidArgument, "%s %s", quoteRule(text), why).WithHint(hint)
	}
	const hint = "use a name such as api.example.com, an address such as 10.1.2.3, or an IPv6 address in brackets"
	name = text
	bracketed := strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]")
	if bracketed {
		name = text[1 : len(text)-1]
	}
	switch {
	case len(text) > MaxAllowRule:
		return fail(hint, "is too long for a host")
	case !utf8.ValidString(text):
		return fail(hint, "is not UTF-8")
	case bracketed || strings.Contains(name, ":"):
		address, err = netip.ParseAddr(name)
		if err != nil || !address.Is6() || address.Zone() != "" {
			return fail(hint, "is not an IPv6 address without a zone")
		}
		return "", address.Unmap(), nil
	}
	if name, err = hostNames.ToASCII(name); err != nil {
		return fail(hint, "is not the name of a host")
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if address, err = netip.ParseAddr(name); err == nil && address.Is4() {
		return "", address, nil
	}
	if len(name) > maxHost {
		return fail(hint, "is too long for the name of a host")
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return fail(hint, "is not the name of a host")
		}
		last = label
	}
	if isNumber(last) {
		return fail("write an IPv4 address as four numbers, such as 127.0.0.1", "is neither an address nor a name: its last part is a number")
	}
	return name, netip.Addr{}, nil
}

// validLabel reports whether text can be a part of a name. Names of services in private networks
// have underscores.
func validLabel(text string) bool {
	if text == "" || len(text) > maxHostLabel || text[0] == '-' || text[len(text)-1] == '-' {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// isNumber reports whether a last label makes a name a number for resolvers that accept the forms of
// inet_aton: decimal, octal or hexadecimal.
func isNumber(label string) bool {
	digits, hex := strings.CutPrefix(label, "0x")
	for i := range len(digits) {
		c := digits[i]
		if (c < '0' || c > '9') && (!hex || c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Name returns the name of the rule, such as "example.com" or "*.example.com", empty if it has a network.
func (r AllowRule) Name() string {
	if r.below {
		return "*." + r.name
	}
	return r.name
}

// String returns the rule in its normal form, which ParseAllowRule reads.
func (r AllowRule) String() string {
	host := r.Name()
	switch {
	case host != "":
	case r.network.IsSingleIP() && r.network.Addr().Is4():
		host = r.network.Addr().String()
	case r.network.IsSingleIP():
		host = "[" + r.network.Addr().String() + "]"
	case r.network.Addr().Is4():
		host = r.network.String()
	default:
		host = "[" + r.network.String() + "]"
	}
	return protocolPrefix(r.Network()) + host + ":" + strconv.Itoa(int(r.port))
}

// protocolPrefix returns what a rule for "tcp" or "udp" begins with.
func protocolPrefix(network string) string {
	if network == "udp" {
		return "udp:"
	}
	return ""
}

// Network returns "tcp" or "udp".
func (r AllowRule) Network() string {
	if r.udp {
		return "udp"
	}
	return "tcp"
}

// Port returns the port of the rule.
func (r AllowRule) Port() uint16 { return r.port }

// AllowsName reports whether the rule allows a port of a name, in the form of ParseHost. A rule for
// addresses allows no name, whatever the name resolves to.
func (r AllowRule) AllowsName(name string) bool {
	if r.below {
		return strings.HasSuffix(name, r.name) && strings.HasSuffix(name[:len(name)-len(r.name)], ".")
	}
	return r.name != "" && name == r.name
}

// AllowsAddress reports whether the rule allows a port of an address as such, whatever name it has.
func (r AllowRule) AllowsAddress(address netip.Addr) bool {
	return r.name == "" && r.network.Contains(address.Unmap())
}

// Covers reports whether the rule allows all that another one allows.
func (r AllowRule) Covers(other AllowRule) bool {
	switch {
	case r.udp != other.udp || r.port != other.port:
		return false
	case other.name == "":
		return r.name == "" && r.network.Bits() <= other.network.Bits() && r.network.Contains(other.network.Addr())
	case r.below && other.below && r.name == other.name:
		return true
	}
	return (r.below || !other.below) && r.AllowsName(other.name)
}
