package httpapi

import (
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

// metrics answers with the figures of the server.
func (s *Server) metrics(ctx *fasthttp.RequestCtx, _ runtime.Tenant) error {
	if s.opts.Metrics == nil {
		return runtime.Errorf(runtime.CodeNotFound, "this server has no metrics")
	}
	text, err := s.opts.Metrics()
	if err != nil {
		return err
	}
	web.WriteMetrics(ctx, text)
	return nil
}

// Figures returns the present state of the server, and the number of requests that it has answered.
func (s *Server) Figures() runtime.ServerFigures {
	f := runtime.ServerFigures{Connections: int64(s.http.GetOpenConnectionsCount()), Waiting: s.Waiting()}
	for i := range s.answered {
		f.Requests[i] = s.answered[i].Load()
	}
	return f
}

// countAnswer counts a request by the class of its status.
func (s *Server) countAnswer(ctx *fasthttp.RequestCtx) {
	if class := ctx.Response.StatusCode()/100 - 1; class >= 0 && class < len(s.answered) {
		s.answered[class].Add(1)
	}
}
