package assemble

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// memory is a bucket of images whose layers have facts.
type memory struct {
	analyzers   []plimsoll.Analyzer
	images      []plimsoll.Image
	facts       map[string]plimsoll.Facts
	reads       int
	inventories map[plimsoll.Digest]string
}

func newMemory(t testing.TB, chains [][][]byte) *memory {
	m := &memory{analyzers: analyze.Analyzers(layer.DefaultLimits(), nil), facts: map[string]plimsoll.Facts{}, inventories: map[plimsoll.Digest]string{}}
	for i, c := range chains {
		img := plimsoll.Image{Digest: plimsoll.DigestOf(fmt.Appendf(nil, "image %d", i))}
		for _, b := range c {
			l := factsOf(t, b)
			img.Layers = append(img.Layers, plimsoll.LayerRef{Digest: l.facts[plimsoll.AnalyzerTree].Layer, Size: int64(len(b))})
			for _, f := range l.facts {
				m.facts[f.Analyzer.Name+string(f.Layer)] = *f
			}
		}
		m.images = append(m.images, img)
	}
	return m
}

func (m *memory) Image(_ context.Context, d plimsoll.Digest) (plimsoll.Image, error) {
	for _, img := range m.images {
		if img.Digest == d {
			return img, nil
		}
	}
	return plimsoll.Image{}, plimsoll.ErrNotFound
}

func (m *memory) Facts(_ context.Context, a plimsoll.Analyzer, d plimsoll.Digest) (plimsoll.Facts, int, error) {
	m.reads++
	f, ok := m.facts[a.Name+string(d)]
	if !ok {
		return plimsoll.Facts{}, 0, plimsoll.ErrNotFound
	}
	return f, 1000, nil
}

func (m *memory) Attempt(context.Context, plimsoll.Digest) (plimsoll.Attempt, error) {
	return plimsoll.Attempt{}, plimsoll.ErrNotFound
}

func (m *memory) Inventory(_ context.Context, d plimsoll.Digest) (inv plimsoll.Inventory, key string, err error) {
	text, ok := m.inventories[d]
	if !ok {
		return inv, "", plimsoll.ErrNotFound
	}
	return inv, "inventory", json.Unmarshal([]byte(text), &inv)
}

func (m *memory) Keep(_ context.Context, inv plimsoll.Inventory) (string, error) {
	b, err := json.Marshal(inv)
	m.inventories[inv.Image] = string(b)
	return "inventory", err
}

func (m *memory) KeepPartial(context.Context, plimsoll.Inventory) (string, error) {
	return "partial", nil
}

// TestFactsLostAfterwards: an image that was read whole stays so, though a bucket was restored without facts.
func TestFactsLostAfterwards(t *testing.T) {
	t.Parallel()
	m := newMemory(t, [][][]byte{{tarOf([]file1{status(pkg("a", "1"))})}, {tarOf([]file1{status(pkg("b", "1"))})}})
	before, err := New(m, "recipe", m.analyzers, quietLog()).Assemble(t.Context(), m.images[0].Digest)
	if err != nil || before.Partial {
		t.Fatalf("with facts: %+v, %v, want a whole inventory", before, err)
	}
	m.facts = map[string]plimsoll.Facts{}
	a := New(m, "recipe", m.analyzers, quietLog())
	after, err := a.Assemble(t.Context(), m.images[0].Digest)
	if diff := cmp.Diff(before, after); err != nil || diff != "" {
		t.Errorf("without facts: %v (-before +after):\n%s", err, diff)
	}
	if never, err := a.Assemble(t.Context(), m.images[1].Digest); err != nil || !never.Partial || never.Key != "partial" {
		t.Errorf("an image that was never read whole: %+v, %v, want a partial inventory", never, err)
	}
}

// TestSharedBaseIsMergedOnce: of images on one base only the top layer costs anything.
func TestSharedBaseIsMergedOnce(t *testing.T) {
	t.Parallel()
	m := newMemory(t, nil)
	base := factsOf(t, tarOf([]file1{status(pkg("a", "1"))}))
	add := func(name string, packages *plimsoll.PackageFacts, entries int) plimsoll.Digest {
		digest := plimsoll.DigestOf([]byte(name))
		var w plimsoll.TreeWriter
		for i := range entries {
			w.Append(file0(fmt.Sprintf("usr/share/%05d", i)))
		}
		for _, an := range m.analyzers {
			m.facts[an.Name+string(digest)] = plimsoll.Facts{
				Layer: digest, Analyzer: an, Read: plimsoll.Complete(),
				Tree: &plimsoll.TreeFacts{Count: w.Count, Entries: w.Entries}, Packages: packages,
			}
		}
		return digest
	}
	bottom := add("base", base.facts[plimsoll.AnalyzerPackages].Packages, 50_000)
	const images = 500
	for i := range images {
		m.images = append(m.images, plimsoll.Image{
			Digest: plimsoll.DigestOf(fmt.Appendf(nil, "image %d", i)),
			Layers: []plimsoll.LayerRef{{Digest: bottom}, {Digest: add(fmt.Sprintf("top %d", i), &plimsoll.PackageFacts{}, 1)}},
		})
	}
	a := New(m, "recipe", m.analyzers, quietLog())
	for _, img := range m.images {
		if _, err := a.Assemble(t.Context(), img.Digest); err != nil {
			t.Fatal(err)
		}
	}
	if want := len(m.analyzers) * (images + 1); m.reads != want {
		t.Errorf("facts were read %d times, want %d: the base's once", m.reads, want)
	}
	// An image whose layers were met once is no base so far.
	if got := len(a.states.items); got != 1 {
		t.Errorf("%d prefixes are remembered, want the base alone", got)
	}
	if _, err := a.Assemble(t.Context(), m.images[0].Digest); err != nil {
		t.Fatal(err)
	}
	if got := len(a.states.items); got != 2 {
		t.Errorf("%d prefixes are remembered, want the base and the image that was met again", got)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCache[int, int](100)
	for i := range 1000 {
		c.put(i, i, 7)
		if _, ok := c.get(0); i < 14 && !ok {
			t.Fatalf("0 was dropped after %d", i)
		}
	}
	if c.cost > 100 || len(c.items) != 14 || c.order.Len() != 14 {
		t.Errorf("cost %d, %d items", c.cost, len(c.items))
	}
	if _, ok := c.get(0); !ok {
		t.Error("the value that is used all the time was dropped")
	}
	c.put(-1, 1, 101)
	if _, ok := c.get(-1); ok {
		t.Error("a value larger than the cache was kept")
	}
}
