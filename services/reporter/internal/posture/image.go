package posture

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// source is where an inventory stands.
type source struct {
	digest  plimsoll.Digest
	recipe  plimsoll.Recipe
	partial bool
}

func (s source) key() string {
	if s.partial {
		return blob.PartialKey(s.recipe, s.digest)
	}
	return blob.InventoryKey(s.recipe, s.digest)
}

// image is what the posture keeps of one inventory: the packages as numbers, so that 10,000 images that share most of their
// packages stay small. It never changes; an inventory that is written again makes another.
type image struct {
	source     source
	platform   plimsoll.Platform
	release    plimsoll.OSRelease
	read       map[string]plimsoll.Coverage
	ecosystems []string
	size       int64
	layers     int
	places     []place
}

// place is one package of an image and where it stands.
type place struct {
	pkg   int32
	layer int32
	path  string
}

// readInventory reads an inventory and checks that it is the one its key names; anything else is a miss (DESIGN §5).
func readInventory(ctx context.Context, s *blob.Store, at source) (plimsoll.Inventory, error) {
	inv, err := blob.ReadJSON[plimsoll.Inventory](ctx, s, at.key())
	if err != nil {
		return inv, fmt.Errorf("inventory: %w", err)
	}
	if inv.Image != at.digest || inv.Recipe != at.recipe {
		return inv, fmt.Errorf("inventory %s: %w: it is about %s by recipe %s", at.key(), plimsoll.ErrIntegrity, inv.Image.Short(), inv.Recipe)
	}
	return inv, nil
}

// keep reduces an inventory; packages become numbers of the interner.
func keep(at source, inv plimsoll.Inventory, known *interner) *image {
	im := &image{
		source: at, platform: inv.Platform, release: inv.Release, read: inv.Read, layers: len(inv.Layers),
		ecosystems: slices.Compact(slices.Sorted(slices.Values(inv.Ecosystems))), places: make([]place, 0, len(inv.Packages)),
	}
	for _, l := range inv.Layers {
		im.size += l.Size
	}
	for _, p := range inv.Packages {
		if p.Ecosystem != "" && !slices.Contains(im.ecosystems, p.Ecosystem) {
			im.ecosystems = append(im.ecosystems, p.Ecosystem)
		}
		im.places = append(im.places, place{known.number(p), int32(p.Layer), known.text(p.Path)})
	}
	slices.Sort(im.ecosystems)
	return im
}

// interner numbers distinct packages, without where they stand.
type interner struct {
	numbers  map[plimsoll.Package]int32
	packages []plimsoll.Package
	texts    map[string]string
}

func newInterner() *interner {
	return &interner{numbers: map[plimsoll.Package]int32{}, texts: map[string]string{}}
}

func (n *interner) number(p plimsoll.Package) int32 {
	p.Layer, p.Path, p.Extractor, p.Architecture = 0, "", "", ""
	if i, ok := n.numbers[p]; ok {
		return i
	}
	i := int32(len(n.packages))
	n.numbers[p] = i
	n.packages = append(n.packages, p)
	return i
}

func (n *interner) text(s string) string {
	if t, ok := n.texts[s]; ok {
		return t
	}
	n.texts[s] = s
	return s
}

// found is what one generation says of one package. It is nil until the package is asked for.
type found = *match.Result

// findings are the image's, sorted: severity, id, purl, path.
func (im *image) findings(by []found) []plimsoll.Finding {
	n := 0
	for _, p := range im.places {
		n += len(by[p.pkg].Findings)
	}
	out := make([]plimsoll.Finding, 0, n)
	for _, p := range im.places {
		for _, f := range by[p.pkg].Findings {
			f.Layer, f.Path = int(p.layer), p.path
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b plimsoll.Finding) int {
		return cmp.Or(
			a.Severity.Rank()-b.Severity.Rank(),
			strings.Compare(a.ID, b.ID),
			strings.Compare(a.PURL, b.PURL),
			strings.Compare(a.Path, b.Path),
			a.Layer-b.Layer)
	})
	return out
}
