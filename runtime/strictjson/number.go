package strictjson

import (
	"fmt"
	"math"
	"strconv"
)

// maxSafeMagnitude is the number of digits before the decimal point up to which a number certainly
// fits a float64, whose largest value is 1.8e308.
const maxSafeMagnitude = 308

// number consumes the number that starts at i.
func (c *checker) number(i int) (int, *failure) {
	d, start := c.data, i
	if d[i] == '-' {
		i++
	}
	whole := c.digits(i)
	switch {
	case whole == i:
		return i, fail(i, "a digit should be here")
	case d[i] == '0' && whole > i+1:
		return i, fail(i, "a number must not start with a zero")
	}
	count, magnitude := whole-i, whole-i
	i = whole
	if i < len(d) && d[i] == '.' {
		end := c.digits(i + 1)
		if end == i+1 {
			return end, fail(end, "a digit should follow the decimal point")
		}
		count += end - i - 1
		i = end
	}
	if i < len(d) && (d[i] == 'e' || d[i] == 'E') {
		i++
		negative := false
		if i < len(d) && (d[i] == '+' || d[i] == '-') {
			negative = d[i] == '-'
			i++
		}
		end := c.digits(i)
		if end == i {
			return i, fail(i, "a digit should be in the exponent")
		}
		count += end - i
		if !negative {
			magnitude += exponent(d[i:end])
		}
		i = end
	}
	if count > MaxDigits {
		return start, fail(start, fmt.Sprintf("a number must not have more than %d digits", MaxDigits))
	}
	if i > whole && magnitude > maxSafeMagnitude {
		if f, _ := strconv.ParseFloat(string(d[start:i]), 64); math.IsInf(f, 0) {
			return start, fail(start, "the number is too large for a float")
		}
	}
	return i, nil
}

// digits returns the end of the digits that start at i.
func (c *checker) digits(i int) int {
	for i < len(c.data) && c.data[i]-'0' <= 9 {
		i++
	}
	return i
}

// exponent returns the value of digits, or some large value if it is large.
func exponent(digits []byte) int {
	n := 0
	for _, b := range digits {
		if n = n*10 + int(b-'0'); n > 1<<20 {
			break
		}
	}
	return n
}
