package httpapi_test

import (
	"testing"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
)

func newServer(t *testing.T, f *apitest.Fake) *httpapi.Server {
	t.Helper()
	s, err := httpapi.New(httpapi.Options{Engine: f, Auth: httpapi.HashToken(apitest.Token), Log: apitest.TextLog(&apitest.Buffer{})})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
