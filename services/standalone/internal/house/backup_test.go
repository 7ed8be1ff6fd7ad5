package house_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/standalone/internal/house"
)

var at = func() time.Time { return noon.Add(time.Hour) }

func backup(t testing.TB, s *blob.Store, o house.BackupOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	o.Now, o.Version = at, "test"
	_, e, err := house.Backup(t.Context(), s, &b, o)
	must(t, err)
	if len(e.Faults) > 0 {
		t.Fatalf("faults: %q", e.Faults)
	}
	return b.Bytes()
}

func restore(ctx context.Context, s *blob.Store, archive []byte, o house.RestoreOptions) (house.Restored, error) {
	o.Now, o.Actor = at, "anna"
	return house.Restore(ctx, s, bytes.NewReader(archive), o)
}

// derived are keys that a backup leaves out.
func derived(key string, inventories bool) bool {
	for _, p := range []string{blob.PrefixFacts, blob.PrefixSnapshots} {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return !inventories && (strings.HasPrefix(key, blob.PrefixImages) || strings.HasPrefix(key, blob.PrefixInventories))
}

func without(all map[string]string, gone func(string) bool) map[string]string {
	all = maps.Clone(all)
	maps.DeleteFunc(all, func(key, _ string) bool { return gone(key) })
	return all
}

func TestRestoredIsWhatWasBackedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := without(content(t, w.Store), func(key string) bool { return derived(key, true) })
	s := bucket(t)
	done, err := restore(t.Context(), s, backup(t, w.Store, house.BackupOptions{}), house.RestoreOptions{})
	must(t, err)
	got := content(t, s)
	event := blob.ChangeKey(plimsoll.StreamDecisions, 2)
	b := read[plimsoll.ChangeBatch](t, s, event)
	if b.Actor != "anna" || len(b.Changes) != 1 || !strings.Contains(b.Changes[0].Text, "backup of 2026-11-23 13:00 UTC") {
		t.Errorf("the log tells of the restore: %+v", b)
	}
	if diff := cmp.Diff(want, without(got, func(key string) bool { return key == event })); diff != "" {
		t.Errorf("restored (-backed up +restored):\n%s", diff)
	}
	if done.End.Objects != len(want) || done.Reread != 0 {
		t.Errorf("it says %+v, want %d objects", done, len(want))
	}
}

func TestWithoutInventoriesTagsAreReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, err := w.Refs(t.Context(), "harbor", "shop/orders")
	must(t, err)
	s := bucket(t)
	done, err := restore(t.Context(), s, backup(t, w.Store, house.BackupOptions{WithoutInventories: true}), house.RestoreOptions{})
	must(t, err)
	after, err := s.Refs(t.Context(), "harbor", "shop/orders")
	must(t, err)
	if done.Reread != 7 || len(after) != 6 {
		t.Fatalf("%d tags are read again and %d stand, want 7 and 6", done.Reread, len(after))
	}
	for i, r := range after {
		if r.Recipe != "" || r.Read.State != plimsoll.ReadWaiting || !r.First.Equal(before[i].First) || !r.Moved.Equal(before[i].Moved) || r.Digest != before[i].Digest {
			t.Errorf("tag %+v, was %+v", r, before[i])
		}
	}
	// The log says the same: who folds it comes to the same tags.
	last := map[string]plimsoll.Ref{}
	for b, err := range s.Changes(t.Context(), "harbor", 0) {
		must(t, err)
		for _, c := range b.Changes {
			if c.Repository == "shop/orders" {
				last[c.Tag] = *c.Ref
			}
		}
	}
	for _, r := range after {
		if diff := cmp.Diff(r, last[r.Tag]); diff != "" {
			t.Errorf("tag and log differ:\n%s", diff)
		}
	}
}

