package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// pages collects a whole listing.
func pages(list func(after string) ([]string, string, error)) (all []string, err error) {
	next := ""
	for {
		page, after, err := list(next)
		all = append(all, page...)
		if err != nil || after == "" {
			return all, err
		}
		next = after
	}
}

func catalog(ctx context.Context, c *Client, n int) ([]string, error) {
	return pages(func(after string) ([]string, string, error) { return c.Catalog(ctx, after, n) })
}

func tags(ctx context.Context, c *Client, n int) ([]string, error) {
	return pages(func(after string) ([]string, string, error) { return c.Tags(ctx, repository, after, n) })
}

func TestListings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 6 {
		f.push(t, fmt.Sprintf("r%d", i), "x")
		f.push(t, repository, fmt.Sprintf("%d", i))
	}
	c := f.client(t, quick())
	got, err := catalog(t.Context(), c, 3)
	if diff := cmp.Diff([]string{"r0", "r1", "r2", "r3", "r4", "r5", repository}, got); diff != "" || err != nil {
		t.Errorf("catalog: %v (-want +got):\n%s", err, diff)
	}
	got, err = tags(t.Context(), c, 2)
	if diff := cmp.Diff([]string{"0", "1", "2", "3", "4", "5"}, got); diff != "" || err != nil {
		t.Errorf("tags: %v (-want +got):\n%s", err, diff)
	}
	page, _, err := c.Tags(t.Context(), repository, "3", 10)
	if diff := cmp.Diff([]string{"4", "5"}, page); diff != "" || err != nil {
		t.Errorf("tags after a name: %v (-want +got):\n%s", err, diff)
	}
	_, _, err = c.Tags(t.Context(), "nobody/here", "", 10)
	wantError(t, err, plimsoll.ErrNotFound, "nobody/here", "404")
	_, _, err = c.Tags(t.Context(), "../etc", "", 10)
	wantError(t, err, plimsoll.ErrInvalid)
}

// linked serves pages whose Link says what the map says; a page is named by its query's p.
func linked(t *testing.T, links map[string]string) *Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p := req.URL.Query().Get("p")
		if next, ok := links[p]; ok {
			w.Header().Set("Link", strings.ReplaceAll(next, "SELF", req.Host))
		}
		_, _ = fmt.Fprintf(w, `{"name":%q,"tags":["t%s"]}`, repository, p)
	}))
	t.Cleanup(s.Close)
	return clientFor(t, s.URL, quick())
}

func TestPaging(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		links map[string]string
		want  []string
		kind  error
		word  string
	}{
		{"end", map[string]string{}, []string{"t"}, nil, ""},
		{"relative", map[string]string{"": `</v2/x?p=1>; rel="next"`, "1": `<?p=2>; rel=next`}, []string{"t", "t1", "t2"}, nil, ""},
		{"absolute, other scheme", map[string]string{"": `<https://SELF/v2/x?p=1>; rel="next"`}, []string{"t", "t1"}, nil, ""},
		{"other relations", map[string]string{"": `</v2/x?p=9>; rel="prev", </v2/x?p=1>; title="a"; rel="last next"`}, []string{"t", "t1"}, nil, ""},
		{"itself", map[string]string{"": `<?p=1>; rel="next"`, "1": `<?p=1>; rel="next"`}, []string{"t"}, plimsoll.ErrInvalid, "leads back"},
		{"loop of two", map[string]string{"": `<?p=1>; rel="next"`, "1": `<?p=2>; rel="next"`, "2": `<?p=1>; rel="next"`}, []string{"t", "t1"}, plimsoll.ErrInvalid, "leads back"},
		{"other host", map[string]string{"": `<http://attacker.example/v2/x?p=1>; rel="next"`}, nil, plimsoll.ErrInvalid, "attacker.example"},
		{"other port", map[string]string{"": `<http://127.0.0.1:1/v2/x?p=1>; rel="next"`}, nil, plimsoll.ErrInvalid, "another host"},
		{"user information", map[string]string{"": `<http://a:b@SELF/v2/x?p=1>; rel="next"`}, nil, plimsoll.ErrInvalid, "Link"},
		{"no query", map[string]string{"": `</v2/x>; rel="next"`}, nil, plimsoll.ErrInvalid, "Link"},
		{"long query", map[string]string{"": `<?p=` + strings.Repeat("x", 5000) + `>; rel="next"`}, nil, plimsoll.ErrInvalid, "Link"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := tags(t.Context(), linked(t, c.links), 10)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("tags (-want +got):\n%s", diff)
			}
			if c.kind == nil && err != nil {
				t.Errorf("error %v", err)
			}
			if c.kind != nil {
				wantError(t, err, c.kind, c.word)
			}
		})
	}
}

