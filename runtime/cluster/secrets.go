package cluster

import (
	"slices"
	"time"
)

// The states of the secrets in Status.Secrets.
const (
	// SecretsCurrent says that the last key of the owner has encrypted all secrets.
	SecretsCurrent = "current"
	// SecretsWaiting says that the last key of the owner is not used yet, because not all nodes have it.
	SecretsWaiting = "waiting"
	// SecretsEncrypting says that the last key of the owner is used, and that other keys have encrypted some secrets.
	SecretsEncrypting = "encrypting"
)

// SetSecretsKey says which key of secrets is the newest that the node has.
func (n *Node) SetSecretsKey(name string) {
	n.mu.Lock()
	if n.secretsKey != name {
		n.secretsKey, n.secrets = name, ""
	}
	n.mu.Unlock()
	n.announceNow()
}

// SetSecrets says what the state of the secrets is for a key, as the owner knows it. Nothing changes if that is not the newest
// key any more.
func (n *Node) SetSecrets(key, state string) {
	n.mu.Lock()
	changes := n.secretsKey == key && n.secrets != state
	if changes {
		n.secrets = state
	}
	n.mu.Unlock()
	if changes {
		n.announceNow()
	}
}

// SetKeyless says whether the node lacks keys of secrets that are used.
func (n *Node) SetKeyless(is bool) {
	n.mu.Lock()
	changes := n.keyless != is
	n.keyless = is
	n.mu.Unlock()
	if changes {
		n.announceNow()
	}
}

// Remember makes nodes count that this process may not have heard: others have, or the one before. Those that stay silent count for
// AbsentTime. What was remembered before is dropped when its time is over and the names do not have it. Remember returns those for
// which there is no room, at most maxMembers: they do not count yet.
func (n *Node) Remember(names []string) (left []string) { return n.members.remember(names) }

// Counted returns the names of all nodes that count when a new key of secrets is to be used, in their order: this one, and
// those that are away for less than AbsentTime.
func (n *Node) Counted() []string {
	names := append(n.members.unheard(), n.Name)
	for _, one := range n.members.since(AbsentTime) {
		names = append(names, one.Node)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Lacking returns the names of the other nodes that count whose newest key of secrets is another one, or is not known.
func (n *Node) Lacking(key string) []string {
	names := n.members.unheard()
	for _, one := range n.members.since(AbsentTime) {
		if one.SecretsKey != key {
			names = append(names, one.Node)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// remember notes nodes that this process has not heard, and returns those for which there is no room.
func (m *members) remember(names []string) (left []string) {
	now := time.Now()
	recorded := make(map[string]bool, len(names))
	for _, name := range names {
		recorded[name] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, since := range m.remembered {
		if !recorded[name] && now.Sub(since) > AbsentTime {
			delete(m.remembered, name)
		}
	}
	for _, name := range names {
		_, heard := m.all[name]
		_, known := m.remembered[name]
		switch {
		case heard || known || name == m.self:
		case len(m.remembered) < maxMembers:
			m.remembered[name] = now
		case len(left) < maxMembers:
			left = append(left, name)
		}
	}
	return left
}

// unheard returns the names of the nodes that were remembered less than AbsentTime ago, and have not been heard since.
func (m *members) unheard() (names []string) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, since := range m.remembered {
		if now.Sub(since) <= AbsentTime {
			names = append(names, name)
		}
	}
	return names
}
