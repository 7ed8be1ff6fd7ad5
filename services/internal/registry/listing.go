package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/plimsoll/plimsoll"
)

// Catalog lists one page of the registry's repositories, in the registry's order. after is "" for the first page, then the
// former page's next; a repository's name is accepted too and means the page after it. n is how many are asked for, at most
// [PageSize]; a registry may give fewer or, when it knows no paging, all.
//
// Names are passed on as they came; those outside the specification's grammar are refused when used. A page that leads to one
// seen before, or to another host, is ErrInvalid: the listing is then incomplete, which is not the same as its end.
func (c *Client) Catalog(ctx context.Context, after string, n int) (repositories []string, next string, err error) {
	return c.page(ctx, listing{what: "catalog", path: "/v2/_catalog", scope: catalogScope, field: "repositories"}, after, n)
}

// Tags lists one page of a repository's tags; see [Client.Catalog] for paging. An unknown repository is ErrNotFound.
func (c *Client) Tags(ctx context.Context, repository, after string, n int) (tags []string, next string, err error) {
	if err := plimsoll.CheckRepository(repository); err != nil {
		return nil, "", err
	}
	return c.page(ctx, tagListing(repository), after, n)
}

func tagListing(repository string) listing {
	return listing{what: "tags of " + repository, path: "/v2/" + repository + "/tags/list", scope: pullScope(repository), field: "tags"}
}

// listing is one of the two: where it is and which field of its reply holds the names.
type listing struct{ what, path, scope, field string }

func (c *Client) page(ctx context.Context, l listing, after string, n int) ([]string, string, error) {
	if n <= 0 || n > PageSize {
		n = PageSize
	}
	d, err := c.pageDocument(ctx, l, after, n)
	if err != nil {
		return nil, "", err
	}
	names, err := decodeListing(d.body, l.field)
	if err != nil {
		return nil, "", &fault{what: l.what, at: where(d.url), cause: err, fix: htmlHint(d)}
	}
	next, err := c.onward(l, d, names, n)
	if err != nil {
		return nil, "", err
	}
	return names, next, nil
}

// TagsDocument is [Client.Tags] for vendors that tell more than names in its reply: one page as it came. Only a Link header leads
// to another page.
func (c *Client) TagsDocument(ctx context.Context, repository, after string, n int) (body []byte, next string, err error) {
	if err := plimsoll.CheckRepository(repository); err != nil {
		return nil, "", err
	}
	l := tagListing(repository)
	d, err := c.pageDocument(ctx, l, after, n)
	if err != nil {
		return nil, "", err
	}
	next, err = c.onward(l, d, nil, n)
	return d.body, next, err
}

// pageDocument asks for one page.
func (c *Client) pageDocument(ctx context.Context, l listing, after string, n int) (document, error) {
	if err := c.chains.visit(l.path, after, c.lim.pages); err != nil {
		return document{}, fmt.Errorf("%s: %s%s: %w", l.what, c.base.String(), l.path, err)
	}
	d, err := c.fetch(ctx, call{what: l.what, method: http.MethodGet, path: l.path, query: pageQuery(after, n), scope: l.scope, gated: true}, c.lim.listing)
	if err != nil {
		return document{}, l.explain(err)
	}
	return d, nil
}

// onward is where the page after this one starts.
func (c *Client) onward(l listing, d document, names []string, n int) (string, error) {
	next, err := c.nextPage(d, names, n)
	if err == nil {
		err = c.chains.follow(l.path, next)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w", l.what, where(d.url), err)
	}
	return next, nil
}

// explain turns "not found" of a catalog, which only says that a registry offers none, into what can be done about it. Of a
// registry's tags it stays what it is.
func (l listing) explain(err error) error {
	var f *fault
	if l.scope != catalogScope || !errors.As(err, &f) {
		return err
	}
	switch f.kind {
	case plimsoll.ErrNotFound:
		// An absent catalog is not an empty one: ErrNotFound might be taken for that.
		return &fault{what: f.what, at: f.at, kind: plimsoll.ErrInvalid, cause: f.cause, fix: fixNoCatalog}
	case plimsoll.ErrDenied:
		return &fault{what: f.what, at: f.at, kind: f.kind, cause: f.cause, fix: f.fix + ", or: " + fixNoCatalog}
	}
	return err
}

// pageQuery makes the query of a page. A cursor of ours is "?" and the query the registry gave for it.
func pageQuery(after string, n int) string {
	if query, ok := strings.CutPrefix(after, "?"); ok {
		return query
	}
	v := url.Values{"n": {strconv.Itoa(n)}}
	if after != "" {
		v.Set("last", after)
	}
	return v.Encode()
}

