package house_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
)

func TestMain(m *testing.M) {
	var shared blob.Config
	os.Exit(blobtest.Main(m, &shared))
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// bucket is a real S3 server's, of one test alone.
func bucket(t testing.TB) *blob.Store {
	t.Helper()
	c, stop, err := blobtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s, err := blob.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func digest(text string) plimsoll.Digest { return plimsoll.DigestOf([]byte(text)) }

const recipe plimsoll.Recipe = "0123456789abcdef"

var analyzers = []plimsoll.Analyzer{{Name: "packages", Version: 3, Config: "0"}, {Name: "tree", Version: 1, Config: "0"}}

// world fills a bucket as a run of Plimsoll does.
type world struct {
	t testing.TB
	*blob.Store
	seq int64
}

// newWorld holds images of two repositories of harbor, read complete, with all that stands around them.
func newWorld(t testing.TB) *world {
	w := &world{t: t, Store: bucket(t)}
	for i := range 6 {
		w.push("harbor", "shop/orders", fmt.Sprintf("v%d", i), noon.Add(time.Duration(i)*time.Minute), "base", fmt.Sprintf("top-%d", i))
	}
	w.push("harbor", "shop/base", "latest", noon, "base")
	w.put(blob.PrefixPolicy+"baseline/"+digest("policy").Hex(), plimsoll.Policy{Name: "baseline", Digest: digest("policy")})
	w.put(blob.FingerprintKey, map[string][]byte{"key": []byte("12345678901234567890123456789012")})
	w.put(blob.SweepKey("harbor", "20261123T010000Z"), plimsoll.Sweep{Registry: "harbor", Slot: "20261123T010000Z", Recipe: recipe, State: plimsoll.SweepGreen})
	pack := sealed.Sum([]byte("pack"))
	must(t, w.Put(t.Context(), blob.PackKey("Debian", pack), []byte("pack")))
	w.put(blob.GenerationKey("2026-11-23T120000Z"), plimsoll.Generation{ID: "2026-11-23T120000Z", Feeds: []plimsoll.Feed{{Ecosystem: "Debian", Pack: pack}}})
	w.put(blob.PrefixReports+"2026-W48/report.json", map[string]string{"period": "2026-W48"})
	w.put(blob.PrefixHistory+"03-0011223344556677", []string{"shard"})
	w.put(blob.HistoryHeadKey, map[string]any{"version": 2, "shards": map[int]string{3: blob.PrefixHistory + "03-0011223344556677"}})
	w.put(blob.DaysKey, []string{"day"})
	w.put(blob.InUseKey(7), map[string]string{"seen": "yes"})
	w.put(blob.PrefixSnapshots+"3/20261123T120000Z-00112233/head", "snapshot")
	w.log(plimsoll.StreamDecisions, plimsoll.Change{Kind: plimsoll.ChangePolicy, Subject: string(digest("policy")), Text: "baseline v1"})
	w.log(plimsoll.StreamAdvisories, plimsoll.Change{Kind: plimsoll.ChangeGeneration, Subject: "2026-11-23T120000Z"})
	return w
}

func (w *world) put(key string, v any) {
	w.t.Helper()
	must(w.t, blob.PutJSON(w.t.Context(), w.Store, key, v))
}

func (w *world) log(stream string, changes ...plimsoll.Change) {
	w.t.Helper()
	_, err := w.Append(w.t.Context(), stream, "test", noon.Add(time.Duration(w.seq)*time.Minute), changes)
	must(w.t, err)
}

// push scans an image of these layers and has the tag name it, as the parts do: facts, image, inventory, log, tag.
func (w *world) push(registry, repository, tag string, at time.Time, layers ...string) plimsoll.Digest {
	w.t.Helper()
	im := plimsoll.Image{Digest: digest(fmt.Sprint(repository, layers)), Config: digest(fmt.Sprint("config", layers))}
	inv := plimsoll.Inventory{Image: im.Digest, Recipe: recipe, Read: map[string]plimsoll.Coverage{"packages": {State: plimsoll.ReadComplete}}}
	for _, l := range layers {
		im.Layers = append(im.Layers, plimsoll.LayerRef{Digest: digest(l)})
		inv.Layers = append(inv.Layers, plimsoll.InventoryLayer{Digest: digest(l)})
		for _, a := range analyzers {
			w.put(blob.FactsKey(a, digest(l)), plimsoll.Facts{Layer: digest(l), Analyzer: a, Read: plimsoll.Coverage{State: plimsoll.ReadComplete}})
		}
	}
	w.put(blob.ImageKey(im.Digest), im)
	w.put(blob.InventoryKey(recipe, im.Digest), inv)
	w.point(registry, repository, tag, im.Digest, at)
	return im.Digest
}

// point has a tag name an image that was read.
func (w *world) point(registry, repository, tag string, image plimsoll.Digest, at time.Time) {
	w.t.Helper()
	w.seq++
	complete := plimsoll.Coverage{State: plimsoll.ReadComplete}
	ref := plimsoll.Ref{
		Tag: tag, Digest: image, Recipe: recipe, Read: complete, Observed: at.UnixNano() + w.seq, First: at, Moved: at,
		Platforms: []plimsoll.RefPlatform{{Digest: image, Read: map[string]plimsoll.Coverage{"packages": complete}}},
	}
	var was plimsoll.Digest
	_, err := w.MergeRefs(w.t.Context(), registry, repository, func(tags map[string]plimsoll.Ref) []string {
		if old, ok := tags[tag]; ok {
			was, ref.First = old.Digest, old.First
		}
		tags[tag] = ref
		return []string{tag}
	})
	must(w.t, err)
	_, err = w.Append(w.t.Context(), registry, "push", at, []plimsoll.Change{{Kind: plimsoll.ChangeTag, Repository: repository, Tag: tag, Digest: image, Previous: was, Ref: &ref}})
	must(w.t, err)
}

func (w *world) gone(registry, repository, tag string, at time.Time) {
	w.t.Helper()
	_, err := w.Append(w.t.Context(), registry, "sweep", at, []plimsoll.Change{{Kind: plimsoll.ChangeGone, Repository: repository, Tag: tag}})
	must(w.t, err)
	_, err = w.MergeRefs(w.t.Context(), registry, repository, func(tags map[string]plimsoll.Ref) []string {
		delete(tags, tag)
		return []string{tag}
	})
	must(w.t, err)
}

// content is every object of a bucket, uncompressed, by key.
func content(t testing.TB, s *blob.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	for e, err := range s.List(context.WithoutCancel(t.Context()), "", "") {
		must(t, err)
		o, err := s.Get(t.Context(), e.Key)
		must(t, err)
		out[e.Key] = string(o.Bytes)
	}
	return out
}

func read[T any](t testing.TB, s *blob.Store, key string) (v T) {
	t.Helper()
	o, err := s.Get(t.Context(), key)
	must(t, err)
	must(t, json.Unmarshal(o.Bytes, &v))
	return v
}
