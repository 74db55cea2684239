package foundry

import "testing"

// TestTokenOfAnotherTenant checks that a page token is bound to its tenant.
func TestTokenOfAnotherTenant(t *testing.T) {
	t.Parallel()
	mine := pageToken{tenant: "a", rid: "ri.function"}
	if _, err := mine.open(mine.seal("1.2.3.4")); err != nil {
		t.Error(err)
	}
	if _, err := (pageToken{tenant: "b", rid: "ri.function"}).open(mine.seal("1.2.3.4")); err == nil {
		t.Error("another tenant's token is accepted")
	}
}
