package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/jobfile"
	"github.com/faaspot/faaspot/cmd/fas/internal/pack"
	"github.com/faaspot/faaspot/cmd/fas/internal/project"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/suggest"
)

// Changes of a plan.
const (
	planCreate    = "create"
	planUpdate    = "update"
	planUnchanged = "unchanged"
	planApply     = "apply" // of a job: an update, or unchanged
)

// planned is what a deployment does with one function or job of a project. Its JSON form is a promise of --json.
type planned struct {
	Kind    string   `json:"kind"` // function or job
	Name    string   `json:"name"`
	Change  string   `json:"change"`            // create, update, unchanged or apply
	Details []string `json:"details,omitempty"` // what an update changes
	ID      string   `json:"uuid,omitempty"`    // of the deployment of a function; absent if there was none
	Error   string   `json:"error,omitempty"`   // why it was not deployed

	deploy func(ctx context.Context, c *client.Client) (id string, err error)
}

// projectDeployment deploys the functions and jobs of a project.
type projectDeployment struct {
	names             []string // of those to deploy; empty: all
	noInstall, dryRun bool
	asJSON            bool
}

// projectAt returns the project at a path, and whether there is one: a folder with faaspot.toml and without main.py.
func (a *app) projectAt(path string) (p project.Project, ok bool, err error) {
	if !project.Is(path) {
		return p, false, nil
	}
	p, err = project.Scan(project.Options{Path: path, Name: initialName, Env: a.lookup})
	return p, true, err
}

// run compares the project with the server, says what is different, and changes it.
func (d *projectDeployment) run(ctx context.Context, a *app, p project.Project) error {
	if err := d.choose(&p); err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	var bundles []*pack.Bundle
	defer func() {
		for _, b := range bundles {
			b.Close()
		}
	}()
	plan := make([]*planned, 0, len(p.Functions)+len(p.Jobs))
	for _, f := range p.Functions {
		one, b, err := d.function(ctx, a, c, f)
		if b != nil {
			bundles = append(bundles, b)
		}
		if err != nil {
			return named("function", f.Name, err)
		}
		plan = append(plan, one)
	}
	for _, j := range p.Jobs {
		one, err := planJob(ctx, c, j)
		if err != nil {
			return named("job", j.Name, err)
		}
		plan = append(plan, one)
	}
	if !d.asJSON {
		writePlan(a.Err, plan)
	}
	if !d.dryRun {
		err = d.deploy(ctx, a, c, plan)
	}
	if d.asJSON {
		if err := a.WriteJSON(plan); err != nil {
			return err
		}
	}
	return err
}

// named adds to an error what it is about.
func named(kind, name string, err error) error {
	if coded, ok := runtime.AsError(err); ok {
		coded.Message = fmt.Sprintf("%s %s: %s", kind, name, coded.Message)
		return err
	}
	return fmt.Errorf("%s %s: %w", kind, name, err)
}

// choose leaves in the project what is to be deployed.
func (d *projectDeployment) choose(p *project.Project) error {
	if len(d.names) == 0 {
		return nil
	}
	all := p.Names()
	for _, name := range d.names {
		if !slices.Contains(all, name) {
			hint := "the project has " + strings.Join(all, ", ")
			if near := suggest.Closest(name, all); near != "" {
				hint = "did you mean " + near + "?"
			}
			return clierror.Usagef(hint, "the project has no function and no job %s", ui.Quote(name))
		}
	}
	p.Functions = slices.DeleteFunc(p.Functions, func(f project.Function) bool { return !slices.Contains(d.names, f.Name) })
	p.Jobs = slices.DeleteFunc(p.Jobs, func(j *jobfile.File) bool { return !slices.Contains(d.names, j.Name) })
	return nil
}

// function plans a function. The caller closes its bundle, if it has one.
func (d *projectDeployment) function(ctx context.Context, a *app, c *client.Client, f project.Function) (*planned, *pack.Bundle, error) {
	code, text, err := f.Texts()
	if err != nil {
		return nil, nil, err
	}
	var contextText *string
	if f.HasContext() {
		contextText = &text
	}
	var allow *[]string
	if f.Settings.Allow != nil {
		allow = &f.Settings.Allow
	}
	one := &planned{Kind: "function", Name: f.Name}
	var b *pack.Bundle
	if f.Folder {
		if b, err = a.pack(ctx, folderFlags{dir: f.Path, noInstall: d.noInstall}); err != nil {
			return nil, nil, err
		}
		s := settings{context: contextText, retries: f.Settings.Retries, allow: allow}
		s.limits.timeout, s.limits.memory = ui.Seconds(f.Settings.Timeout), ui.Megabytes(f.Settings.Memory)
		one.deploy = func(ctx context.Context, c *client.Client) (string, error) {
			done, err := a.deployBundle(ctx, c, deployment{name: f.Name, settings: s}, b, one.Change == planUpdate)
			return done.ID, err
		}
	} else {
		one.deploy = func(ctx context.Context, c *client.Client) (string, error) {
			return c.Put(ctx, client.CreateRequest{
				Name: f.Name, Code: code, Context: contextText, Timeout: f.Settings.Timeout, Memory: int64(f.Settings.Memory), Retries: f.Settings.Retries, Allow: allow,
			})
		}
	}
	now, err := c.Function(ctx, f.Name)
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		one.Change = planCreate
		return one, b, nil
	}
	if err != nil {
		return nil, b, err
	}
	draft := client.UpdateRequest{Context: contextText, Timeout: f.Settings.Timeout, Memory: int64(f.Settings.Memory), Retries: f.Settings.Retries, Allow: allow}
	if !f.Folder {
		draft.Code = &code
	}
	one.Details, err = differences(ctx, c, f, now, draft, b)
	one.Change = planUpdate
	if len(one.Details) == 0 {
		one.Change = planUnchanged
	}
	return one, b, err
}