// TestPagingAgain asks for a page twice, as a retried activity does: that is no loop.
func TestPagingAgain(t *testing.T) {
	t.Parallel()
	c := linked(t, map[string]string{"": `<?p=1>; rel="next"`, "1": `<?p=2>; rel="next"`})
	ask := func(after string) (next string) {
		t.Helper()
		_, next, err := c.Tags(t.Context(), repository, after, 10)
		if err != nil {
			t.Errorf("page after %q: %v", after, err)
		}
		return next
	}
	one := ask("")
	two := ask(one)
	for _, after := range []string{one, two, one, "", one, two} {
		ask(after)
	}
}

func TestPageCap(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", fmt.Sprintf(`<?p=%d>; rel="next"`, n.Add(1)))
		_, _ = fmt.Fprint(w, `{"name":"x","tags":null}`) // an empty page with a next one
	}))
	defer s.Close()
	lim := quick()
	lim.pages = 7
	_, err := tags(t.Context(), clientFor(t, s.URL, lim), 10)
	wantError(t, err, plimsoll.ErrLimit, "7 pages")
	if n.Load() != 7 {
		t.Errorf("%d requests, want 7", n.Load())
	}
}

// TestNoLink is about registries that page without saying so, and those that do not page.
func TestNoLink(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		n        int
		last     bool // the server honours last
		limit    bool // the server honours n
		want     int
		complete bool
	}{
		{"all at once", 4, false, false, 5, true},
		{"paged by n and last", 2, true, true, 5, true},
		{"n alone", 2, false, true, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := []string{"a", "b", "c", "d", "e"}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				page := all
				for c.last && len(page) > 0 && page[0] <= req.URL.Query().Get("last") {
					page = page[1:]
				}
				if c.limit {
					page = page[:min(c.n, len(page))]
				}
				_, _ = fmt.Fprintf(w, `{"tags":["%s"]}`, strings.Join(page, `","`))
			}))
			defer s.Close()
			got, err := tags(t.Context(), clientFor(t, s.URL, quick()), c.n)
			if len(got) < c.want || (err == nil) != c.complete {
				t.Errorf("got %q, error %v; want %d, complete %v", got, err, c.want, c.complete)
			}
		})
	}
}

func TestListingFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		body string
		kind error
		word string
	}{
		{"html", "<!DOCTYPE html><html>Welcome to nginx</html>", plimsoll.ErrInvalid, "no registry"},
		{"not json", "no", plimsoll.ErrInvalid, ""},
		{"other json", `{"hello":"world"}`, plimsoll.ErrInvalid, "repositories"},
		{"wrong type", `{"repositories":"all"}`, plimsoll.ErrInvalid, "repositories"},
		{"endless", `{"repositories":["` + strings.Repeat("x", 2<<10) + `"]}`, plimsoll.ErrLimit, "1024"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(c.body)) }))
			defer s.Close()
			lim := quick()
			lim.listing = 1 << 10
			_, _, err := clientFor(t, s.URL, lim).Catalog(t.Context(), "", 10)
			wantError(t, err, c.kind, c.word)
		})
	}
}

// TestNoCatalog checks that a registry without a catalog is not one without repositories.
func TestNoCatalog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for status, kind := range map[int]error{http.StatusNotFound: plimsoll.ErrInvalid, http.StatusUnauthorized: plimsoll.ErrDenied, http.StatusForbidden: plimsoll.ErrDenied} {
		f.Intercept(imagetest.Answer(1, status, nil, nil))
		_, _, err := f.client(t, quick()).Catalog(t.Context(), "", 10)
		wantError(t, err, kind, "repositories:")
		if errors.Is(err, plimsoll.ErrNotFound) {
			t.Errorf("HTTP %d: %v might be taken for an empty catalog", status, err)
		}
	}
}

func FuzzNextLink(f *testing.F) {
	for _, s := range []string{`</v2/x?n=1>; rel="next"`, `<a>;rel=prev,<b>; rel="x next"`, `<`, `<>;;=,`, `<a>; rel="next`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if target, ok := nextLink([]string{s}); ok && !strings.Contains(s, "<"+target+">") {
			t.Errorf("%q gave %q", s, target)
		}
	})
}

func FuzzDecodeListing(f *testing.F) {
	for _, s := range []string{`{"name":"x","tags":["a"]}`, `{"repositories":null}`, `{}`, `[]`, `{"tags":[1]}`} {
		f.Add([]byte(s), "tags")
	}
	f.Fuzz(func(t *testing.T, b []byte, field string) {
		if names, err := decodeListing(b, field); err != nil && (names != nil || !errors.Is(err, plimsoll.ErrInvalid)) {
			t.Errorf("%q: %q and %v", b, names, err)
		}
	})
}