// TestBackupWhileTheSystemRuns: tags move, old changes are merged, and what is restored is one moment of the log.
func TestBackupWhileTheSystemRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			w.push("harbor", "shop/orders", fmt.Sprintf("v%d", i%9), noon.Add(time.Duration(i)*time.Second), "base", fmt.Sprint("moved-", i))
			if i%5 == 4 {
				w.gone("harbor", "shop/orders", fmt.Sprintf("v%d", i%9), noon)
			}
			if i%10 == 9 {
				_, err := w.Compact(t.Context(), noon.Add(30*24*time.Hour))
				must(t, err)
			}
		}
	})
	var archives [][]byte
	for range 2 {
		archives = append(archives, backup(t, w.Store, house.BackupOptions{}))
	}
	cancel()
	writers.Wait()
	for _, archive := range archives {
		s := bucket(t)
		_, err := restore(t.Context(), s, archive, house.RestoreOptions{})
		must(t, err)
		want := map[string]plimsoll.Digest{}
		for b, err := range s.Changes(t.Context(), "harbor", 0) {
			must(t, err)
			for _, c := range b.Changes {
				if c.Kind == plimsoll.ChangeGone {
					delete(want, c.Tag)
				} else if c.Repository == "shop/orders" {
					want[c.Tag] = c.Ref.Digest
				}
			}
		}
		refs, err := s.Refs(t.Context(), "harbor", "shop/orders")
		must(t, err)
		got := map[string]plimsoll.Digest{}
		for _, r := range refs {
			got[r.Tag] = r.Digest
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("tags are not what the log says (-log +tags):\n%s", diff)
		}
	}
}

func TestRestoreThatWasCutGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	archive := backup(t, w.Store, house.BackupOptions{})
	for _, after := range []int{1, 5, 20, 33} {
		s := bucket(t)
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		_, err := restore(ctx, s, archive, house.RestoreOptions{Progress: func(what string, _ int, _ int64) {
			if what == "writing" {
				if n++; n == after {
					cancel()
				}
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cut after %d objects of %d: %v", after, n, err)
		}
		if err := s.CheckWhole(t.Context()); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("half a bucket is called whole: %v", err)
		}
		other := backup(t, w.Store, house.BackupOptions{})
		if _, err := restore(t.Context(), s, other, house.RestoreOptions{}); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("another backup on top of half a one: %v", err)
		}
		_, err = restore(t.Context(), s, archive, house.RestoreOptions{})
		must(t, err)
		must(t, s.CheckWhole(t.Context()))
		want := without(content(t, w.Store), func(key string) bool { return derived(key, true) })
		got := without(content(t, s), func(key string) bool { return key == blob.ChangeKey(plimsoll.StreamDecisions, 2) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("cut after %d objects (-want +got):\n%s", after, diff)
		}
	}
}

func TestRestoreWantsAnEmptyBucket(t *testing.T) {
	t.Parallel()
	w, s := newWorld(t), newWorld(t)
	s.push("harbor", "shop/other", "v1", noon, "other")
	archive, before := backup(t, w.Store, house.BackupOptions{}), content(t, s.Store)
	if _, err := restore(t.Context(), s.Store, archive, house.RestoreOptions{}); !errors.Is(err, plimsoll.ErrInvalid) {
		t.Fatalf("restored into a bucket that holds something: %v", err)
	}
	if diff := cmp.Diff(before, content(t, s.Store)); diff != "" {
		t.Errorf("it was changed:\n%s", diff)
	}
	_, err := restore(t.Context(), s.Store, archive, house.RestoreOptions{Replace: true})
	must(t, err)
	refs, err := s.Refs(t.Context(), "harbor", "shop/other")
	must(t, err)
	facts, err := s.Head(t.Context(), blob.FactsKey(analyzers[0], digest("other")))
	must(t, err)
	if len(refs) != 0 || !facts {
		t.Errorf("after --replace: tags %v stay, facts stay: %t; want none and true", refs, facts)
	}
}

// TestBrokenArchives: nothing of an archive that is not whole is written.
func TestBrokenArchives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	whole := backup(t, w.Store, house.BackupOptions{})
	s := bucket(t)
	for name, archive := range map[string][]byte{
		"empty":           {},
		"no tar":          []byte(strings.Repeat("backup ", 1000)),
		"cut":             whole[:len(whole)/2/512*512],
		"without its end": remade(t, whole, func(h *tar.Header, b []byte) []byte { return drop(h.Name == "plimsoll-manifest.json", b) }),
		"without an object": remade(t, whole, func(h *tar.Header, b []byte) []byte {
			return drop(strings.HasPrefix(h.Name, "bucket/"+blob.PrefixPolicy), b)
		}),
		"a flipped bit": remade(t, whole, func(h *tar.Header, b []byte) []byte {
			if strings.HasPrefix(h.Name, "bucket/"+blob.PrefixReports) {
				b[len(b)-1] ^= 1
			}
			return b
		}),
		"a key that is none": remade(t, whole, func(h *tar.Header, b []byte) []byte {
			h.Name = strings.Replace(h.Name, "bucket/reports/", "bucket/reports/../../", 1)
			return b
		}),
		"of the future": remade(t, whole, func(h *tar.Header, b []byte) []byte {
			return bytes.Replace(b, []byte(`"format": 1`), []byte(`"format": 9`), 1)
		}),
		"a link": remade(t, whole, func(h *tar.Header, b []byte) []byte {
			if strings.HasPrefix(h.Name, "bucket/"+blob.PrefixReports) {
				h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, "/etc/passwd", 0
				return nil
			}
			return b
		}),
	} {
		if _, err := restore(t.Context(), s, archive, house.RestoreOptions{}); err == nil {
			t.Errorf("%s: restored", name)
		}
		if got := content(t, s); len(got) > 0 {
			t.Fatalf("%s: it wrote %v", name, slices.Collect(maps.Keys(got)))
		}
	}
}

