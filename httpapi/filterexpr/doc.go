// Package filterexpr owns the language of --where and of the member where of requests, in which people
// write what executions they mean. It is a notation for [runtime.SearchFilter]: an expression can say exactly what a filter
// can.
//
//	expression = term { "or" term }
//	term       = factor { "and" factor }
//	factor     = "not" factor | "(" expression ")" | field condition
//	condition  = "=" value | "!=" value
//	           | ">=" duration | "<=" duration
//	           | [ "not" ] "in" "(" value { "," value } ")"
//	           | "is" [ "not" ] "null"
//
// A value is a word, or is in double quotes, in which \" and \\ are escapes. A duration is written
// as in Go, such as 500ms or 1m30s, and is a whole number of milliseconds. Keywords and field names
// may be in any case; values are case-sensitive.
//
//	f, err := filterexpr.Parse(`status=failed and (duration >= 30s or not reason in (timeout, memory))`)
package filterexpr
