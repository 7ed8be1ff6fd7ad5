package posture

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// TestAdvanceEqualsFold lets random things happen and compares, every few of them, an engine that followed with one that
// folds afresh: rows, counts, gaps and registries are equal to the byte.
func TestAdvanceEqualsFold(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := &happenings{world: newWorld(t), rand: rand.New(rand.NewPCG(seed, 1)), tags: map[string]plimsoll.Ref{}}
			x := generation("g1", flaw("2021-1", "lodash", "4.17.21", critical), flaw("2021-2", "minimist", "1.2.6", medium))
			e := r.engine(plimsoll.Registry{ID: "dev"})
			e.SetGeneration(x)
			r.fold(e)
			for step := range 12 {
				for range 6 {
					r.happen()
				}
				if step == 6 {
					x = generation("g2", flaw("2021-1", "lodash", "4.17.99", critical))
					e.SetGeneration(x)
				}
				followed := r.advance(e)
				other := r.engine(plimsoll.Registry{ID: "dev"})
				other.SetGeneration(x)
				if diff := cmp.Diff(snapshot(t, r.fold(other)), snapshot(t, followed)); diff != "" {
					t.Fatalf("step %d: followed differs from folded (-folded +followed):\n%s", step, diff)
				}
			}
		})
	}
}

// snapshot is everything that a view says, as lines.
func snapshot(t *testing.T, v *View) (out []string) {
	t.Helper()
	line := func(what any) {
		b, err := json.Marshal(what)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	for _, r := range v.Rows() {
		line(r)
		line(v.Findings(r))
	}
	line(v.Summary())
	line(v.Gaps())
	line(v.Registries())
	line(v.Advisories())
	line(v.Position())
	line(v.Events(maxEvents))
	line(v.Faults())
	return out
}

// happenings are what a scheduler may write, in any order.
type happenings struct {
	*world
	rand *rand.Rand
	tags map[string]plimsoll.Ref
	n    int
}

func (h *happenings) happen() {
	h.n++
	repository := fmt.Sprint("app", h.rand.IntN(3))
	tag := fmt.Sprint("v", h.rand.IntN(4))
	old, known := h.tags[repository+tag]
	var next plimsoll.Ref
	switch h.rand.IntN(7) {
	case 0, 1: // read whole
		next = h.complete(tag, h.image(), recipeOne, h.inventory(h.image(), recipeOne, h.packages()...))
		next.Moved = h.clock.at
	case 2: // moved, not read yet
		last := old.Digest
		if old.Read.State != plimsoll.ReadComplete {
			last = old.LastGood
		}
		next = h.waiting(tag, h.image(), last)
	case 3: // read in part, and then more of it
		p := h.inventory(h.image()+" part", recipeTwo, h.packages()...)
		inv, err := blob.ReadJSON[plimsoll.Inventory](h.t.Context(), h.store, blob.InventoryKey(recipeTwo, p.Digest))
		h.check(err)
		h.check(h.store.Delete(h.t.Context(), blob.InventoryKey(recipeTwo, p.Digest)))
		inv.Read = read(plimsoll.Partial("a layer fails"))
		h.check(blob.PutJSON(h.t.Context(), h.store, blob.PartialKey(recipeTwo, p.Digest), inv))
		p.Partial, p.Read = true, inv.Read
		next = h.complete(tag, h.image()+" part", "", p)
		next.Read, next.LastGood = plimsoll.Partial("a layer fails"), old.LastGood
	case 4:
		if known {
			h.gone("dev", repository, tag)
			delete(h.tags, repository+tag)
		}
		return
	case 5: // does not answer
		if !known {
			return
		}
		h.seq++
		next = old
		next.Observed, next.Read = h.seq, plimsoll.Failed("the tag does not answer: 503")
		if old.Read.State == plimsoll.ReadComplete {
			next.LastGood = old.Digest
		}
	default:
		h.clock.at = h.clock.at.Add(time.Duration(h.rand.IntN(30)) * time.Hour)
		h.sweep("dev", h.clock.at, []plimsoll.Recipe{recipeOne, recipeTwo}[h.rand.IntN(2)], plimsoll.SweepCount{Listed: len(h.tags)})
		return
	}
	h.tags[repository+tag] = next
	h.put("dev", repository, next)
}

// image is one of a few names, so that tags share images.
func (h *happenings) image() string { return fmt.Sprint("image ", h.n%9) }

func (h *happenings) packages() []plimsoll.Package {
	return []plimsoll.Package{pkg("lodash", fmt.Sprint("4.17.", 10+h.n%9%4*5)), pkg("minimist", fmt.Sprint("1.2.", h.n%9))}
}

// TestIndex: each platform is a row; what is no image beside them is not.
func TestIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	amd := w.inventory("amd64", recipeOne, pkg("lodash", "4.17.15"))
	arm := w.inventory("arm64", recipeOne, pkg("lodash", "4.17.21"))
	inv, err := blob.ReadJSON[plimsoll.Inventory](t.Context(), w.store, blob.InventoryKey(recipeOne, arm.Digest))
	w.check(err)
	inv.Platform.Architecture = "arm64"
	w.check(blob.PutJSON(t.Context(), w.store, blob.InventoryKey(recipeOne, arm.Digest), inv))
	arm.Platform = inv.Platform
	attestation := plimsoll.RefPlatform{Digest: digest("att"), Kind: "an attestation"}
	w.put("dev", "web", w.complete("1", "index", recipeOne, amd, arm, attestation))
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(generation("g1", flaw("2021-1", "lodash", "4.17.21", critical)))
	v := w.fold(e)
	if len(v.Rows()) != 2 || v.Rows()[0].Verdict.State != plimsoll.VerdictFail || v.Rows()[1].Verdict.State != plimsoll.VerdictPass {
		t.Fatalf("rows %v; want amd64 fail, arm64 pass", describeAll(v))
	}
	w.put("dev", "web", w.waiting("1", "index 2", digest("index")))
	v = w.advance(e)
	if len(v.Rows()) != 2 || v.Rows()[0].Behind != digest("index 2") || v.Rows()[1].Platform.Architecture != "arm64" {
		t.Errorf("rows %v; want both platforms' last good verdicts", describeAll(v))
	}
}

// TestInventoryComesBack: an inventory that could not be read is tried again.
func TestInventoryComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.inventory("web", recipeOne, pkg("lodash", "4.17.21"))
	key := blob.InventoryKey(recipeOne, p.Digest)
	o, err := w.store.Get(t.Context(), key)
	w.check(err)
	w.check(w.store.Put(t.Context(), key, []byte(`{"image":1}`)))
	w.put("dev", "web", w.complete("1", "web", recipeOne, p))
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(generation("g1"))
	if row := only(t, w.fold(e)); row.Coverage.State != plimsoll.ReadFailed {
		t.Fatalf("damaged: %s; want failed", describe(row))
	}
	w.check(w.store.Put(t.Context(), key, o.Bytes))
	w.clock.at = w.clock.at.Add(retryAfter)
	if row := only(t, w.advance(e)); row.Verdict.State != plimsoll.VerdictPass {
		t.Errorf("mended: %s; want pass", describe(row))
	}
}
