package apitest

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Document is openapi.yaml as it is served, valid and with all its references.
func Document(t *testing.T) *openapi3.T {
	t.Helper()
	a := Start(t, FullFake(), nil).Do(t, "GET", "/openapi.json", "", Header{"Authorization": ""})
	if a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	WantHeaders(t, a)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(a.Body))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}
