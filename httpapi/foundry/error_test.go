package foundry_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/httpapi/foundry"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
)

// TestDocumentHasEveryErrorName checks that openapi.yaml has the error names and codes of this dialect.
func TestDocumentHasEveryErrorName(t *testing.T) {
	t.Parallel()
	schema := apitest.Document(t).Components.Schemas["FoundryError"].Value
	listed := func(property string) map[string]bool {
		all := map[string]bool{}
		for _, name := range schema.Properties[property].Value.Enum {
			all[name.(string)] = true
		}
		return all
	}
	names := map[string]bool{}
	for _, name := range foundry.ErrorNames {
		names[name] = true
	}
	codes := map[string]bool{"CUSTOM_CLIENT": true, "CUSTOM_SERVER": true}
	for code := range web.StatusOf {
		names[foundry.ErrorName(string(code))] = true
	}
	for _, code := range foundry.ErrorCodes {
		codes[code] = true
	}
	for _, r := range foundry.Routes() {
		if r.Denied != "" {
			names[r.Denied] = true
		}
	}
	if diff := cmp.Diff(names, listed("errorName")); diff != "" {
		t.Errorf("code and document: %s", diff)
	}
	if diff := cmp.Diff(codes, listed("errorCode")); diff != "" {
		t.Errorf("code and document: %s", diff)
	}
}
