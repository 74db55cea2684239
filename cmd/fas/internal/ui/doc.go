// Package ui is the terminal of the command line: what commands read, how they print results and
// errors, and how they show progress.
//
// It owns the form of the output: tables, JSON, error and hint lines, status lines, progress bars,
// and the notation of sizes and times in flags and in the output. It refuses to know which command
// runs and how a server is reached; of executions and jobs it knows only the client's types.
//
// People and programs get different forms. On a terminal there are aligned tables with headings,
// local times, colours and progress. Anywhere else each row is a line of tab-separated fields,
// times are in RFC 3339, and nothing is drawn.
//
// A [StatusLine] and the progress types may be used concurrently; nothing else may.
//
//	line := terminal.StatusLine()
//	defer line.Clear()
//	line.Set(progress.Text)
package ui
