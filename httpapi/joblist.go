package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"math"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// toldPage is a page of a list.
type toldPage[T any] struct {
	Data []T      `json:"data"`
	Meta toldMeta `json:"meta"`
}

type toldMeta struct {
	HasMore    bool   `json:"hasMore"`
	NextCursor string `json:"nextCursor"`
	Total      int    `json:"total"` // how many there are, whatever q says
}

// joblist is what a list below /v0 is of, and how it is sorted: what its cursors
// are bound to.
type jobList struct {
	tenant    runtime.Tenant
	of        string // "jobs", "executions" or "tasks"
	job       string // id
	execution string // id
	sort      runtime.SortOrder
	query     string // in lower case
}

const (
	// maxJobQuery is the longest ?q=, in bytes.
	maxJobQuery = 256
	// minJobQuery is the shortest that is looked at, as with the vendor.
	minJobQuery = 2
	// manyJobs is what a limit may say beyond the largest page, which it then means.
	manyJobs = math.MaxInt32
)

// order reads ?sort= and ?q=.
func (l *jobList) order(query *fasthttp.Args, fallback runtime.SortOrder) error {
	l.sort = fallback
	switch sort := runtime.SortOrder(query.Peek("sort")); sort {
	case "":
	case runtime.SortCreatedDesc, runtime.SortCreatedAsc, runtime.SortNameAsc, runtime.SortNameDesc:
		l.sort = sort
	default:
		return runtime.Errorf(runtime.CodeInvalidArgument, "sort is not one of the orders that there are").
			WithHint("use createdAt:desc, createdAt:asc, name:asc or name:desc")
	}
	l.query = strings.ToLower(strings.TrimSpace(string(query.Peek("q"))))
	if len(l.query) > maxJobQuery {
		return runtime.Errorf(runtime.CodeInvalidArgument, "q has more than %d bytes", maxJobQuery)
	}
	if len([]rune(l.query)) < minJobQuery {
		l.query = ""
	}
	return nil
}

// listing is what a request asks for of the list.
func (l *jobList) listing(query *fasthttp.Args, limit int) (runtime.PageRequest, error) {
	asked := runtime.PageRequest{Sort: l.sort, Query: l.query, Limit: limit}
	var err error
	if cursor := query.Peek("cursor"); len(cursor) > 0 {
		asked.After, err = l.open(string(cursor), time.Now())
	}
	return asked, err
}

// tellPage tells a page of l.
func tellPage[T, E any](l *jobList, page runtime.Page[E], tell func(*E) T) toldPage[T] {
	told := toldPage[T]{Data: make([]T, len(page.Items)), Meta: toldMeta{HasMore: page.Next != "", Total: page.Total}}
	for i := range page.Items {
		told.Data[i] = tell(&page.Items[i])
	}
	if page.Next != "" {
		told.Meta.NextCursor = l.cursor(page.Next, time.Now())
	}
	return told
}

// A cursor is a byte for its form, when it was given (seconds since 1970), the
// beginning of a hash of that, of the list and of the position, and the position,
// in URL-safe base64. What is said of cursors in cursor.go holds for it.
const (
	jobCursorForm = 2
	jobCursorHead = 1 + 8 + cursorSum
	// jobCursorAge is how long a cursor is taken.
	jobCursorAge = 24 * time.Hour
)

func (l *jobList) cursor(position string, now time.Time) string {
	return base64.RawURLEncoding.EncodeToString(l.seal(position, uint64(now.Unix())))
}

// open gives the position in a cursor that was made for the same list. Of a
// cursor from the future, which comes from a clock that was put back, the age is
// what that clock says.
func (l *jobList) open(cursor string, now time.Time) (position string, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) <= jobCursorHead || raw[0] != jobCursorForm {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the cursor is not one that this server gives").
			WithHint("send meta.nextCursor of the page before as it is")
	}
	position = string(raw[jobCursorHead:])
	given := binary.BigEndian.Uint64(raw[1:])
	if !bytes.Equal(raw, l.seal(position, given)) {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the cursor belongs to another list, or another sort or q").
			WithHint("send it with what it came with, or begin without a cursor")
	}
	if age := now.Sub(time.Unix(int64(given), 0)); age > jobCursorAge || age < -jobCursorAge {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the cursor is older than %g hours", jobCursorAge.Hours()).
			WithHint("begin without a cursor")
	}
	return position, nil
}

func (l *jobList) seal(position string, given uint64) []byte {
	cursor := binary.BigEndian.AppendUint64([]byte{jobCursorForm}, given)
	h := sha256.New()
	_, _ = h.Write(cursor)
	// Lengths come first, so that no two lists look alike.
	for _, text := range []string{string(l.tenant), l.of, l.job, l.execution, string(l.sort), l.query, position} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(text)))
		_, _ = io.WriteString(h, text)
	}
	cursor = append(cursor, h.Sum(nil)[:cursorSum]...)
	return append(cursor, position...)
}
