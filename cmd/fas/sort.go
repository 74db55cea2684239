package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// sortHelp describes the value of --sort, in the help of commands that list.
const sortHelp = `--sort sorts what is listed: times with the latest first, numbers with the largest first,
texts by the alphabet. -FIELD sorts down, +FIELD up; what has no value is last. With
--limit, what would be listed without --sort is sorted.`

// order is an order in which a list can be sorted.
type order[T any] struct {
	name    string
	falls   bool             // without a sign, the largest is first
	compare func(a, b T) int // up
	absent  func(T) bool     // has no value; nil: each has one
}

// byTime is an order by a time, without a sign the latest first.
func byTime[T any](name string, of func(T) time.Time) order[T] {
	return order[T]{
		name: name, falls: true,
		compare: func(a, b T) int { return of(a).Compare(of(b)) },
		absent:  func(x T) bool { return of(x).IsZero() },
	}
}

// byNumber is an order by a number, without a sign the largest first.
func byNumber[T any, N cmp.Ordered](name string, of func(T) N) order[T] {
	return order[T]{name: name, falls: true, compare: func(a, b T) int { return cmp.Compare(of(a), of(b)) }}
}

// byText is an order by a text.
func byText[T any, S ~string](name string, of func(T) S) order[T] {
	return order[T]{
		name:    name,
		compare: func(a, b T) int { return cmp.Compare(of(a), of(b)) },
		absent:  func(x T) bool { return of(x) == "" },
	}
}

// sorting is the flag --sort of a command that lists.
type sorting[T any] struct {
	orders []order[T]
	text   string // of the flag; empty: the list keeps the order of the server
	flag   *pflag.Flag
}

// add adds --sort; preset is its default.
func (s *sorting[T]) add(cmd *cobra.Command, preset string) {
	var words []string
	for _, o := range s.orders {
		words = append(words, o.name)
	}
	cmd.Flags().StringVar(&s.text, "sort", preset, "sort by `FIELD`: "+s.names()+"; -FIELD sorts down, +FIELD up")
	s.flag = cmd.Flags().Lookup("sort")
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// names returns the fields for people.
func (s *sorting[T]) names() string {
	var text strings.Builder
	for i, o := range s.orders {
		switch {
		case i == 0:
		case i == len(s.orders)-1:
			text.WriteString(" or ")
		default:
			text.WriteString(", ")
		}
		text.WriteString(o.name)
	}
	return text.String()
}

// field returns the name of the field, without its sign.
func (s *sorting[T]) field() string {
	if s.text != "" && (s.text[0] == '-' || s.text[0] == '+') {
		return s.text[1:]
	}
	return s.text
}

// given reports whether the command line has the flag.
func (s *sorting[T]) given() bool { return s.flag != nil && s.flag.Changed }

// comparison returns what compares two items of the list; nil if it keeps its order. An empty field is an error,
// because it is a variable of a script that is not set.
func (s *sorting[T]) comparison() (func(a, b T) int, error) {
	if s.text == "" && !s.given() {
		return nil, nil
	}
	at := slices.IndexFunc(s.orders, func(o order[T]) bool { return o.name == s.field() })
	if at < 0 {
		return nil, clierror.Usagef("give "+s.names()+"; - or + before it sorts down or up", "the --sort %s is not known", ui.Quote(s.text))
	}
	o := s.orders[at]
	falls := s.text[0] == '-' || o.falls && s.text[0] != '+'
	return func(a, b T) int {
		if o.absent != nil && (o.absent(a) || o.absent(b)) {
			return compareBool(o.absent(a), o.absent(b))
		}
		if falls {
			return o.compare(b, a)
		}
		return o.compare(a, b)
	}, nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// check returns an error for a field that is not known.
func (s *sorting[T]) check() error {
	_, err := s.comparison()
	return err
}

// sort sorts a list, whose field was checked.
func (s *sorting[T]) sort(list []T) {
	if compare, _ := s.comparison(); compare != nil {
		slices.SortStableFunc(list, compare)
	}
}

// each calls list with a function that prints a page, page by page if the list keeps its order, else once with
// all of it. The field was checked.
func (s *sorting[T]) each(page func([]T) error, list func(page func([]T) error) (more bool, err error)) (more bool, err error) {
	if s.text == "" {
		return list(page)
	}
	var all []T
	more, err = list(func(some []T) error {
		all = append(all, some...)
		return nil
	})
	if err != nil {
		return false, err
	}
	s.sort(all)
	return more, page(all)
}
