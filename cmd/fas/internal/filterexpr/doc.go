// Package where owns the language of --where: how people write which executions
// to find. It is a way to write a [runtime.SearchFilter], and can say no more
// and no less than that.
//
//	expression = term { "or" term }
//	term       = factor { "and" factor }
//	factor     = "not" factor | "(" expression ")" | field condition
//	condition  = "=" value | "!=" value
//	           | ">=" duration | "<=" duration
//	           | [ "not" ] "in" "(" value { "," value } ")"
//	           | "is" [ "not" ] "null"
//
// A value is a word or is in double quotes, with \" and \\ in them; a duration is
// one as Go writes it, such as 500ms or 1m30s, in whole milliseconds. Words of the
// language and names of fields are of any case; a value is as it is.
//
//	f, err := where.Parse(`status=failed and (duration >= 30s or not reason in (timeout, memory))`)
package filterexpr
