package faaspot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxDiffLines bounds the lines of each of two sources that are compared.
	maxDiffLines = 20_000
	// diffLineBytes is about the memory for each line while two sources are compared, in bytes.
	diffLineBytes = 128
	// versionIs is what the body of a rollback must be, for errors.
	versionIs = `a JSON object with the version, such as {"version": 3}`
	// maxRollbackBody is the size of the largest body of a rollback, in bytes.
	maxRollbackBody = 4 * runtime.KiB
)

// listVersions answers with the stored versions of a function, newest first.
func (a *api) listVersions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	versions, err := a.engine().ListVersions(a.Context(), tenant, name)
	if err != nil {
		return err
	}
	list := make([]wire.FunctionVersion[string], len(versions))
	for i := range versions {
		list[i] = renderVersion(&versions[i].Version, versions[i].SourceBytes, i == 0)
	}
	return web.WriteValue(ctx, list)
}

// getVersion answers with one version of a function.
func (a *api) getVersion(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	raw, _ := ctx.UserValue("version").(string)
	number, err := versionNumber("the version", raw)
	if err != nil {
		return err
	}
	enc, err := parseEncoding(string(ctx.QueryArgs().Peek("encoding")))
	if err != nil {
		return err
	}
	if err := a.Reserve(ctx, runtime.MaxSource+runtime.MaxContext); err != nil {
		return err
	}
	v, err := a.engine().GetVersion(a.Context(), tenant, name, number)
	if err != nil {
		return err
	}
	if err := a.Reserve(ctx, 10*len(v.Source)+2*len(v.Context)); err != nil { // as for a function
		return err
	}
	response := wire.FunctionVersionDetail[string]{FunctionVersion: renderVersion(&v.Version, len(v.Source), v.Current)}
	response.Code, response.Encoding = renderCode(v.Source, enc)
	if response.ContextKeys, err = contextKeys(v.Context); err != nil {
		return err
	}
	return web.WriteValue(ctx, response)
}

// versionNumber reads the number of a version; what names it, for errors.
func versionNumber(what, text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, runtime.Errorf(runtime.CodeInvalidArgument, "%s must be a whole number from 1", what).
			WithHint("the list of versions has their numbers")
	}
	return n, nil
}

// renderVersion renders a version whose code has some bytes.
func renderVersion(v *runtime.Version, code int, current bool) wire.FunctionVersion[string] {
	limits := v.Limits.WithDefaults()
	response := wire.FunctionVersion[string]{
		Version: v.Number, Current: current, Created: formatTime(v.Created), UserID: orNull(v.By), Name: v.Name,
		Timeout: limits.Timeout.Seconds(), Memory: float64(limits.Memory) / runtime.MiB, Retries: v.Retries,
		Allow: append([]string{}, v.Allow...), CodeBytes: code,
	}
	if !v.Bundle.IsZero() {
		response.Bundle = &wire.Bundle{SHA256: v.Bundle.ID.String(), Bytes: v.Bundle.Bytes}
	}
	return response
}

// diffVersions answers with what differs between two versions of a function: from and to in the query.
// Without to it is the current one, without from the one before to.
func (a *api) diffVersions(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	from, to, err := a.diffRange(ctx, tenant, name)
	if err != nil {
		return err
	}
	if err := a.Reserve(ctx, 2*(runtime.MaxSource+runtime.MaxContext)); err != nil {
		return err
	}
	older, err := a.engine().GetVersion(a.Context(), tenant, name, from)
	if err != nil {
		return err
	}
	newer, err := a.engine().GetVersion(a.Context(), tenant, name, to)
	if err != nil {
		return err
	}
	return a.writeDiff(ctx, &older.Version, &newer.Version)
}

// diffDraft answers with what a change of a function would change: the body is that of the change. It needs
// the scope of the change, because it says whether the values of a context are the stored ones.
func (a *api) diffDraft(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	if err := a.TakeCopies(ctx, 2); err != nil {
		return err
	}
	body, err := parseFunctionBody(&a.contexts, ctx.Request.Body())
	if err != nil {
		return err
	}
	if body.name != nil || body.keepArgs != nil {
		return runtime.Errorf(runtime.CodeInvalidArgument, `"name" and "keep_args" belong to no version, and are not compared`).WithHint("leave them out")
	}
	if err := a.Reserve(ctx, runtime.MaxSource+runtime.MaxContext); err != nil {
		return err
	}
	current, err := a.engine().GetVersion(a.Context(), tenant, name, 0)
	if err != nil {
		return err
	}
	if _, err := runtime.NormalAllow(body.allow); err != nil {
		return err
	}
	draft := body.update(tenant, name).NextVersion(runtime.Function{Name: current.Name, Version: current.Number + 1}, current.Version)
	return a.writeDiff(ctx, &current.Version, &draft)
}

// writeDiff answers with what differs between two versions.
func (a *api) writeDiff(ctx *fasthttp.RequestCtx, older, newer *runtime.Version) error {
	// The sources and contexts are there, their lines, and the answer, which grows.
	size := len(older.Source) + len(newer.Source)
	if err := a.Reserve(ctx, 5*size+4*(len(older.Context)+len(newer.Context))+2*maxDiffLines*diffLineBytes); err != nil {
		return err
	}
	response, err := renderDiff(older, newer)
	if err != nil {
		return err
	}
	return web.WriteValue(ctx, response)
}

