package blaxel

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxQuery is the longest ?q=, in bytes.
	maxQuery = 256
	// minQuery is the shortest ?q= that has an effect, in characters, as with the vendor.
	minQuery = 2
	// anyLimit bounds ?limit= where a larger limit than the largest page means that page.
	anyLimit = math.MaxInt32
)

// list identifies a list and its order, to which its cursors are bound.
type list struct {
	tenant    runtime.Tenant
	of        string // "jobs", "executions" or "tasks"
	job       string // id
	execution string // id
	sort      runtime.SortOrder
	query     string // in lower case
}

// parseOrder reads ?sort= and ?q=.
func (l *list) parseOrder(query *fasthttp.Args, fallback runtime.SortOrder) error {
	l.sort = fallback
	switch sort := runtime.SortOrder(query.Peek("sort")); sort {
	case "":
	case runtime.SortCreatedDesc, runtime.SortCreatedAsc, runtime.SortNameAsc, runtime.SortNameDesc:
		l.sort = sort
	default:
		return runtime.Errorf(runtime.CodeInvalidArgument, "sort is not a known order").
			WithHint("use createdAt:desc, createdAt:asc, name:asc or name:desc")
	}
	l.query = strings.ToLower(strings.TrimSpace(string(query.Peek("q"))))
	if len(l.query) > maxQuery {
		return runtime.Errorf(runtime.CodeInvalidArgument, "q has more than %d bytes", maxQuery).WithHint("search for a part of the name")
	}
	if len([]rune(l.query)) < minQuery {
		l.query = ""
	}
	return nil
}

// parsePage reads the requested page of the list: ?sort=, ?q= and ?cursor=.
func (l *list) parsePage(query *fasthttp.Args, fallback runtime.SortOrder, limit int) (r runtime.PageRequest, err error) {
	if err := l.parseOrder(query, fallback); err != nil {
		return r, err
	}
	r = runtime.PageRequest{Sort: l.sort, Query: l.query, Limit: limit}
	if cursor := query.Peek("cursor"); len(cursor) > 0 {
		r.After, err = l.openCursor(string(cursor), time.Now())
	}
	return r, err
}

// renderPage renders a page of l.
func renderPage[T, E any](l *list, page runtime.Page[E], render func(*E) T) wire.Page[T] {
	response := wire.Page[T]{
		Data: renderItems(page.Items, render),
		Meta: wire.PageMeta{HasMore: page.Next != "", Total: page.Total},
	}
	if page.Next != "" {
		response.Meta.NextCursor = l.cursor(page.Next, time.Now())
	}
	return response
}

func renderItems[T, E any](items []E, render func(*E) T) []T {
	response := make([]T, len(items))
	for i := range items {
		response[i] = render(&items[i])
	}
	return response
}

// The layout of a cursor: a byte for the layout, when it was made (seconds since 1970), the
// beginning of a hash of that, of the list and of the position, and the position.
const (
	cursorLayout = 2
	cursorSum    = 8 // bytes
	cursorHead   = 1 + 8 + cursorSum
	// cursorAge is how long a cursor is valid.
	cursorAge = 24 * time.Hour
)

// cursor returns a cursor for a position.
func (l *list) cursor(position string, now time.Time) string {
	return web.EncodeCursor(l.seal(position, uint64(now.Unix())))
}

// openCursor returns the position in a cursor of the same list. It also refuses cursors that are
// more than [cursorAge] in the future, as after the clock was set back.
func (l *list) openCursor(cursor string, now time.Time) (position string, err error) {
	raw, ok := web.DecodeCursor(cursor, cursorLayout, cursorHead+1)
	if !ok {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "this server did not issue the cursor").
			WithHint("send meta.nextCursor of the previous page unchanged")
	}
	position = string(raw[cursorHead:])
	made := binary.BigEndian.Uint64(raw[1:])
	if !bytes.Equal(raw, l.seal(position, made)) {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the cursor belongs to another list, or another sort or q").
			WithHint("send it to the same list with the same sort and q, or start without a cursor")
	}
	if age := now.Sub(time.Unix(int64(made), 0)); age > cursorAge || age < -cursorAge {
		return "", runtime.Errorf(runtime.CodeInvalidArgument, "the cursor is older than %g hours", cursorAge.Hours()).
			WithHint("start without a cursor")
	}
	return position, nil
}

func (l *list) seal(position string, made uint64) []byte {
	cursor := binary.BigEndian.AppendUint64([]byte{cursorLayout}, made)
	h := web.NewCursorHash()
	h.Bytes(cursor)
	h.Text(string(l.tenant), l.of, l.job, l.execution, string(l.sort), l.query, position)
	cursor = append(cursor, h.Sum(cursorSum)...)
	return append(cursor, position...)
}
