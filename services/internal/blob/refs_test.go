package blob_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// observe merges tags with one observation, as a sweep does.
func observe(t testing.TB, s *blob.Store, registry, repository string, seq int64, tags ...string) []plimsoll.Ref {
	t.Helper()
	changed, err := s.MergeRefs(t.Context(), registry, repository, func(all map[string]plimsoll.Ref) (changed []string) {
		for _, tag := range tags {
			is := plimsoll.Ref{Tag: tag, Observed: seq}
			if was, ok := all[tag]; !ok || blob.Newer(was, is) {
				all[tag] = is
				changed = append(changed, tag)
			}
		}
		return changed
	})
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func tagNames(refs []plimsoll.Ref) []string {
	names := []string{}
	for _, r := range refs {
		names = append(names, r.Tag)
	}
	return names
}

func numbered(from, to int) (tags []string) {
	for i := from; i < to; i++ {
		tags = append(tags, fmt.Sprintf("v%05d", i))
	}
	return tags
}

func refs(t testing.TB, s *blob.Store, registry, repository string) []plimsoll.Ref {
	t.Helper()
	got, err := s.Refs(t.Context(), registry, repository)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func keys(t testing.TB, s *blob.Store, prefix string) (keys []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), prefix, "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, e.Key[len(prefix):])
	}
	return keys
}

func TestMergeRefs(t *testing.T) {
	t.Parallel()
	s, registry := open(t, bucket), name(t)
	if got := refs(t, s, registry, "app"); len(got) != 0 {
		t.Errorf("Refs of nothing = %v", got)
	}
	for _, tc := range []struct {
		seq           int64
		tags, changed []string
	}{
		{5, []string{"b", "a"}, []string{"a", "b"}},
		{5, []string{"a"}, nil},                // the same again
		{4, []string{"a", "c"}, []string{"c"}}, // an older one does not win
		{6, []string{"a"}, []string{"a"}},
	} {
		got := tagNames(observe(t, s, registry, "app", tc.seq, tc.tags...))
		if !slices.Equal(got, tc.changed) {
			t.Errorf("merge of %v at %d changed %v, want %v", tc.tags, tc.seq, got, tc.changed)
		}
	}
	want := []plimsoll.Ref{{Tag: "a", Observed: 6}, {Tag: "b", Observed: 5}, {Tag: "c", Observed: 4}}
	if diff := cmp.Diff(want, refs(t, s, registry, "app")); diff != "" {
		t.Errorf("Refs (-want +got)\n%s", diff)
	}
	removed, err := s.MergeRefs(t.Context(), registry, "app", func(all map[string]plimsoll.Ref) []string {
		delete(all, "b")
		return []string{"b"}
	})
	if diff := cmp.Diff([]plimsoll.Ref{{Tag: "b"}}, removed); err != nil || diff != "" {
		t.Errorf("removal: %v (-want +got)\n%s", err, diff)
	}
	if got := tagNames(refs(t, s, registry, "app")); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("Refs after a removal = %v", got)
	}
}

// An update that changes nothing writes nothing: a sweep of an unchanged registry is free.
func TestMergeWithoutChange(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	s, registry := open(t, p.Config), name(t)
	observe(t, s, registry, "app", 1, "a")
	before := p.requests.Load()
	observe(t, s, registry, "app", 1, "a")
	if n := p.requests.Load() - before; n != 1 {
		t.Errorf("%d requests, want the one read", n)
	}
}

func TestWiden(t *testing.T) {
	t.Parallel()
	s, registry := open(t, bucket), name(t)
	prefix := blob.RefsPrefix(registry, "app")
	total := 0
	for _, step := range []struct {
		tags  int
		width int
	}{{blob.MaxShard, 0}, {blob.MaxShard + 1, 0}, {blob.MaxShard + 2, 4}, {5000, 4}, {5001, 16}} {
		observe(t, s, registry, "app", 1, numbered(total, step.tags)...)
		total = step.tags
		if got := tagNames(refs(t, s, registry, "app")); !slices.Equal(got, numbered(0, total)) {
			t.Fatalf("%d tags after %d", len(got), total)
		}
		want := []string{"0-0"}
		for i := range step.width {
			want = append(want, fmt.Sprintf("%d-%d", step.width, i))
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, keys(t, s, prefix)); diff != "" {
			t.Errorf("objects with %d tags (-want +got)\n%s", total, diff)
		}
	}
	count := 0
	for sh, err := range s.AllRefs(t.Context(), registry) {
		if err != nil {
			t.Fatal(err)
		}
		if sh.Width != 16 || sh.Repository != "app" || len(sh.Tags) > blob.MaxShard {
			t.Errorf("shard %d of %d holds %d tags of %q", sh.Shard, sh.Width, len(sh.Tags), sh.Repository)
		}
		count += len(sh.Tags)
	}
	if count != total {
		t.Errorf("AllRefs gave %d tags, want %d", count, total)
	}
}

