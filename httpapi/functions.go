package httpapi

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// maxList bounds how many functions one answer lists. It is also the default,
// for clients of old know no pages.
const maxList = 10_000

// timeFormat is how this API has always written times.
const timeFormat = "2006-01-02 15:04:05.000000-07:00"

// listedFunction is a function in a list.
type listedFunction struct {
	Name      string `json:"name"`
	RID       string `json:"rid"`
	RunnerURL string `json:"runner_url"`
	Version   uint64 `json:"version"`
	Created   string `json:"created"`
	Updated   string `json:"updated"`
}

// functionDetail is a function on its own. Of its context only the names are
// told: the values are secrets.
type functionDetail struct {
	listedFunction
	Code        string   `json:"code"`
	Encoding    encoding `json:"encoding"`
	Timeout     float64  `json:"timeout"` // seconds
	Memory      float64  `json:"memory"`  // MB
	Retries     int      `json:"retries"`
	ContextKeys []string `json:"context_keys"`
}

func (s *Server) listFunctions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	limit, after, err := listPage(ctx.QueryArgs())
	if err != nil {
		return err
	}
	found, next, err := s.collect(tenant, after, limit)
	if err != nil {
		return err
	}
	if next != "" {
		ctx.Response.Header.Set(fasthttp.HeaderLink, nextPage(next, limit))
	}
	base := s.baseURL(ctx)
	list := make([]listedFunction, len(found))
	for i, f := range found {
		list[i] = listed(base, f)
	}
	return writeValue(ctx, list)
}

// collect returns up to limit functions, read page by page, and the name after which the
// next page begins; empty: there is none.
func (s *Server) collect(tenant runtime.Tenant, after string, limit int) (all []runtime.Function, next string, err error) {
	for next = after; ; {
		page, err := s.engine().ListFunctions(s.runs, tenant, runtime.PageRequest{After: next, Limit: min(limit-len(all), runtime.MaxPage)})
		if err != nil {
			return nil, "", err
		}
		all, next = append(all, page.Items...), page.Next
		if next == "" || len(all) == limit {
			return all, next, nil
		}
	}
}

// listPage reads ?limit= and ?after=.
func listPage(query *fasthttp.Args) (limit int, after string, err error) {
	if limit, err = parseLimit(query, maxList); err != nil {
		return 0, "", err
	}
	if after = string(query.Peek("after")); after != "" {
		err = runtime.ValidateName(after)
	}
	return limit, after, err
}

// nextPage is a Link header (RFC 8288) to the functions behind last.
func nextPage(last string, limit int) string {
	return "</v1/functions/?after=" + url.QueryEscape(last) + "&limit=" + strconv.Itoa(limit) + `>; rel="next"`
}

func (s *Server) createFunction(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	body, err := parseFunctionBody(ctx.Request.Body())
	if err != nil {
		return err
	}
	if body.name == nil {
		return runtime.Errorf(runtime.CodeInvalidArgument, `"name" is missing`)
	}
	if err := runtime.ValidateName(*body.name); err != nil {
		return err
	}
	if body.code == nil {
		return runtime.Errorf(runtime.CodeInvalidArgument, `"code" is missing`).WithHint(codeHint)
	}
	spec := runtime.FunctionSpec{Tenant: tenant, Name: *body.name, Source: body.code, Context: body.context}
	if body.timeout != nil {
		spec.Limits.Timeout = *body.timeout
	}
	if body.memory != nil {
		spec.Limits.Memory = *body.memory
	}
	if body.retries != nil {
		spec.Retries = *body.retries
	}
	if spec.IdempotencyKey, err = idempotencyKey(ctx); err != nil {
		return err
	}
	d, err := s.engine().CreateFunction(s.runs, spec)
	if err != nil {
		return err
	}
	writeID(ctx, d)
	return nil
}

