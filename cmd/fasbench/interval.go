package main

import (
	"math"
	"time"
)

// interval is a ratio with the bounds of its 95 % confidence interval.
type interval struct{ ratio, low, high float64 }

// pairedRatio returns the geometric mean of change[i]/base[i] with its interval: that of Student's
// t distribution on the logarithms. There must be two pairs or more.
func pairedRatio(base, change []time.Duration) interval {
	n := float64(len(base))
	sum := 0.0
	logs := make([]float64, len(base))
	for i := range base {
		logs[i] = math.Log(float64(change[i]) / float64(base[i]))
		sum += logs[i]
	}
	mean := sum / n
	squares := 0.0
	for _, x := range logs {
		squares += (x - mean) * (x - mean)
	}
	half := tQuantile(len(base)-1) * math.Sqrt(squares/(n-1)/n)
	return interval{math.Exp(mean), math.Exp(mean - half), math.Exp(mean + half)}
}

// tTable has the 97.5 % quantiles of the t distribution with 1 to 10 degrees of freedom.
var tTable = []float64{12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281}

// tQuantile returns the 97.5 % quantile of the t distribution. Beyond the table it is the expansion
// of Abramowitz and Stegun, 26.7.5, which is right to three decimals there.
func tQuantile(degrees int) float64 {
	if degrees <= len(tTable) {
		return tTable[degrees-1]
	}
	const z = 1.959964
	v := float64(degrees)
	z3 := z * z * z
	z5 := z3 * z * z
	z7 := z5 * z * z
	return z + (z3+z)/(4*v) + (5*z5+16*z3+3*z)/(96*v*v) + (3*z7+19*z5+17*z3-15*z)/(384*v*v*v)
}
