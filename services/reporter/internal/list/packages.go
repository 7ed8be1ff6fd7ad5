package list

import "github.com/plimsoll/plimsoll"

// PackagesOf are the packages of an inventory that a layer brought; all of them when layer is empty.
func PackagesOf(inv plimsoll.Inventory, layer string) Ordered[plimsoll.Package] {
	return packagesIn(inv.Packages, layer)
}

func packagesIn(all []plimsoll.Package, layer string) Ordered[plimsoll.Package] {
	var out []plimsoll.Package
	for _, p := range all {
		if inLayer(p.Layer, layer) {
			out = append(out, p)
		}
	}
	seen := map[string]int{}
	return order(out, func(p plimsoll.Package) string {
		return distinct(seen, p.Ecosystem+"\x00"+p.Name+"\x00"+p.Version+"\x00"+p.Path+"\x00"+p.Architecture)
	})
}
