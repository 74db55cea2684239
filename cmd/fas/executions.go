package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// executionFields are the fields that --json of executions promises.
const executionFields = `  uuid, name (of the function), kind (run, create, update or delete), version,
  status (Pending, Started, Success, Failed or Cancelled), output, output_size
  (bytes), output_omitted, args (of one execution alone, if they are kept),
  args_size (bytes), rerun_of (the execution whose run it repeats), error (null, or message, error_code and, if known,
  server_traceback, line, error_type, hint), created, started, finished (RFC 3339,
  or null), duration_ms (or null), attempts, retries, cancel_requested, logs_url,
  egress (absent if it connected to nothing: network, host, port, connections,
  bytes_sent, bytes_received and duration_ms of each destination)`

func newExecutions(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "executions",
		Aliases: []string{"execution", "exec"},
		GroupID: groupFunctions,
		Short:   "List runs, wait for them, read their logs, cancel them",
		Long: `List runs, wait for them, read their logs, cancel them.

Every run of a function is an execution, and so is every create, update and delete of
a function. The server stores finished executions for 7 days by default.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(
		newExecutionsList(a),
		newExecutionsSearch(a),
		newExecutionsGet(a),
		newExecutionsGetBulk(a),
		newExecutionsRerun(a),
		newExecutionsCancel(a),
		newExecutionsLogs(a),
	)
	return cmd
}

// executionID checks an id before it becomes part of a URL.
func executionID(id string) error {
	if _, err := uuid.Parse(id); err != nil || len(id) != len(uuid.Nil.String()) {
		return clierror.Usagef("ids look like 019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4; `fas executions list -i` lists all",
			"%s is not the id of an execution", ui.Quote(id))
	}
	return nil
}

func executionIDs(ids []string) error {
	for _, id := range ids {
		if err := executionID(id); err != nil {
			return err
		}
	}
	return nil
}

// executionTable returns the table of executions.
func executionTable(out io.Writer, people bool) *ui.Table[client.Execution] {
	return &ui.Table[client.Execution]{
		Out: out, ForPeople: people, Heading: "ID\tFUNCTION\tKIND\tSTATUS\tCREATED\tTOOK\tERROR", Elastic: "FUNCTION", Optional: "KIND\tERROR\tTOOK",
		Row: func(x client.Execution, people bool) string {
			took, code := "", ""
			if x.DurationMS != nil {
				took = strconv.FormatFloat(*x.DurationMS, 'f', -1, 64)
				if people {
					took = ui.DurationText(milliseconds(*x.DurationMS))
				}
			}
			if x.Failure != nil {
				code = string(x.Failure.Code)
			}
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", x.ID, x.Name, x.Kind, x.Status, ui.Timestamp(x.Created.Time, people), took, code)
		},
	}
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
