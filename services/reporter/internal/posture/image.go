package posture

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/lineage"
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

// image is what the posture keeps of one inventory. What it holds never changes, and views share it; an inventory that is
// written again makes another. The opinion of it, and whether it is still held, are the writer's.
type image struct {
	source   source
	platform plimsoll.Platform
	release  plimsoll.OSRelease
	read     map[string]plimsoll.Coverage
	found    *foundIn // the ecosystems found in it
	size     int64
	layers   int
	packages int
	segments []segment
	stack    int32         // of the segments, while a slot holds it
	place    lineage.Place // where its layers stand among those of other images
	taken    []taken       // packages that upper layers removed
	content  plimsoll.Content
	secrets  []plimsoll.Secret // at most maxHeld, those that a container can read first
	suspects []plimsoll.File   // altered, or foreign; likewise
	owner    string            // as its label claims

	slot    *slot
	opinion *judged // nil: to be formed
	gone    bool    // no slot holds it any more
}

// maxHeld bounds how many secrets and how many files of one image stand in memory, to be named in reports and by rules. All
// are counted, and all stand in the inventory. An honest image has a handful.
const maxHeld = 50

// foundIn is a set of ecosystems that are found together in images, and what is known of them.
type foundIn struct {
	ecosystems []string // sorted
	known      map[string]plimsoll.Knowledge
	members    members
}

// readInventory reads an inventory and checks that it is the one its key names; anything else is a miss (DESIGN §5).
func (c *Config) readInventory(ctx context.Context, at source) (plimsoll.Inventory, error) {
	inv, err := c.Inventory(ctx, at.key())
	if err != nil {
		return inv, fmt.Errorf("inventory: %w", err)
	}
	if inv.Image != at.digest || inv.Recipe != at.recipe {
		return inv, fmt.Errorf("inventory %s: %w: it is about %s by recipe %s", at.key(), plimsoll.ErrIntegrity, inv.Image.Short(), inv.Recipe)
	}
	return inv, nil
}

// keep reduces an inventory to what the posture needs of it.
func (s *state) keep(at source, inv *plimsoll.Inventory, owner string) *image {
	im := &image{
		source: at, platform: s.known.platform(inv.Platform), release: s.known.release(inv.Release), read: s.known.read(inv.Read),
		layers: len(inv.Layers), packages: len(inv.Packages), segments: s.shelf.divide(inv, s.known), content: inv.Content(),
		secrets: heldSecrets(inv.Secrets), suspects: suspects(inv.Files), found: s.together(ecosystems(inv)), owner: s.known.string(owner),
		place: s.standing.stand(inv), taken: takenFrom(inv, s.known),
	}
	im.source.recipe = plimsoll.Recipe(s.known.string(string(at.recipe)))
	for _, l := range inv.Layers {
		im.size += l.Size
	}
	return im
}

// ecosystems are those that an inventory names and those of its packages, sorted.
func ecosystems(inv *plimsoll.Inventory) []string {
	all := map[string]bool{}
	for _, e := range inv.Ecosystems {
		all[e] = true
	}
	for i := range inv.Packages {
		if e := inv.Packages[i].Ecosystem; e != "" && !all[e] {
			all[e] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// together is the one set of these ecosystems.
func (s *state) together(ecosystems []string) *foundIn {
	key := strings.Join(ecosystems, "\x00")
	f := s.sets[key]
	if f == nil {
		f = &foundIn{ecosystems: ecosystems}
		s.sets[key] = f
	}
	return f
}

// heldSecrets keeps those that a container can read before hidden ones; the inventory's order otherwise.
func heldSecrets(all []plimsoll.Secret) (out []plimsoll.Secret) {
	for _, hidden := range []bool{false, true} {
		for _, x := range all {
			if x.Hidden == hidden && len(out) < maxHeld {
				out = append(out, x)
			}
		}
	}
	return slices.Clip(out)
}

// suspects keeps the files that somebody put there or changed, altered ones first; the inventory's order otherwise.
func suspects(all []plimsoll.File) (out []plimsoll.File) {
	for _, altered := range []bool{true, false} {
		for _, f := range all {
			if f.Has(plimsoll.NoteAltered) == altered && (altered || f.Foreign()) && len(out) < maxHeld {
				out = append(out, f)
			}
		}
	}
	return slices.Clip(out)
}

// hits gives the packages of an image about which something was found, and their layers.
func (im *image) hits(by *table[[]int32]) iter.Seq2[place, int32] {
	return func(yield func(place, int32) bool) {
		for _, x := range im.segments {
			at := by.at(x.list.number)
			if len(at) == 0 {
				continue
			}
			for p := range x.spots(at) {
				if !yield(p, x.layer) {
					return
				}
			}
		}
	}
}

// findings are the image's, sorted: severity, id, purl, path.
func (im *image) findings(f *findings) []plimsoll.Finding {
	var out []plimsoll.Finding
	for p, layer := range im.hits(&f.hits) {
		for _, x := range f.by.at(p.pkg).findings {
			x.Layer, x.Path = int(layer), f.texts[p.path]
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b plimsoll.Finding) int {
		return cmp.Or(
			a.Severity.Rank()-b.Severity.Rank(),
			strings.Compare(a.ID, b.ID),
			strings.Compare(a.PURL, b.PURL),
			strings.Compare(a.Path, b.Path),
			a.Layer-b.Layer,
			strings.Compare(a.Package, b.Package),
			strings.Compare(a.Version, b.Version))
	})
	return out
}
