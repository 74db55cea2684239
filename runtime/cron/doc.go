// Package cron starts executions of jobs at the ticks of their schedules.
//
// The store alone knows the last tick that started an execution, and stores it with that
// execution. So each tick starts at most one execution, whatever happens to the process and
// however often the tick is tried, and a [Scheduler] may forget everything when the process
// ends. The package does not parse schedules: [runtime.ParseSchedule] does.
package cron