// differences returns what a deployment changes in a function that exists, without values of its context.
func differences(ctx context.Context, c *client.Client, f project.Function, now client.Function, draft client.UpdateRequest, b *pack.Bundle) (details []string, err error) {
	if b != nil {
		sum := sha256.New()
		if _, err := io.Copy(sum, io.NewSectionReader(b.File, 0, b.Bytes)); err != nil {
			return nil, err
		}
		if now.Bundle == nil || now.Bundle.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
			details = append(details, "files")
		}
	}
	diff, err := c.DiffDraft(ctx, f.Name, draft)
	tooLong := runtime.CodeOf(err) == runtime.CodeTooLarge // to compare line by line; equal code is not
	if tooLong && draft.Code != nil {
		draft.Code = nil
		diff, err = c.DiffDraft(ctx, f.Name, draft)
	}
	if err != nil && (!tooLong || runtime.CodeOf(err) != runtime.CodeTooLarge) {
		return nil, err
	}
	if diff.Code != "" || tooLong {
		details = append(details, "code")
	}
	for _, s := range diff.Settings {
		if s.Name == "bundle" {
			details = append(details, "a file in place of a folder")
			continue
		}
		details = append(details, fmt.Sprintf("%s %s -> %s", ui.OneLine(s.Name), ui.OneLine(string(s.From)), ui.OneLine(string(s.To))))
	}
	for _, v := range diff.Context {
		details = append(details, fmt.Sprintf("context %s %s", ui.OneLine(v.Name), ui.OneLine(v.Change)))
	}
	return details, nil
}

// planJob plans a job. Whether it changes is known once it is applied: its secrets are not readable.
func planJob(ctx context.Context, c *client.Client, j *jobfile.File) (*planned, error) {
	one := &planned{Kind: "job", Name: j.Name, Change: planApply}
	one.deploy = func(ctx context.Context, c *client.Client) (string, error) {
		_, change, err := c.ApplyJob(ctx, j.Name, j.Body)
		switch {
		case err != nil:
		case change == client.JobUnchanged:
			one.Change = planUnchanged
		case change == client.JobChanged:
			one.Change = planUpdate
		}
		return "", j.Locate(err)
	}
	_, err := c.Job(ctx, j.Name)
	if runtime.CodeOf(err) == runtime.CodeNotFound {
		one.Change, err = planCreate, nil
	}
	return one, err
}

// writePlan writes what a deployment will do, a line for each function and job.
func writePlan(w io.Writer, plan []*planned) {
	for _, one := range plan {
		line := fmt.Sprintf("%-9s %s %s", one.Change, one.Kind, one.Name)
		if len(one.Details) > 0 {
			line += ": " + strings.Join(one.Details, ", ")
		}
		fmt.Fprintln(w, line)
	}
}

// deploy makes the changes of a plan: of all functions, and, unless one of them has failed, of the jobs. It
// returns the first error, which is that of ctx if nothing has failed and something was not tried.
func (d *projectDeployment) deploy(ctx context.Context, a *app, c *client.Client, plan []*planned) (first error) {
	done, skipped, functionsFailed := 0, 0, false
	for _, one := range plan {
		if one.Change == planUnchanged {
			continue
		}
		if ctx.Err() != nil || one.Kind == "job" && functionsFailed {
			skipped++
			one.Error = "it was not tried"
			first = cmp.Or(first, ctx.Err())
			continue
		}
		id, err := one.deploy(ctx, c)
		if err != nil {
			functionsFailed = functionsFailed || one.Kind == "function"
			one.Error = clierror.Message(err)
			err = named(one.Kind, one.Name, err)
			if first == nil {
				first = err // the command shows it at its end
			} else if !d.asJSON {
				ui.WriteError(a.Err, err)
			}
			continue
		}
		one.ID = id
		if one.Change != planUnchanged {
			done++
		}
		if !d.asJSON {
			change := map[string]string{planCreate: "created", planUpdate: "updated"}[one.Change]
			fmt.Fprintln(a.Err, cmp.Or(change, one.Change), one.Kind, one.Name)
			if id != "" {
				fmt.Fprintln(a.Out, id)
			}
		}
	}
	switch {
	case d.asJSON:
	case skipped > 0:
		fmt.Fprintf(a.Err, "%d of the project were not tried\n", skipped)
	case done == 0 && first == nil:
		fmt.Fprintln(a.Err, "nothing has changed")
	}
	return first
}
