package httpapi

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/valyala/fasthttp"
	"go.yaml.in/yaml/v3"

	"github.com/faaspot/faaspot/runtime"
)

//go:embed openapi.yaml
var openapiYAML []byte

// openapiJSON is the document as it is served. Made once, for whoever asks first.
var openapiJSON = sync.OnceValues(func() ([]byte, error) {
	var document map[string]any
	if err := yaml.Unmarshal(openapiYAML, &document); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	return encodeJSON(document)
})

// openapi answers the description of the API. It needs no token: it says nothing
// that the documentation does not.
func (s *Server) openapi(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	text, err := openapiJSON()
	if err != nil {
		return runtime.Internal("httpapi.openapi", err)
	}
	writeJSON(ctx, fasthttp.StatusOK, text)
	return nil
}
