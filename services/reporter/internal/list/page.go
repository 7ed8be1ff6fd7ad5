package list

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// PageSize is how many rows a page shows; MaxPageSize is the most that one JSON answer holds (NDJSON and CSV stream all).
const (
	PageSize    = 50
	MaxPageSize = 1000
)

// Ordered is a list in its order. Keys are unique and ascending; a cursor is the key of the last row seen, so that paging
// neither repeats nor skips a row when others come and go between two requests.
type Ordered[T any] struct {
	Rows []T
	keys []string
}

// order sorts rows by key.
func order[T any](rows []T, key func(T) string) Ordered[T] {
	o := Ordered[T]{Rows: rows, keys: make([]string, len(rows))}
	at := make([]int, len(rows))
	for i, r := range rows {
		o.keys[i], at[i] = key(r), i
	}
	slices.SortStableFunc(at, func(a, b int) int { return strings.Compare(o.keys[a], o.keys[b]) })
	sorted, keys := make([]T, len(rows)), make([]string, len(rows))
	for i, j := range at {
		sorted[i], keys[i] = rows[j], o.keys[j]
	}
	o.Rows, o.keys = sorted, keys
	return o
}

// List is a list in its order.
type List[T any] interface {
	Len() int
	All() iter.Seq[T]
	Page(cursor string, n int) (Page[T], error)
}

// Len is how many rows there are.
func (o Ordered[T]) Len() int { return len(o.Rows) }

// All gives every row.
func (o Ordered[T]) All() iter.Seq[T] { return slices.Values(o.Rows) }

// encodeCursor makes an opaque text of the parts of a key.
func encodeCursor(parts ...string) string {
	var b []byte
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// decodeCursor gives the n parts of a key back.
func decodeCursor(cursor string, n int) ([]string, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, badCursor(cursor)
	}
	parts := make([]string, 0, n)
	for range n {
		size, used := binary.Uvarint(b)
		if used <= 0 || size > uint64(len(b)-used) {
			return nil, badCursor(cursor)
		}
		parts = append(parts, string(b[used:used+int(size)]))
		b = b[used+int(size):]
	}
	if len(b) > 0 {
		return nil, badCursor(cursor)
	}
	return parts, nil
}

func badCursor(cursor string) error {
	return fmt.Errorf("cursor %.20q: %w: take it from the page before", cursor, plimsoll.ErrInvalid)
}

// Page is one page of a list. First counts from 1; Next is empty on the last page.
type Page[T any] struct {
	Rows  []T
	Total int
	First int
	Next  string
}

// Last is the number of the page's last row.
func (p Page[T]) Last() int { return p.First + len(p.Rows) - 1 }

// Page is the page of at most n rows after cursor; the first page's cursor is empty.
func (o Ordered[T]) Page(cursor string, n int) (Page[T], error) {
	from := 0
	if cursor != "" {
		after, err := decodeCursor(cursor, 1)
		if err != nil {
			return Page[T]{}, err
		}
		i, found := slices.BinarySearch(o.keys, after[0])
		if from = i; found {
			from++
		}
	}
	to := min(from+n, len(o.Rows))
	p := Page[T]{Rows: o.Rows[from:to], Total: len(o.Rows), First: from + 1}
	if to < len(o.Rows) {
		p.Next = encodeCursor(o.keys[to-1])
	}
	return p, nil
}

// down turns a count into a part of a key that sorts large numbers first.
func down(n int) string { return fmt.Sprintf("%09d", max(0, 999_999_999-n)) }

// InOrder is a list that has its order already; its cursors are positions.
func InOrder[T any](rows []T) Ordered[T] {
	o := Ordered[T]{Rows: rows, keys: make([]string, len(rows))}
	for i := range rows {
		o.keys[i] = fmt.Sprintf("%09d", i)
	}
	return o
}