func (s *Server) getFunction(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	enc, err := parseEncoding(string(ctx.QueryArgs().Peek("encoding")))
	if err != nil {
		return err
	}
	d, err := s.engine().GetFunction(s.runs, tenant, name)
	if err != nil {
		return err
	}
	limits := d.Version.Limits.WithDefaults()
	answer := functionDetail{
		listedFunction: listed(s.baseURL(ctx), d.Function),
		Encoding:       encodingPercent,
		Timeout:        limits.Timeout.Seconds(),
		Memory:         float64(limits.Memory) / runtime.MiB,
		Retries:        d.Version.Retries,
	}
	if enc == encodingPlain {
		answer.Encoding, answer.Code = encodingPlain, string(d.Version.Source)
	} else {
		answer.Code = quote(d.Version.Source)
	}
	if answer.ContextKeys, err = contextKeys(d.Version.Context); err != nil {
		return err
	}
	return writeValue(ctx, answer)
}

func contextKeys(context []byte) ([]string, error) {
	keys := []string{}
	if len(context) == 0 {
		return keys, nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(context, &members) != nil {
		// The parser's error could quote a secret.
		return nil, runtime.Errorf(runtime.CodeInternal, "a stored context is not a JSON object")
	}
	for key := range members {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys, nil
}

func (s *Server) updateFunction(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	body, err := parseFunctionBody(ctx.Request.Body())
	if err != nil {
		return err
	}
	if body.name != nil {
		if err := runtime.ValidateName(*body.name); err != nil {
			return err
		}
	}
	key, err := idempotencyKey(ctx)
	if err != nil {
		return err
	}
	d, err := s.engine().UpdateFunction(s.runs, runtime.FunctionUpdate{
		Tenant:         tenant,
		Name:           name,
		NewName:        body.name,
		Source:         body.code,
		Context:        body.context,
		Timeout:        body.timeout,
		Memory:         body.memory,
		Retries:        body.retries,
		IdempotencyKey: key,
	})
	if err != nil {
		return err
	}
	writeID(ctx, d)
	return nil
}

func (s *Server) deleteFunction(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(ctx)
	if err != nil {
		return err
	}
	d, err := s.engine().DeleteFunction(s.runs, runtime.FunctionDeletion{Tenant: tenant, Name: name, IdempotencyKey: key})
	if err != nil {
		return err
	}
	writeID(ctx, d)
	return nil
}

func listed(base string, f runtime.Function) listedFunction {
	return listedFunction{
		Name:      f.Name,
		RID:       f.RID(),
		RunnerURL: base + "/v1/functions/" + f.Name + "/rpc/",
		Version:   f.Version,
		Created:   f.Created.UTC().Format(timeFormat),
		Updated:   f.Updated.UTC().Format(timeFormat),
	}
}

// baseURL is the scheme and host under which the caller reaches the server.
func (s *Server) baseURL(ctx *fasthttp.RequestCtx) string {
	if s.opts.BaseURL != "" {
		return s.opts.BaseURL
	}
	scheme := "http://"
	if ctx.IsTLS() {
		scheme = "https://"
	}
	host := string(ctx.Request.Header.Host())
	if host == "" { // HTTP/1.0 knows no Host
		host = ctx.LocalAddr().String()
	}
	return scheme + host
}

// writeID answers with the id of the execution that made a change, as a JSON
// string.
func writeID(ctx *fasthttp.RequestCtx, d runtime.Deployment) {
	tellReplay(ctx, d.Replayed)
	writeJSON(ctx, fasthttp.StatusOK, []byte(strconv.Quote(d.ExecutionID)))
}

func writeValue(ctx *fasthttp.RequestCtx, value any) error {
	text, err := encodeJSON(value)
	if err != nil {
		return runtime.Internal("httpapi.encode", err)
	}
	writeJSON(ctx, fasthttp.StatusOK, text)
	return nil
}

// encodeJSON leaves <, > and & as they are: nothing here is HTML, and
// tracebacks are full of them.
func encodeJSON(value any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), err
}