// Writers of several processes meet while the repository is spread: no tag is lost.
func TestMergeFromManyWriters(t *testing.T) {
	t.Parallel()
	const writers, rounds, perRound = 6, 8, 40 // 1,920 tags: widened in the middle
	registry := name(t)
	stores := []*blob.Store{open(t, bucket), open(t, bucket), open(t, bucket)}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for r := range rounds {
				from := (w*rounds + r) * perRound
				changed, err := stores[w%3].MergeRefs(t.Context(), registry, "app", func(all map[string]plimsoll.Ref) (changed []string) {
					for _, tag := range numbered(from, from+perRound) {
						if _, ok := all[tag]; !ok {
							all[tag] = plimsoll.Ref{Tag: tag, Observed: int64(from)}
							changed = append(changed, tag)
						}
					}
					return changed
				})
				if err != nil || len(changed) != perRound {
					t.Errorf("MergeRefs = %d changes, %v, want %d", len(changed), err, perRound)
				}
			}
		})
	}
	wg.Wait()
	got := tagNames(refs(t, stores[0], registry, "app"))
	if diff := cmp.Diff(numbered(0, writers*rounds*perRound), got); diff != "" {
		t.Errorf("tags (-want +got)\n%s", diff)
	}
	observe(t, stores[0], registry, "app", 1<<40, "last") // spreads what the last of them left too big
	for sh, err := range stores[1].AllRefs(t.Context(), registry) {
		if err != nil || sh.Width == 0 || len(sh.Tags) > blob.MaxShard {
			t.Errorf("shard %d of %d with %d tags, %v", sh.Shard, sh.Width, len(sh.Tags), err)
		}
	}
}

// What an attempt to spread left when it died neither blocks the next nor makes a tag older.
func TestWidenOverLeftovers(t *testing.T) {
	t.Parallel()
	s, registry := open(t, bucket), name(t)
	tags := numbered(0, blob.MaxShard+1)
	observe(t, s, registry, "app", 7, tags...)
	i := blob.ShardOf(tags[0], 4)
	left := plimsoll.RefShard{Registry: registry, Repository: "app", Width: 4, Shard: i, Tags: []plimsoll.Ref{{Tag: tags[0], Observed: 3}}}
	if err := blob.PutJSON(t.Context(), s, blob.RefKey(registry, "app", 4, i), left); err != nil {
		t.Fatal(err)
	}
	observe(t, s, registry, "app", 8, "new")
	for _, r := range refs(t, s, registry, "app") {
		if r.Observed < 7 {
			t.Errorf("%s is as old as %d", r.Tag, r.Observed)
		}
	}
}

func TestAllRefs(t *testing.T) {
	t.Parallel()
	s, registry := open(t, bucket), name(t)
	for sh, err := range s.AllRefs(t.Context(), registry) {
		t.Errorf("AllRefs of nothing gives %v, %v", sh, err)
	}
	want := map[string][]string{}
	for i := range 50 {
		repository := fmt.Sprintf("team/app-%d", i)
		want[repository] = []string{"1", "2"}
		observe(t, s, registry, repository, 1, "2", "1")
	}
	observe(t, s, registry+"-2", "team/other", 1, "x") // a neighbour whose name begins the same
	got, last := map[string][]string{}, ""
	for sh, err := range s.AllRefs(t.Context(), registry) {
		if err != nil {
			t.Fatal(err)
		}
		if p := blob.RefsPrefix(registry, sh.Repository); p <= last {
			t.Errorf("%s out of order", sh.Repository)
		} else {
			last = p
		}
		got[sh.Repository] = append(got[sh.Repository], tagNames(sh.Tags)...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("AllRefs (-want +got)\n%s", diff)
	}
}

func TestDamagedRefs(t *testing.T) {
	t.Parallel()
	for what, shard := range map[string]plimsoll.RefShard{
		"other repository": {Repository: "else"},
		"odd width":        {Repository: "app", Width: 3},
		"huge width":       {Repository: "app", Width: 1 << 30},
		"missing shards":   {Repository: "app", Width: 2},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, registry := open(t, bucket), name(t)
			shard.Registry = registry
			if err := blob.PutJSON(t.Context(), s, blob.RefKey(registry, "app", 0, 0), shard); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Refs(t.Context(), registry, "app"); !errors.Is(err, plimsoll.ErrIntegrity) {
				t.Errorf("Refs = %v, want ErrIntegrity", err)
			}
			for _, err := range s.AllRefs(t.Context(), registry) {
				if !errors.Is(err, plimsoll.ErrIntegrity) {
					t.Errorf("AllRefs = %v, want ErrIntegrity", err)
				}
			}
		})
	}
}
