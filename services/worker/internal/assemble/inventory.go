package assemble

import (
	"maps"
	"slices"

	"github.com/plimsoll/plimsoll"
)

// inventory draws what the image holds from its merged layers. It depends on nothing but them, the manifest and the recipe, so
// that the same ones give the same bytes.
func inventory(img plimsoll.Image, recipe plimsoll.Recipe, s *state) plimsoll.Inventory {
	release, named, unread := s.release()
	c := s.contents()
	c.finish(release)
	inv := plimsoll.Inventory{
		Image: img.Digest, Recipe: recipe, Platform: img.Platform, Release: release,
		Layers: layers(img, s), Packages: c.visible, Ecosystems: ecosystems(c.visible), Hidden: c.hidden,
	}
	if inv.Packages == nil {
		inv.Packages = []plimsoll.Package{}
	}
	packages := append(s.gaps(c, named, unread), c.short...)
	tree := s.lies(img)
	for _, l := range s.layers {
		tree = append(tree, l.read[plimsoll.AnalyzerTree])
		packages = append(packages, l.read[plimsoll.AnalyzerPackages])
		if l.fault != "" {
			tree = append(tree, plimsoll.Partial("overlay: "+l.fault))
		}
		// Packages of a layer whose tree is unknown cannot be placed.
		if t := l.read[plimsoll.AnalyzerTree]; t.State == plimsoll.ReadFailed {
			packages = append(packages, t)
		}
	}
	inv.Read = map[string]plimsoll.Coverage{
		plimsoll.AnalyzerTree:     s.summary(plimsoll.AnalyzerTree, tree),
		plimsoll.AnalyzerPackages: s.summary(plimsoll.AnalyzerPackages, packages),
	}
	return inv
}

// summary is the worst of all that is said of one analyser. A layer that failed makes the image partial as long as another one
// was read: something is known.
func (s *state) summary(analyzer string, all []plimsoll.Coverage) plimsoll.Coverage {
	if len(all) == 0 {
		return plimsoll.Complete() // an image without layers holds nothing
	}
	worst := plimsoll.WorstCoverage(slices.Values(all))
	for _, l := range s.layers {
		if worst.State == plimsoll.ReadFailed && l.read[analyzer].State != plimsoll.ReadFailed {
			worst.State = plimsoll.ReadPartial
		}
	}
	return worst
}

// lies are claims of the configuration that our own hashes refute (law 3). The facts stand; the claim is told.
func (s *state) lies(img plimsoll.Image) []plimsoll.Coverage {
	for i, l := range s.layers {
		if claim := img.Layers[i].Claim; claim != "" && l.diffID != "" && claim != l.diffID {
			return []plimsoll.Coverage{plimsoll.Partial("the configuration's diff IDs are not those of the layers")}
		}
	}
	return nil
}

func layers(img plimsoll.Image, s *state) []plimsoll.InventoryLayer {
	out := make([]plimsoll.InventoryLayer, len(s.layers))
	for i, l := range s.layers {
		out[i] = plimsoll.InventoryLayer{
			Digest: l.digest, DiffID: l.diffID, Size: l.size, Inflated: l.inflated, Entries: l.entries,
			CreatedBy: img.Layers[i].CreatedBy, Read: plimsoll.WorstCoverage(maps.Values(l.read)),
		}
	}
	return out
}
