package main

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

func newExecutionsGet(a *app) *cobra.Command {
	var wait, asJSON, output, raw bool
	var waitTimeout ui.Seconds
	cmd := &cobra.Command{
		Use:   "get ID [--wait [--wait-timeout SECONDS]] [--json | --output | --raw]",
		Short: "Show an execution, or wait for its end",
		Long: `Show an execution: its function, status and times, and its output or error.

With --wait the command first waits until the execution is done. The exit status is
then that of the execution: 0 if it is Success, else 1, with its error on the standard
error. Ctrl-C and --wait-timeout end the wait but not the execution. If the server
cannot be reached, such as during a restart, the command tries again for up to a
minute.

With --output print only the output, as JSON; with --raw print an output that is a
string without its quotes. If there is no output, the exit status is 1.

With --json the output is an object with the fields

` + executionFields,
		Example: `  fas executions get $UUID
  fas executions get $UUID --wait --output
  fas executions get $UUID --json | jq .status`,
		Args:              arguments("ID"),
		ValidArgsFunction: a.completeExecutions(client.Filter{Completed: true}, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := exclusive(cmd, "json", "output", "raw"); err != nil {
				return err
			}
			if err := needsWait(cmd, wait, "wait-timeout"); err != nil {
				return err
			}
			if err := executionID(args[0]); err != nil {
				return err
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			defer c.Close()
			x, err := c.Execution(cmd.Context(), args[0])
			if err == nil && wait && !x.Status.Done() {
				x, err = a.awaitExecution(cmd.Context(), c, x.ID, x.Name, waitTimeout)
			}
			if err != nil {
				return err
			}
			switch {
			case output || raw:
				return a.writeOutput(x, raw)
			case asJSON:
				err = a.WriteJSON(x)
			default:
				err = writeExecution(a.Out, x, ui.IsTerminal(a.Out), !wait)
			}
			if err != nil || !wait {
				return err
			}
			return x.Err()
		},
	}
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait until the execution is done; the exit status is that of the execution")
	waitTimeoutFlag(cmd, &waitTimeout)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&output, "output", false, "print only the output")
	cmd.Flags().BoolVarP(&raw, "raw", "r", false, "print only the output, a string without quotes")
	return cmd
}

// writeOutput prints the output of an execution.
func (a *app) writeOutput(x client.Execution, raw bool) error {
	if !x.Status.Done() {
		return runtime.Errorf(runtime.CodeConflict, "the execution is not done: it is %s", x.Status).WithHint("wait for it with --wait")
	}
	if err := x.Err(); err != nil {
		return err
	}
	return a.writeResult(x.Output, raw)
}

// egressText describes what an execution has sent to a destination and received from it.
func egressText(e wire.Egress) string {
	host := e.Host
	if e.Port != 0 {
		host = net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
	}
	if e.Network == "udp" {
		host = "udp:" + host
	}
	connections := "1 connection"
	if e.Connections != 1 {
		connections = fmt.Sprintf("%d connections", e.Connections)
	}
	ms, _ := e.DurationMS.Float64()
	return fmt.Sprintf("%s, %s of %s, %d bytes sent, %d bytes received",
		ui.OneLine(host), connections, ui.DurationText(milliseconds(ms)), e.BytesSent, e.BytesReceived)
}

// argsWidth is the number of characters of the args that are shown.
const argsWidth = 120

// argsText describes the args of an execution, empty if nothing is known of them.
func argsText(x client.Execution) string {
	switch {
	case x.ArgsSize == 0:
		return ""
	case len(x.Args) == 0:
		return fmt.Sprintf("%d bytes, not kept", x.ArgsSize)
	}
	text := []rune(ui.OneLine(string(x.Args)))
	if len(text) <= argsWidth {
		return string(text)
	}
	return fmt.Sprintf("%s... (%d bytes)", string(text[:argsWidth]), x.ArgsSize)
}

// writeExecution prints an execution, and its error if withError is true.
func writeExecution(out io.Writer, x client.Execution, people, withError bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "id:\t%s\n", x.ID)
	fmt.Fprintf(w, "function:\t%s\n", x.Name)
	fmt.Fprintf(w, "kind:\t%s\n", x.Kind)
	fmt.Fprintf(w, "version:\t%d\n", x.Version)
	status := string(x.Status)
	if x.CancelRequested {
		status += ", being stopped"
	}
	fmt.Fprintf(w, "status:\t%s\n", status)
	fmt.Fprintf(w, "created:\t%s\n", ui.Timestamp(x.Created.Time, people))
	fmt.Fprintf(w, "started:\t%s\n", ui.Timestamp(x.Started.Time, people))
	fmt.Fprintf(w, "finished:\t%s\n", ui.Timestamp(x.Finished.Time, people))
	if x.DurationMS != nil {
		fmt.Fprintf(w, "took:\t%s\n", ui.DurationText(milliseconds(*x.DurationMS)))
	}
	fmt.Fprintf(w, "attempts:\t%d\n", x.Attempts)
	if x.RerunOf != "" {
		fmt.Fprintf(w, "rerun of:\t%s\n", ui.OneLine(x.RerunOf))
	}
	if text := argsText(x); text != "" {
		fmt.Fprintf(w, "args:\t%s\n", text)
	}
	for _, e := range x.Egress {
		fmt.Fprintf(w, "egress:\t%s\n", egressText(e))
	}
	if f := x.Failure; f != nil && withError {
		fmt.Fprintf(w, "error:\t%s (%s)\n", ui.OneLine(f.Message), f.Code)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	switch {
	case x.Status == client.StatusSuccess:
		_, err := fmt.Fprintf(out, "\n%s\n", x.Output)
		return err
	case x.Failure != nil && withError && x.Failure.Traceback != "":
		_, err := fmt.Fprintf(out, "\n%s\n", x.Failure.Traceback)
		return err
	}
	return nil
}
