package main

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/suggest"
)

// absentName matches the error of the server for a name that does not exist.
var absentName = regexp.MustCompile(`^there is no (function|job) named "([^"]+)"`)

// These begin the messages of the server for an execution that does not exist.
const (
	absentExecution    = "there is no execution with id "
	absentJobExecution = "the job has no execution "
)

// suggestName adds the most similar name to the error about a function or a job that does not exist,
// and the command that lists the names; likewise the command that lists executions.
func (a *app) suggestName(ctx context.Context, err error) error {
	coded, ok := errors.AsType[*runtime.Error](err)
	if !ok || coded.Code != runtime.CodeNotFound || a.client == nil {
		return err
	}
	for message, list := range map[string]string{absentExecution: "executions list -i", absentJobExecution: "jobs executions JOB"} {
		if strings.HasPrefix(coded.Message, message) {
			coded.Hint = "finished executions are stored for a limited time; " + a.command(list) + " lists those that exist"
			return err
		}
	}
	found := absentName.FindStringSubmatch(coded.Message)
	if found == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	kind, name := found[1], found[2]
	var names []string
	if kind == "function" {
		list, _ := a.client.Functions(ctx)
		for _, f := range list {
			names = append(names, f.Name)
		}
	} else {
		list, _ := a.client.Jobs(ctx)
		for _, j := range list {
			names = append(names, j.Metadata.Name)
		}
	}
	coded.Hint = a.command(kind+"s list") + " lists the " + kind + "s"
	if near := suggest.Closest(name, names); near != "" {
		coded.Hint = "did you mean " + near + "? " + coded.Hint
	}
	return err
}