var dropped = []byte("dropped")

func drop(it bool, b []byte) []byte {
	if it {
		return dropped
	}
	return b
}

// remade is an archive of which each entry was changed.
func remade(t testing.TB, archive []byte, change func(*tar.Header, []byte) []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	r, w := tar.NewReader(bytes.NewReader(archive)), tar.NewWriter(&out)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		b, err := io.ReadAll(r)
		must(t, err)
		if b = change(h, b); bytes.Equal(b, dropped) {
			continue
		}
		h.Size = int64(len(b))
		must(t, w.WriteHeader(h))
		_, err = w.Write(b)
		must(t, err)
	}
	must(t, w.Close())
	return out.Bytes()
}

// TestDamagedIsLeftOut: what is damaged is named, and the rest is backed up.
func TestDamagedIsLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := blob.PrefixReports + "2026-W48/report.json"
	must(t, w.PutSealed(t.Context(), key, []byte("no zstd"), strings.Repeat("0", 64)))
	var b bytes.Buffer
	_, e, err := house.Backup(t.Context(), w.Store, &b, house.BackupOptions{Now: at})
	must(t, err)
	if len(e.Faults) != 1 || !strings.HasPrefix(e.Faults[0], key) {
		t.Errorf("faults: %q, want %s", e.Faults, key)
	}
	s := bucket(t)
	_, err = restore(t.Context(), s, b.Bytes(), house.RestoreOptions{})
	must(t, err)
}

func FuzzArchive(f *testing.F) {
	s := bucket(f)
	w := &world{t: f, Store: bucket(f)}
	w.push("harbor", "a", "v1", noon, "base")
	whole := backup(f, w.Store, house.BackupOptions{})
	f.Add(whole)
	f.Add(whole[:1024])
	f.Add(remade(f, whole, func(h *tar.Header, b []byte) []byte { h.PAXRecords = nil; return b }))
	f.Fuzz(func(t *testing.T, archive []byte) {
		if bytes.Equal(archive, whole) {
			return
		}
		if _, _, err := house.ReadArchive(bytes.NewReader(archive)); err == nil {
			t.Skip("another archive that is whole")
		}
		_, _ = s, archive
	})
}
