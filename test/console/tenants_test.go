//go:build linux

package console

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// TestConsoleTenants manages tenants as an operator, and uses the console as the admin of one.
func TestConsoleTenants(t *testing.T) {
	b, s := use(t)
	tenantsStory(b, s, b.story)
	tenantStory(b, s, b.story)
}

// secret is an expression for the secret that a dialog shows.
const secret = `document.querySelector("dialog .command code").innerText`

// tenantsStory creates a tenant, gives it limits and a token, and deletes it, as an operator.
func tenantsStory(b *Browser, s *process.Server, story func(string, func())) {
	submit := func() { b.do(`document.querySelector("dialog form").requestSubmit()`) }
	read := func(path string, into any) {
		b.t.Helper()
		if err := json.Unmarshal(s.Must(b.t, "GET", path, "").Body, into); err != nil {
			b.t.Fatal(err)
		}
	}
	status := func(token string) int {
		return eval[int](b, `fetch("/v1/whoami", {headers: {Authorization: "Token " + `+quoted(token)+`}, credentials: "omit"}).then((r) => r.status)`)
	}
	story("tenants", func() {
		b.visit("tenants", "default", "Egress today")
		b.click("New tenant")
		b.fill("Name", "acme")
		submit()
		b.until("the tenant", `location.hash === "#/tenants/acme"`)
		b.see("Usage", "no limit", "It has no tokens yet")
	})
	story("limits", func() {
		b.fill("Runs at once", "3")
		b.fill("Bytes of code", "5 parsecs")
		b.see("Bytes of code is not a size")
		if !eval[bool](b, `[...document.querySelectorAll("button")].find((e) => e.innerText === "Save").disabled`) {
			b.t.Error("a size that is none can be saved")
		}
		b.fill("Bytes of code", "5 MiB")
		b.fill("What functions may reach at most", "*.example.com:443")
		b.click("Save")
		b.see("Saved.", "5.0 MiB", "Functions reach at most *.example.com:443.")
		var t struct {
			Limits struct {
				Runs      int      `json:"runs"`
				CodeBytes int      `json:"code_bytes"`
				Hosts     []string `json:"egress_hosts"`
			}
		}
		read("/v1/tenants/acme", &t)
		if t.Limits.Runs != 3 || t.Limits.CodeBytes != 5<<20 || !slices.Equal(t.Limits.Hosts, []string{"*.example.com:443"}) {
			b.t.Errorf("the limits are %+v", t.Limits)
		}
		b.fill("Runs at once", "")
		b.click("Save")
		b.until("the limit of the server", `document.querySelector("[name=runs]").value === "" && [...document.querySelectorAll("button")].find((e) => e.innerText === "Save").disabled`)
		read("/v1/tenants/acme", &t)
		b.picture("tenant", "light")
	})
	var old string
	story("a token of a tenant", func() {
		b.click("New token")
		b.fill("Name", "shop")
		b.do(`(() => { const e = document.querySelector("[name=scope]"); e.value = "invoke"; e.dispatchEvent(new Event("change", {bubbles: true})); })()`)
		b.fill("Only these functions", "price, order")
		submit()
		b.see("it is not shown again")
		old = eval[string](b, secret)
		b.do(`document.querySelector("dialog").close()`)
		b.see("order, price")
		var all []struct {
			Name, Tenant, Scope string
			Functions           []string
			Expires             *string
		}
		read("/v1/tokens?tenant=acme", &all)
		if len(all) != 1 || all[0].Tenant != "acme" || all[0].Scope != "invoke" || !slices.Equal(all[0].Functions, []string{"order", "price"}) || all[0].Expires == nil {
			b.t.Errorf("the tokens are %+v", all)
		}
	})
	story("rotate a token", func() {
		b.click("Rotate shop")
		submit()
		b.see("it is not shown again")
		next := eval[string](b, secret)
		if next == old || status(next) != 200 || status(old) != 200 {
			b.t.Error("the secret is not another one, or one of the two is not valid")
		}
		b.do(`document.querySelector("dialog").close()`)
		b.see("old secret until")
		b.click("Delete shop")
		b.see("It has no tokens yet")
		if status(next) != 401 {
			b.t.Error("the token of the tenant is still valid")
		}
	})
	story("changes of a tenant", func() {
		b.see("token.rotate", "tenant.update")
		b.fill("Changes of the kind", "token.delete")
		b.until("one change", `[...document.querySelectorAll("[aria-label='Latest changes'] tbody code")].map((e) => e.innerText).join() === "token.delete"`)
	})
	story("delete a tenant", func() {
		b.click("Delete")
		b.fill("The name of the tenant", "acm")
		if !eval[bool](b, `document.querySelector("dialog button").disabled`) {
			b.t.Error("a tenant can be deleted without its name")
		}
		b.fill("The name of the tenant", "acme")
		submit()
		b.until("the dialog is closed", `document.querySelector("dialog") === null`)
		b.visit("tenants", "default")
		b.until("the tenant is gone", `!document.querySelector("main").innerText.includes("acme")`)
	})
}

// tenantStory uses the console as the admin of a tenant, who sees nothing of others.
func tenantStory(b *Browser, s *process.Server, story func(string, func())) {
	s.Must(b.t, "POST", "/v1/tenants/", `{"name":"globex"}`)
	s.Must(b.t, "PATCH", "/v1/tenants/globex", `{"limits":{"functions":7}}`)
	s.Must(b.t, "POST", "/v1/tokens", `{"name":"of-another","scope":"read"}`)
	token := field(b.t, s.Must(b.t, "POST", "/v1/tokens", `{"name":"eve","scope":"admin","tenant":"globex"}`), "token")
	story("admin of a tenant", func() {
		b.click("Log out")
		b.see("paste one here")
		b.fill("Token", token)
		b.click("Log in")
		b.visit("access", "eve", "token.create")
		if eval[bool](b, `document.querySelector("main").innerText.includes("of-another")`) {
			b.t.Error("it sees a token of another tenant")
		}
		if eval[bool](b, `[...document.querySelectorAll("nav a")].some((e) => e.innerText.includes("Tenants"))`) {
			b.t.Error("the sidebar has tenants")
		}
		b.visit("server", "Usage of globex", "7")
		b.visit("tenants", "This needs a token with the scope operator")
	})
}
