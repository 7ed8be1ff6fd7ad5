package discover

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll"
)

const (
	// maxPages bounds one listing by numbered pages: a million entries at the usual hundred a page.
	maxPages = 10_000
	// maxNamespaces bounds the parts of a registry.
	maxNamespaces = 100_000
	// pageSize is the most entries a page that Docker Hub, Harbor and GitLab give.
	pageSize = 100
	// maxDetail bounds what a vendor says, in bytes.
	maxDetail = 300
)

// walk lists one namespace after the other, in their order by name, until it has about n repositories. The cursor is the
// namespace and how far it is listed. A namespace that cannot be listed is missed and the others go on, unless the registry
// does not answer at all: then the page is to be tried again.
func walk(ctx context.Context, namespaces []string, cursor string, n int, list func(ctx context.Context, namespace, at string) (names []string, next string, err error)) (Page, error) {
	namespaces = slices.Compact(slices.Sorted(slices.Values(namespaces)))
	var page Page
	from, at, _ := strings.Cut(cursor, " ")
	i, found := slices.BinarySearch(namespaces, from)
	if !found {
		at = "" // a namespace that is gone meanwhile: its successor starts at its beginning
	}
	for i < len(namespaces) {
		if err := ctx.Err(); err != nil {
			return Page{}, context.Cause(ctx)
		}
		names, next, err := list(ctx, namespaces[i], at)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, plimsoll.ErrUnavailable) {
				return Page{}, err
			}
			page.Missed = append(page.Missed, Missed{namespaces[i], err})
		}
		page.Repositories = append(page.Repositories, names...)
		if at = next; at == "" {
			i++
		}
		if len(page.Repositories) >= n {
			break
		}
	}
	if i < len(namespaces) {
		page.Next = namespaces[i] + " " + at
	}
	return page, nil
}

// numbered is the place in a listing by page numbers: which page is next, and a mark of the one before, so that a server that
// gives the same page for ever is noticed.
type numbered struct {
	page int
	mark uint64
}

// place reads the cursor of a listing by page numbers.
func place(cursor string) (numbered, error) {
	if cursor == "" {
		return numbered{page: 1}, nil
	}
	page, mark, _ := strings.Cut(cursor, "-")
	p, err := strconv.Atoi(page)
	m, merr := strconv.ParseUint(mark, 16, 64)
	if err != nil || merr != nil || p < 1 {
		return numbered{}, fmt.Errorf("cursor %.80q: %w", cursor, plimsoll.ErrInvalid)
	}
	return numbered{p, m}, nil
}

// after is the cursor of the next page, when more says that there is one.
func (n numbered) after(what string, names []string, more bool) (string, error) {
	if !more {
		return "", nil
	}
	mark := markOf(names)
	switch {
	case len(names) == 0:
		return "", fmt.Errorf("%s: %w paging: page %d is empty and says that more follow", what, plimsoll.ErrInvalid, n.page)
	case n.page > 1 && mark == n.mark:
		return "", fmt.Errorf("%s: %w paging: page %d is the same as the one before, so the listing has no end", what, plimsoll.ErrInvalid, n.page)
	case n.page >= maxPages:
		return "", fmt.Errorf("%s: %w: a listing of more than %d pages", what, plimsoll.ErrLimit, maxPages)
	}
	return fmt.Sprintf("%d-%x", n.page+1, mark), nil
}

func markOf(names []string) uint64 {
	h := fnv.New64a()
	for _, name := range names {
		_, _ = h.Write([]byte(name))
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}

// malformed is the error of a reply that is not what the vendor documents.
func malformed(what string, err error) error {
	return fmt.Errorf("%s: %w reply: %w", what, plimsoll.ErrInvalid, err)
}

// line is an error on one short line.
func line(err error) string {
	s := strings.Join(strings.Fields(err.Error()), " ")
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + " …"
	}
	return s
}

// digestOf takes a digest that a vendor tells; one of another form counts as not told, and a HEAD then finds out.
func digestOf(s string) plimsoll.Digest {
	d, err := plimsoll.ParseDigest(s)
	if err != nil {
		return ""
	}
	return d
}
