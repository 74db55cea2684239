package main

import (
	"context"
	"time"
)

// bench is a measurement that yields one or more rows of the table.
type bench struct {
	name    string
	how     string // description for docs/benchmarks.md
	rows    []row
	measure func(context.Context, *lab) ([]measured, error)
}

// row is a promise about speed or size.
type row struct {
	what  string
	part  string              // short name among several rows of a bench, or empty
	of    string              // label of the figure
	peer  string              // label of the figure it is compared with; empty if there is none
	goal  string              // target, as text; empty if there is none
	holds func(measured) bool // reports whether the target is met; nil if there is none
	limit string              // what limits the figure, unless that is measured
}

// measured holds the figures of a row.
type measured struct {
	value, peer quantity
	limit       string // what limited the figure, as measured
	missed      string // why the target is missed whatever the figures are; empty if it is not
	notes       []string
	err         error // what prevented the measurement
}

// ratio returns the value divided by the peer's.
func (m measured) ratio() float64 { return m.value.n / m.peer.n }

// result is a row with its figures, or with the error that prevented the measurement.
type result struct {
	bench string
	row   row
	measured
}

// ratioAtMost, ratioAtLeast, timeAtMost and bytesAtMost return conditions for row.holds.
func ratioAtMost(x float64) func(measured) bool {
	return func(m measured) bool { return m.ratio() <= x }
}

func ratioAtLeast(x float64) func(measured) bool {
	return func(m measured) bool { return m.ratio() >= x }
}

func timeAtMost(d time.Duration) func(measured) bool {
	return func(m measured) bool { return m.value.n <= d.Seconds() }
}

func bytesAtMost(n float64) func(measured) bool {
	return func(m measured) bool { return m.value.n <= n }
}

const (
	mb = 1 << 20
	gb = 1 << 30
)

// Limits of rows whose calls follow one another in one process.
const (
	oneCaller = "one caller: making an interpreter, and one call"
	oneThread = "one processor: the machine code that each compiler makes"
)
