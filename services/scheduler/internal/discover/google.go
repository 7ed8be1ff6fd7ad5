package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// google is Google Artifact Registry and what else answers like the former Container Registry: tags/list of a repository, or of
// a folder above some, tells also the names below it ("child") and each manifest with its tags and times ("manifest"). It is what
// go-containerregistry's lister reads; we read the same JSON through our own client.
type google struct {
	c     *registry.Client
	roots []string
}

func newGoogle(c *registry.Client, conf plimsoll.Registry) (vendor, error) {
	if err := needNamespaces(conf, "of Google's repositories (project/repository)"); err != nil {
		return nil, err
	}
	return &google{c: c, roots: conf.Namespaces}, nil
}

// maxDepth bounds how deep names are nested: a repository has 255 characters.
const maxDepth = 64

// repositories walks the tree of names below the roots, in the order by name, a parent before its children. The cursor is the
// name walked last. Every name is a repository: one that holds no tag costs one request.
func (g *google) repositories(ctx context.Context, cursor string, n int) (Page, error) {
	w := &googleWalk{g: g, after: cursor, n: n}
	if err := w.below(ctx, "", sorted(g.roots), 0); err != nil {
		return Page{}, err
	}
	if w.full {
		w.page.Next = w.page.Repositories[len(w.page.Repositories)-1]
	}
	return w.page, nil
}

// googleWalk is the walk of one page.
type googleWalk struct {
	g     *google
	after string // where it goes on: names up to this one are only passed through
	n     int
	page  Page
	full  bool
}

// below walks the children of a name.
func (w *googleWalk) below(ctx context.Context, parent string, children []string, depth int) error {
	for _, child := range children {
		name := strings.TrimPrefix(parent+"/"+child, "/")
		past := w.after == "" || before(w.after, name)
		if !past && name != w.after && !strings.HasPrefix(w.after, name+"/") {
			continue // walked, with all below it
		}
		if past && len(w.page.Repositories) >= w.n {
			w.full = true
			return nil
		}
		if err := w.one(ctx, name, past, depth); err != nil || w.full {
			return err
		}
	}
	return nil
}

func (w *googleWalk) one(ctx context.Context, name string, past bool, depth int) error {
	children, err := w.g.children(ctx, name)
	if err == nil && len(children) > 0 && depth >= maxDepth {
		err = fmt.Errorf("%s: %w: names nested deeper than %d", name, plimsoll.ErrLimit, maxDepth)
	}
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, plimsoll.ErrUnavailable) {
			return err
		}
		w.page.Missed = append(w.page.Missed, Missed{name, err})
		return nil
	}
	if past {
		w.page.Repositories = append(w.page.Repositories, name)
	}
	return w.below(ctx, name, children, depth+1)
}

// before orders names as the walk does: part by part, a parent before its children.
func before(a, b string) bool {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) < 0
}

// children are the names right below one.
func (g *google) children(ctx context.Context, name string) ([]string, error) {
	var all []string
	for cursor := ""; ; {
		list, next, err := g.list(ctx, name, cursor)
		if err != nil {
			return nil, err
		}
		all = append(all, list.Children...)
		if len(all) > maxNamespaces {
			return nil, fmt.Errorf("names below %s: %w: more than %d", name, plimsoll.ErrLimit, maxNamespaces)
		}
		if next == "" {
			return sorted(all), nil
		}
		cursor = next
	}
}

func (g *google) tags(ctx context.Context, repository, cursor string) ([]Tag, string, error) {
	list, next, err := g.list(ctx, repository, cursor)
	if err != nil {
		return nil, "", err
	}
	return list.tags(), next, nil
}

// googleList is a reply to tags/list.
type googleList struct {
	Name      string                    `json:"name"`
	Children  []string                  `json:"child"`
	Tags      []string                  `json:"tags"`
	Manifests map[string]googleManifest `json:"manifest"`
}

type googleManifest struct {
	Tags     []string `json:"tag"`
	Uploaded millis   `json:"timeUploadedMs"`
}

// millis reads milliseconds since 1970, written as text or as a number; whatever else stands there is not told.
type millis struct{ time.Time }

func (m *millis) UnmarshalJSON(b []byte) error {
	ms, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	if err == nil && ms > 0 && ms < 1e14 {
		m.Time = time.UnixMilli(ms).UTC()
	}
	return nil
}

func (g *google) list(ctx context.Context, name, cursor string) (googleList, string, error) {
	body, next, err := g.c.TagsDocument(ctx, name, cursor, registry.PageSize)
	if err != nil {
		return googleList{}, "", err
	}
	list, err := decodeGoogle(body)
	if err != nil {
		return googleList{}, "", malformed("tags of "+name, err)
	}
	return list, next, nil
}

// decodeGoogle reads a reply. An empty folder has a name at least; what has none of the fields is no reply of this API.
func decodeGoogle(b []byte) (googleList, error) {
	var list googleList
	if err := json.Unmarshal(b, &list); err != nil {
		return list, err
	}
	if list.Name == "" && list.Children == nil && list.Tags == nil && list.Manifests == nil {
		return list, errNoResults
	}
	return list, nil
}

// tags joins the names with what the manifests tell. A name that two manifests claim has no digest: a HEAD decides.
func (l googleList) tags() []Tag {
	known := map[string]Tag{}
	for digest, m := range l.Manifests {
		for _, name := range m.Tags {
			t := Tag{Name: name, Digest: digestOf(digest), Pushed: m.Uploaded.Time}
			if _, twice := known[name]; twice {
				t.Digest = ""
			}
			known[name] = t
		}
	}
	for _, name := range l.Tags {
		if _, ok := known[name]; !ok {
			known[name] = Tag{Name: name}
		}
	}
	tags := make([]Tag, 0, len(known))
	for _, t := range known {
		tags = append(tags, t)
	}
	slices.SortFunc(tags, func(a, b Tag) int { return strings.Compare(a.Name, b.Name) })
	return tags
}

func (g *google) account(ctx context.Context, _ time.Time) (plimsoll.Credential, error) {
	return notTold(ctx, g.c)
}

func sorted(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}
