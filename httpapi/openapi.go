package httpapi

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/valyala/fasthttp"
	"go.yaml.in/yaml/v3"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

//go:embed openapi.yaml
var openapiYAML []byte

// openapiJSON returns the document in JSON, which the first request converts.
var openapiJSON = sync.OnceValues(func() ([]byte, error) {
	var document map[string]any
	if err := yaml.Unmarshal(openapiYAML, &document); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	return web.EncodeJSON(document)
})

// openapi answers with the description of the API. It needs no token, because the documentation
// is public.
func (s *Server) openapi(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	text, err := openapiJSON()
	if err != nil {
		return runtime.Internal("httpapi.openapi", err)
	}
	web.WriteJSON(ctx, fasthttp.StatusOK, text)
	return nil
}
