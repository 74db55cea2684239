package httpapi_test

import (
	"strings"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
)

// rawRefusals returns requests for refusals: framing that published attacks on pairs of readers use, and
// targets, versions and hosts that are none.
func rawRefusals() map[string]refusal {
	header := func(lines string) string { return apitest.ListLine + "Host: a\r\n" + lines + apitest.AuthLine + "\r\n" }
	chunks := func(body string) string { return apitest.RunLine + "Transfer-Encoding: chunked\r\n\r\n" + body }
	length := func(line string) string { return apitest.RunLine + line + "\r\n\r\n{}" }
	coding := func(line string) string { return apitest.RunLine + line + "\r\n\r\n2\r\n{}\r\n0\r\n\r\n" }
	target := func(line string) string { return line + "\r\nHost: a\r\n" + apitest.AuthLine + "\r\n" }
	host := func(value string) string {
		return apitest.ListLine + "Host: " + value + "\r\n" + apitest.AuthLine + "\r\n"
	}
	return map[string]refusal{
		"length with comma":             {length("Content-Length: 2,"), 400},
		"length with fraction":          {length("Content-Length: 2.0"), 400},
		"length with exponent":          {length("Content-Length: 2e0"), 400},
		"length with semicolon":         {length("Content-Length: 2;"), 400},
		"length with underscore":        {length("Content-Length: 0_2"), 400},
		"length in quotes":              {length("Content-Length: \"2\""), 400},
		"length behind a vertical tab":  {length("Content-Length: \x0b2"), 400},
		"length before a form feed":     {length("Content-Length: 2\x0c"), 400},
		"length before NUL":             {length("Content-Length: 2\x00"), 400},
		"length folded":                 {length("Content-Length:\r\n 2"), 400},
		"length folded at its end":      {length("Content-Length: 2\r\n 3"), 400},
		"length before a space":         {length("Content-Length : 2"), 400},
		"length with wide digits":       {length("Content-Length: \uff12"), 400},
		"lengths in different case":     {length("Content-Length: 2\r\ncontent-length: 3"), 400},
		"length and folded coding":      {length("Content-Length: 2\r\nTransfer-Encoding\r\n : chunked"), 400},
		"length behind CR":              {length("X: y\rContent-Length: 2"), 400},
		"length zero and chunked":       {coding("Content-Length: 0\r\nTransfer-Encoding: chunked"), 400},
		"coding with space before":      {coding("Transfer-Encoding : chunked"), 400},
		"coding with tab before":        {coding("Transfer-Encoding\t: chunked"), 400},
		"coding with NUL":               {coding("Transfer-Encoding: chunked\x00"), 400},
		"coding with form feed":         {coding("Transfer-Encoding:\x0cchunked"), 400},
		"coding in quotes":              {coding("Transfer-Encoding: \"chunked\""), 400},
		"coding with parameter":         {coding("Transfer-Encoding: chunked;q=1"), 400},
		"coding with comma":             {coding("Transfer-Encoding: chunked,"), 400},
		"coding behind a comma":         {coding("Transfer-Encoding: ,chunked"), 400},
		"coding twice in a list":        {coding("Transfer-Encoding: chunked, chunked"), 400},
		"coding twice without comma":    {coding("Transfer-Encoding: chunked chunked"), 400},
		"coding with prefix":            {coding("Transfer-Encoding: xchunked, chunked"), 400},
		"coding folded behind":          {coding("Transfer-Encoding: chunked\r\n , identity"), 400},
		"coding behind CR":              {coding("X: y\rTransfer-Encoding: chunked"), 400},
		"coding behind LF":              {coding("X: y\nTransfer-Encoding: chunked"), 400},
		"coding empty":                  {coding("Transfer-Encoding:"), 400},
		"codings that differ":           {coding("Transfer-Encoding: chunked\r\nTransfer-encoding: identity"), 400},
		"coding with byte over 127":     {coding("Transfer-Encoding: chunked\xa0"), 400},
		"chunk with plus":               {chunks("+2\r\n{}\r\n0\r\n\r\n"), 400},
		"chunk behind a space":          {chunks(" 2\r\n{}\r\n0\r\n\r\n"), 400},
		"chunk behind a tab":            {chunks("\t2\r\n{}\r\n0\r\n\r\n"), 400},
		"chunk with underscore":         {chunks("0_2\r\n{}\r\n0\r\n\r\n"), 400},
		"chunk with comma":              {chunks("2,\r\n{}\r\n0\r\n\r\n"), 400},
		"chunk with NUL":                {chunks("2\x00\r\n{}\r\n0\r\n\r\n"), 400},
		"chunk with letters":            {chunks("2g\r\n{}\r\n0\r\n\r\n"), 400},
		"chunk size ends in CR":         {chunks("2\r{}\r\n0\r\n\r\n"), 400},
		"chunk ends in LF":              {chunks("2\r\n{}\n0\r\n\r\n"), 400},
		"chunk ends in CR":              {chunks("2\r\n{}\r0\r\n\r\n"), 400},
		"chunk without end":             {chunks("2\r\n{}0\r\n\r\n"), 400},
		"last chunk ends in LF":         {chunks("2\r\n{}\r\n0\n\r\n"), 400},
		"chunk extension in quotes":     {chunks("2;a=\"\r\n\"\r\n{}\r\n0\r\n\r\n"), 400},
		"chunk size that is long":       {chunks(strings.Repeat("0", 100_000) + "2\r\n{}\r\n0\r\n\r\n"), 400},
		"coding in a trailer":           {chunks("2\r\n{}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
		"host in a trailer":             {chunks("2\r\n{}\r\n0\r\nHost: b\r\n\r\n"), 400},
		"trailers that are many":        {chunks("2\r\n{}\r\n0\r\n" + strings.Repeat("X: y\r\n", 20_000) + "\r\n"), 431},
		"host with empty brackets":      {host("[]"), 400},
		"host with open bracket":        {host("[::1"), 400},
		"host with space":               {host("a b"), 400},
		"host with percent":             {host("a%00b"), 400},
		"host with hash":                {host("a#b"), 400},
		"host with question mark":       {host("a?b"), 400},
		"host with backslash":           {host("a\\b"), 400},
		"host with angle":               {host("<script>"), 400},
		"host with byte over 127":       {host("a\xffb"), 400},
		"host folded":                   {host("a\r\n b"), 400},
		"target without host":           {target("GET http:///v1/functions/ HTTP/1.1"), 400},
		"target with backslash host":    {target("GET http://a\\b/v1/functions/ HTTP/1.1"), 400},
		"target that is an authority":   {target("GET a:80 HTTP/1.1"), 400},
		"target with two queries":       {target("GET ?a=1 HTTP/1.1"), 400},
		"target empty":                  {target("GET  HTTP/1.1"), 400},
		"method empty":                  {target(" /v1/functions/ HTTP/1.1"), 400},
		"method that is long":           {target(strings.Repeat("A", 20_000) + " /v1/functions/ HTTP/1.1"), 431},
		"method with NUL":               {target("GET\x00 /v1/functions/ HTTP/1.1"), 400},
		"method with comma":             {target("GET, /v1/functions/ HTTP/1.1"), 400},
		"method behind a space":         {target(" GET /v1/functions/ HTTP/1.1"), 400},
		"method behind a mark":          {target("\ufeffGET /v1/functions/ HTTP/1.1"), 400},
		"version with text behind":      {target("GET /v1/functions/ HTTP/1.1 x"), 400},
		"version 1.10":                  {target("GET /v1/functions/ HTTP/1.10"), 400},
		"version 01.1":                  {target("GET /v1/functions/ HTTP/01.1"), 400},
		"version 1,1":                   {target("GET /v1/functions/ HTTP/1,1"), 400},
		"version HTTPS":                 {target("GET /v1/functions/ HTTPS/1.1"), 400},
		"version with NUL":              {target("GET /v1/functions/ HTTP/1.1\x00"), 400},
		"version 3.0":                   {target("GET /v1/functions/ HTTP/3.0"), 505},
		"version 0.9":                   {target("GET /v1/functions/ HTTP/0.9"), 505},
		"version behind a tab":          {target("GET /v1/functions/\tHTTP/1.1"), 400},
		"header line of CR alone":       {header("\r\r\n"), 400},
		"header name with colon before": {header(":X: y\r\n"), 400},
		"header name with quotes":       {header("\"X\": y\r\n"), 400},
		"header name with parentheses":  {header("X(y): z\r\n"), 400},
		"value behind NUL":              {header("X: \x00\r\n"), 400},
		"token folded":                  {apitest.ListLine + "Host: a\r\nAuthorization:\r\n Token x\r\n\r\n", 400},
	}
}
