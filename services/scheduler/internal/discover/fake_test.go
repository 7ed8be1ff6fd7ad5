package discover

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// The user's own Docker configuration must not leak into tests.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "discover")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"HOME", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"} {
		_ = os.Setenv(name, dir)
	}
	_ = os.Unsetenv("REGISTRY_AUTH_FILE")
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// fake is a server that speaks one vendor's API, as the vendor documents it.
type fake struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	asked  []string // method and URL of each request, in order
	before func(w http.ResponseWriter, r *http.Request) bool
	denied map[string]int // path prefix → status
}

// serve starts a fake; answer is the vendor's.
func serve(t *testing.T, answer func(f *fake, w http.ResponseWriter, r *http.Request)) *fake {
	t.Helper()
	f := &fake{t: t, denied: map[string]int{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked = append(f.asked, r.Method+" "+r.URL.RequestURI())
		before, status := f.before, 0
		for prefix, s := range f.denied {
			if strings.HasPrefix(r.URL.EscapedPath(), prefix) {
				status = s
			}
		}
		f.mu.Unlock()
		if before != nil && before(w, r) {
			return
		}
		if status != 0 {
			w.WriteHeader(status)
			return
		}
		answer(f, w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// requests are those with a word in them.
func (f *fake) requests(word string) (found []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.asked {
		if strings.Contains(r, word) {
			found = append(found, r)
		}
	}
	return found
}

func (f *fake) deny(prefix string, status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied[prefix] = status
}

func (f *fake) first(before func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

// source is what the product makes for a registry, with the fake as both the registry and the vendor's API.
func (f *fake) source(conf plimsoll.Registry) *Source {
	f.t.Helper()
	conf.ID, conf.URL = "test", f.URL
	if conf.APIURL == "" && conf.Kind != plimsoll.KindGoogle && conf.Kind != plimsoll.KindDistribution {
		conf.APIURL = f.URL
	}
	c, err := registry.New(conf, registry.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	s, err := New(c)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// secret writes a password file.
func secret(t *testing.T, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// page cuts one page out of a list, by the names that a vendor gives to the two numbers.
func page[T any](r *http.Request, all []T, numberName, sizeName string) (part []T, number int, more bool) {
	number, _ = strconv.Atoi(r.URL.Query().Get(numberName))
	size, _ := strconv.Atoi(r.URL.Query().Get(sizeName))
	number, size = max(number, 1), min(max(size, 1), 100)
	from := min((number-1)*size, len(all))
	to := min(from+size, len(all))
	return all[from:to], number, to < len(all)
}

// all lists a whole registry, page by page, each by a source of its own: a cursor must mean the same to another process.
func all(t *testing.T, source func() *Source, n int) (names []string, missed []Missed) {
	t.Helper()
	for cursor, pages := "", 0; ; pages++ {
		p, err := source().Repositories(t.Context(), cursor, n)
		if err != nil {
			t.Fatalf("Repositories after %q: %v", cursor, err)
		}
		names, missed = append(names, p.Repositories...), append(missed, p.Missed...)
		if cursor = p.Next; cursor == "" {
			return names, missed
		}
		if pages > 1000 {
			t.Fatal("the listing has no end")
		}
	}
}

func allTags(ctx context.Context, s *Source, repository string) (tags []Tag, err error) {
	for cursor := ""; ; {
		part, next, err := s.Tags(ctx, repository, cursor)
		if err != nil {
			return nil, err
		}
		tags = append(tags, part...)
		if cursor = next; cursor == "" {
			return tags, nil
		}
	}
}

func digest(s string) plimsoll.Digest { return plimsoll.DigestOf([]byte(s)) }

func numberedNames(prefix string, n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%s%04d", prefix, i))
	}
	return names
}

var pushed = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d %.300q, want %d %.300q", what, len(got), got, len(want), want)
	}
}