// diffRange returns the numbers of the versions to compare.
func (a *api) diffRange(ctx *fasthttp.RequestCtx, tenant runtime.Tenant, name string) (from, to uint64, err error) {
	query := ctx.QueryArgs()
	if text := query.Peek("to"); text != nil {
		if to, err = versionNumber("to", string(text)); err != nil {
			return 0, 0, err
		}
	}
	if text := query.Peek("from"); text != nil {
		if from, err = versionNumber("from", string(text)); err != nil {
			return 0, 0, err
		}
	}
	if from != 0 && to != 0 {
		return from, to, nil
	}
	all, err := a.engine().ListVersions(a.Context(), tenant, name)
	if err != nil {
		return 0, 0, err
	}
	if to == 0 {
		to = all[0].Number
	}
	if from == 0 {
		if from = to - 1; from < all[len(all)-1].Number {
			return 0, 0, runtime.Errorf(runtime.CodeNotFound, "no version of %q before version %d is stored", name, to).
				WithHint("list the versions to see which can be compared")
		}
	}
	return from, to, nil
}

// renderDiff renders what differs between two versions.
func renderDiff(older, newer *runtime.Version) (wire.VersionDiff, error) {
	response := wire.VersionDiff{From: older.Number, To: newer.Number}
	var err error
	if response.Code, err = changedCode(older, newer); err != nil {
		return response, err
	}
	if response.Settings, err = changedSettings(older, newer); err != nil {
		return response, err
	}
	response.Context, err = changedContext(older.Context, newer.Context)
	return response, err
}

// changedCode returns how the code of two versions differs, in the unified format; empty: it does not.
func changedCode(older, newer *runtime.Version) (string, error) {
	if bytes.Equal(older.Source, newer.Source) {
		return "", nil
	}
	for _, source := range [][]byte{older.Source, newer.Source} {
		if bytes.Count(source, []byte("\n")) >= maxDiffLines {
			return "", runtime.Errorf(runtime.CodeTooLarge, "the code has more than %s lines, too many to compare", runtime.SizeText(maxDiffLines)).
				WithHint("get both versions, and compare them")
		}
	}
	label := func(v *runtime.Version) string { return fmt.Sprintf("%s@%d", v.Name, v.Number) }
	text := diff.Diff(label(older), older.Source, label(newer), newer.Source)
	_, rest, _ := bytes.Cut(text, []byte("\n")) // without the line "diff a b"
	return string(rest), nil
}

// changedSettings returns the settings that differ.
func changedSettings(older, newer *runtime.Version) ([]wire.SettingChange, error) {
	from, to := renderVersion(older, 0, false), renderVersion(newer, 0, false)
	sum := func(b *wire.Bundle) *string {
		if b == nil {
			return nil
		}
		return &b.SHA256
	}
	changes := []wire.SettingChange{}
	for _, s := range []struct {
		name     string
		from, to any
	}{
		{"timeout", from.Timeout, to.Timeout},
		{"memory", from.Memory, to.Memory},
		{"retries", from.Retries, to.Retries},
		{"allow", from.Allow, to.Allow},
		{"bundle", sum(from.Bundle), sum(to.Bundle)},
	} {
		before, err := web.EncodeJSON(s.from)
		if err != nil {
			return nil, runtime.Internal("httpapi.encode", err)
		}
		after, err := web.EncodeJSON(s.to)
		if err != nil {
			return nil, runtime.Internal("httpapi.encode", err)
		}
		if !bytes.Equal(before, after) {
			changes = append(changes, wire.SettingChange{Name: s.name, From: before, To: after})
		}
	}
	return changes, nil
}

// changedContext returns the names in two contexts whose values differ, sorted.
func changedContext(older, newer []byte) ([]wire.ContextChange, error) {
	from, err := contextMembers(older)
	if err != nil {
		return nil, err
	}
	to, err := contextMembers(newer)
	if err != nil {
		return nil, err
	}
	names := maps.Clone(from)
	maps.Copy(names, to)
	changes := []wire.ContextChange{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, had := from[name]
		after, has := to[name]
		switch {
		case !had:
			changes = append(changes, wire.ContextChange{Name: name, Change: "added"})
		case !has:
			changes = append(changes, wire.ContextChange{Name: name, Change: "removed"})
		case !bytes.Equal(before, after):
			changes = append(changes, wire.ContextChange{Name: name, Change: "changed"})
		}
	}
	return changes, nil
}

// contextMembers returns the members of a stored context.
func contextMembers(context []byte) (members map[string]json.RawMessage, err error) {
	members = map[string]json.RawMessage{}
	if len(context) > 0 && json.Unmarshal(context, &members) != nil {
		// The parser's error could quote a secret.
		return nil, runtime.Errorf(runtime.CodeInternal, "a stored context is not a JSON object")
	}
	return members, nil
}

// rollback makes a new version of a function that is equal to an earlier one.
func (a *api) rollback(ctx *fasthttp.RequestCtx, tenant runtime.Tenant) error {
	name, err := functionName(ctx)
	if err != nil {
		return err
	}
	f, err := web.ReadFields(ctx.Request.Body())
	if err != nil {
		return err
	}
	f.Quoted()
	number := ""
	if raw := f.Take("version"); raw != nil {
		number = string(raw)
	}
	keep := f.Flag("keep_context", false)
	if err := f.End(); err != nil {
		return err
	}
	u := runtime.FunctionUpdate{Tenant: tenant, Name: name, KeepContext: keep, UserID: web.UserID(ctx)}
	if u.Restore, err = versionNumber(`"version"`, number); err != nil {
		return err
	}
	if u.IdempotencyKey, err = web.IdempotencyKey(ctx); err != nil {
		return err
	}
	if u.If, err = precondition(ctx); err != nil {
		return err
	}
	d, err := a.engine().UpdateFunction(a.Context(), u)
	if err != nil {
		return err
	}
	web.SetSubject(ctx, web.Subject{Fields: []string{"version"}})
	writeDeployment(ctx, d)
	return nil
}
