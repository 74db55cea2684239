package main

import (
	"slices"
	"strings"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// statusWords are the statuses that --status is completed to. Every command takes the words of all
// dialects, see [client.ParseStatus].
var statusWords = []string{"pending", "started", "success", "failed", "cancelled"}

// taskStatusOf maps statuses of executions to those of tasks.
var taskStatusOf = map[client.Status]string{
	client.StatusPending:   client.TaskPending,
	client.StatusStarted:   client.TaskRunning,
	client.StatusSuccess:   client.TaskSucceeded,
	client.StatusFailed:    client.TaskFailed,
	client.StatusCancelled: client.TaskCancelled,
}

// executionStatuses returns the statuses of executions that the words of --status mean.
func executionStatuses(words []string) ([]string, error) {
	var all []string
	for _, word := range words {
		s, ok := client.ParseStatus(word)
		if !ok {
			return nil, unknownStatus(word, "use pending or started, or for finished executions success, failed or cancelled")
		}
		all = append(all, string(s))
	}
	return all, nil
}

// taskStatuses returns the statuses of tasks that the words of --status mean.
func taskStatuses(words []string) ([]string, error) {
	var all []string
	for _, word := range words {
		s, ok := client.ParseStatus(word)
		switch {
		case slices.Contains(client.TaskStatuses, strings.ToLower(word)):
			all = append(all, strings.ToLower(word))
		case ok:
			all = append(all, taskStatusOf[s])
		default:
			return nil, unknownStatus(word, "use "+strings.Join(client.TaskStatuses, ", "))
		}
	}
	return all, nil
}

func unknownStatus(word, hint string) error {
	return clierror.Usagef(hint, "the --status %s is not known", ui.Quote(word))
}
