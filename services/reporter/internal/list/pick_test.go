package list

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// pages walks a list from page to page.
func pages[T any](t *testing.T, l List[T], n int) (out []T) {
	t.Helper()
	cursor := ""
	for {
		p, err := l.Page(cursor, n)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Rows) > 0 && (p.First != len(out)+1 || p.Total != l.Len()) {
			t.Fatalf("a page from %d of %d, want from %d of %d", p.First, p.Total, len(out)+1, l.Len())
		}
		out = append(out, p.Rows...)
		if cursor = p.Next; cursor == "" {
			return out
		}
	}
}

// TestPagesEqualAll: pages that are picked out are together the sorted whole, each row once.
func TestPagesEqualAll(t *testing.T) {
	t.Parallel()
	v := posturetest.New(t, 150).Engine.View()
	for _, n := range []int{1, 7, 50, 1000} {
		for _, sort := range params["sort"].words {
			l := Images(v, Filter{}.With("scope", ScopeStored).With("sort", sort))
			var all, paged []string
			for r := range l.All() {
				all = append(all, Name(r)+r.Platform.String())
			}
			for _, r := range pages(t, l, n) {
				paged = append(paged, Name(r)+r.Platform.String())
			}
			if diff := cmp.Diff(all, paged); diff != "" || len(all) != len(v.Rows()) {
				t.Errorf("sort=%s, %d a page: %d of %d images (-all +pages):\n%s", sort, n, len(all), len(v.Rows()), diff)
			}
		}
		if n == 1 {
			continue // thousands of pages
		}
		l := Places(v, Filter{}.With("scope", ScopeStored))
		text := func(p posture.Place) string {
			return p.Finding.ID + " " + p.Finding.PURL + " " + p.Finding.Path + " " + Name(p.Row) + p.Row.Platform.String()
		}
		var all, paged []string
		for p := range l.All() {
			all = append(all, text(p))
		}
		for _, p := range pages(t, l, n) {
			paged = append(paged, text(p))
		}
		if diff := cmp.Diff(all, paged); diff != "" || len(all) != l.Len() || len(all) == 0 {
			t.Errorf("places, %d a page: %d of %d (-all +pages):\n%s", n, len(all), l.Len(), diff)
		}
	}
}

func TestPicked(t *testing.T) {
	t.Parallel()
	p := newPicked(3, func(a, b int) int { return a - b })
	for i := range 100 {
		p.offer(i * 37 % 100)
	}
	if got := p.sorted(); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("the lowest three of 0 to 99: %v", got)
	}
}

// FuzzCursor: a cursor is text from outside; what is none is an error that says so.
func FuzzCursor(f *testing.F) {
	f.Add("", "")
	f.Add(encodeCursor("0", "1", "2", "dev", "web", "1", "linux/amd64", "sha256:ab"), encodeCursor("a", encodeCursor("0"), "p", "1", "x"))
	f.Add("%", "gICAgICAgICAAQ")
	f.Fuzz(func(t *testing.T, image, place string) {
		if _, err := (ImageList{}).Page(image, 1); err != nil && !errors.Is(err, plimsoll.ErrInvalid) {
			t.Error(err)
		}
		if _, err := (PlaceList{view: &posture.View{}}).Page(place, 1); err != nil && !errors.Is(err, plimsoll.ErrInvalid) {
			t.Error(err)
		}
	})
}
