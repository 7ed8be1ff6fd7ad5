package assemble

import (
	"maps"
	"slices"

	"github.com/plimsoll/plimsoll"
)

// inventory draws what the image holds from its merged layers. It depends on nothing but them, the manifest, the configuration's
// facts and the recipe, so that the same ones give the same bytes.
func inventory(img plimsoll.Image, recipe plimsoll.Recipe, s *state, o *owners, config configFacts) plimsoll.Inventory {
	release, named, unread := s.release()
	c := s.contents(o, release)
	c.finish(release)
	secrets, cut := s.secrets(config)
	files, lists := o.integrity(s, named)
	inv := plimsoll.Inventory{
		Image: img.Digest, Recipe: recipe, Platform: img.Platform, Release: release,
		Layers: layers(img, s), Packages: c.visible, Ecosystems: ecosystems(c.visible), Hidden: c.hidden,
		Files: files, Secrets: secrets, Read: map[string]plimsoll.Coverage{},
	}
	if inv.Packages == nil {
		inv.Packages = []plimsoll.Package{}
	}
	said := map[string][]plimsoll.Coverage{
		plimsoll.AnalyzerTree:     append(s.lies(img), s.faults()...),
		plimsoll.AnalyzerPackages: append(s.gaps(c, named, unread), c.short...),
		plimsoll.AnalyzerFiles:    lists,
		plimsoll.AnalyzerSecrets:  cut,
	}
	for _, name := range config.analyzers {
		inv.Read[name] = s.summary(name, said[name])
	}
	return inv
}

// faults are what the overlay left out.
func (s *state) faults() (all []plimsoll.Coverage) {
	for _, l := range s.layers {
		if l.fault != "" {
			all = append(all, plimsoll.Partial("overlay: "+l.fault))
		}
	}
	return all
}

// summary is the worst of all that is said of one analyser. A layer that failed makes the image partial as long as another one
// was read: something is known. What a layer of an unknown tree holds cannot be placed, so its failure is every analyser's.
func (s *state) summary(analyzer string, all []plimsoll.Coverage) plimsoll.Coverage {
	read := false
	for _, l := range s.layers {
		all = append(all, l.read[analyzer])
		read = read || l.read[analyzer].State != plimsoll.ReadFailed
		if t := l.read[plimsoll.AnalyzerTree]; t.State == plimsoll.ReadFailed {
			all = append(all, t)
		}
	}
	if len(all) == 0 {
		return plimsoll.Complete() // an image without layers holds nothing
	}
	worst := plimsoll.WorstCoverage(slices.Values(all))
	if worst.State == plimsoll.ReadFailed && read {
		worst.State = plimsoll.ReadPartial
	}
	return worst
}

// lies are claims of the configuration that our own hashes refute (law 3). The facts stand; the claim is told.
func (s *state) lies(img plimsoll.Image) []plimsoll.Coverage {
	const told = "the configuration's diff IDs are not those of the layers"
	if img.Lies {
		return []plimsoll.Coverage{plimsoll.Partial(told)}
	}
	for i, l := range s.layers {
		if claim := img.Layers[i].Claim; claim != "" && l.diffID != "" && claim != l.diffID {
			return []plimsoll.Coverage{plimsoll.Partial(told)}
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
