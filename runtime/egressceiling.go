package runtime

import (
	"slices"
	"strings"
)

// NoEgress, as the only rule of a ceiling, lets functions reach nothing.
const NoEgress = "none"

// EgressCeiling has the rules beyond which functions reach nothing, whatever they allow. Nil has no
// bound. It does not change.
type EgressCeiling struct{ rules []AllowRule }

// ParseEgressCeiling parses the rules of a ceiling, or [NoEgress] alone. Without rules there is none: nil.
func ParseEgressCeiling(texts []string) (*EgressCeiling, error) {
	switch {
	case len(texts) == 0:
		return nil, nil
	case slices.Equal(texts, []string{NoEgress}):
		return &EgressCeiling{}, nil
	}
	rules, err := ParseAllow(texts)
	if err != nil {
		return nil, err
	}
	return &EgressCeiling{rules}, nil
}

// Allows reports whether match returns true for a rule of the ceiling, or if there is none.
func (c *EgressCeiling) Allows(match func(AllowRule) bool) bool {
	return c == nil || slices.ContainsFunc(c.rules, match)
}

// NormalEgressHosts returns the rules of a ceiling as [TenantLimits] has them: in the form in which
// [AllowRule.String] writes them, with a space between two.
func NormalEgressHosts(texts []string) (string, error) {
	ceiling, err := ParseEgressCeiling(texts)
	switch {
	case err != nil || ceiling == nil:
		return "", err
	case len(ceiling.rules) == 0:
		return NoEgress, nil
	}
	normal := make([]string, len(ceiling.rules))
	for i, r := range ceiling.rules {
		normal[i] = r.String()
	}
	return strings.Join(normal, " "), nil
}

// Hosts returns the rules of EgressHosts, nil if there are none.
func (l *TenantLimits) Hosts() []string {
	if l.EgressHosts == "" {
		return nil
	}
	return strings.Split(l.EgressHosts, " ")
}