// decodeListing reads {"name": …, "tags": […]} and {"repositories": […]}. null and a missing list mean an empty one only
// when the reply is one of these objects at all.
func decodeListing(body []byte, field string) ([]string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("%w reply: %w", plimsoll.ErrInvalid, err)
	}
	raw, ok := fields[field]
	if _, named := fields["name"]; !ok && !named {
		return nil, fmt.Errorf("%w reply: it has no %q", plimsoll.ErrInvalid, field)
	}
	var names []string
	if ok {
		if err := json.Unmarshal(raw, &names); err != nil {
			return nil, fmt.Errorf("%w reply: %q: %w", plimsoll.ErrInvalid, field, err)
		}
	}
	return names, nil
}

func htmlHint(d document) string {
	if isHTML(d.header, d.body) {
		return fixNoRegistry
	}
	return ""
}

// maxCursor bounds a cursor that a registry makes us keep.
const maxCursor = 4096

// nextPage finds where the next page starts: in the Link header (distribution specification, "Listing tags"), or, when a
// registry gives none with a full page, after its last name. A registry that ignores n has sent more than n: that is all.
func (c *Client) nextPage(d document, names []string, n int) (string, error) {
	target, ok := nextLink(d.header.Values("Link"))
	if !ok {
		if len(names) == n {
			return names[n-1], nil
		}
		return "", nil
	}
	u, err := c.base.Parse(target)
	if err != nil {
		return "", fmt.Errorf("%w Link to the next page: %w", plimsoll.ErrInvalid, err)
	}
	if !c.sameHost(u) || u.User != nil {
		return "", fmt.Errorf("%w Link to the next page: it leads to another host, %s", plimsoll.ErrInvalid, clean(u.Host))
	}
	if u.RawQuery == "" || len(u.RawQuery) > maxCursor {
		return "", fmt.Errorf("%w Link to the next page: a query of %d bytes", plimsoll.ErrInvalid, len(u.RawQuery))
	}
	return "?" + u.RawQuery, nil
}

// sameHost ignores the scheme: a registry behind a TLS proxy often believes that it is http. Only the query of a link is used.
func (c *Client) sameHost(u *url.URL) bool {
	return strings.EqualFold(u.Host, c.base.Host) || hostPort(u) == hostPort(&c.base)
}

// nextLink finds rel="next" in Link headers (RFC 8288).
func nextLink(values []string) (target string, ok bool) {
	for _, value := range values {
		for value != "" {
			_, rest, found := strings.Cut(value, "<")
			if !found {
				break
			}
			target, rest, found = strings.Cut(rest, ">")
			if !found {
				break
			}
			parameters, more, _ := strings.Cut(rest, ",")
			if isNext(parameters) {
				return target, true
			}
			value = more
		}
	}
	return "", false
}

func isNext(parameters string) bool {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		relations := strings.Fields(strings.Trim(strings.TrimSpace(value), `"`))
		if slices.ContainsFunc(relations, func(r string) bool { return strings.EqualFold(r, "next") }) {
			return true
		}
	}
	return false
}

// chains remembers, for each listing under way, the pages it came through, so that a listing that leads back into itself is
// noticed. A page asked for again (a retry) takes the chain back to that page.
type chains struct {
	mu   sync.Mutex
	open map[string]*chain
}

type chain struct {
	order []string
	at    map[string]int // cursor → place in order
}

// visit notes that the page at a cursor is asked for now.
func (cs *chains) visit(path, cursor string, pages int) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	ch := cs.open[path]
	if ch == nil || cursor == "" {
		ch = cs.start(path)
	}
	if i, ok := ch.at[cursor]; ok {
		ch.cut(i)
	}
	if len(ch.order) >= pages {
		return fmt.Errorf("%w: a listing of more than %d pages", plimsoll.ErrLimit, pages)
	}
	ch.at[cursor] = len(ch.order)
	ch.order = append(ch.order, cursor)
	return nil
}

func (cs *chains) start(path string) *chain {
	if cs.open == nil {
		cs.open = map[string]*chain{}
	}
	if len(cs.open) >= maxChains {
		// Abandoned listings leave their chain behind; any may go, at worst a loop is noticed one round later.
		for other := range cs.open {
			delete(cs.open, other)
			break
		}
	}
	ch := &chain{at: map[string]int{}}
	cs.open[path] = ch
	return ch
}

func (ch *chain) cut(i int) {
	for _, cursor := range ch.order[i:] {
		delete(ch.at, cursor)
	}
	ch.order = ch.order[:i]
}

// follow checks the way on; "" ends the listing.
func (cs *chains) follow(path, next string) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	ch := cs.open[path]
	if ch == nil {
		return nil
	}
	if next == "" {
		delete(cs.open, path)
		return nil
	}
	if _, seen := ch.at[next]; seen {
		delete(cs.open, path)
		return fmt.Errorf("%w paging: page %d leads back to an earlier one, so the listing has no end", plimsoll.ErrInvalid, len(ch.order))
	}
	return nil
}
