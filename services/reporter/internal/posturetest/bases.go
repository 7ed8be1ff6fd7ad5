package posturetest

import (
	"fmt"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Layers that images share: a distribution, the one before it, and a run-time on top.
const (
	layerDistribution = "distribution"
	layerBefore       = "distribution of last month"
	layerRuntime      = "run-time"
)

// stacks are what the lowest layers of images are; what is not named is an image's own.
var stacks = [][]string{nil, {layerDistribution}, {layerDistribution, layerRuntime}, {layerBefore}}

// diffID is the diff ID of a layer of an image: shared where the image stands on a base, by its digest alone.
func diffID(d plimsoll.Digest, layer int) plimsoll.DiffID {
	if stack := stacks[int(d[len(d)-2])%len(stacks)]; layer < len(stack) {
		return plimsoll.DiffID(Digest(stack[layer]))
	}
	return plimsoll.DiffID(Digest(fmt.Sprint(d, " layer ", layer)))
}

// bases writes the images that others stand on: a distribution whose tag has moved on since, and a run-time on it.
func (w *World) bases() {
	distribution := func(name, layer, ssl string) plimsoll.RefPlatform {
		return w.base(name, []string{layer}, plimsoll.Package{
			Name: "openssl", Source: "openssl", Version: ssl, Ecosystem: "Debian:12", PURL: "pkg:deb/debian/openssl@" + ssl, Path: "var/lib/dpkg/status",
		})
	}
	before := w.tag("12", distribution("debian of last month", layerBefore, "3.0.11-1~deb12u1"))
	before.Moved = w.At.AddDate(0, -2, 0)
	now := w.tag("12", distribution("debian", layerDistribution, "3.0.17-1~deb12u2"))
	now.Moved = w.At.AddDate(0, 0, -7)
	now.Former = before.MovedAway(now.Moved)
	java := w.tag("17", w.base("java", []string{layerDistribution, layerRuntime}))
	java.Moved = w.At.Add(-30 * time.Hour)
	w.Put("harbor", "debian", now)
	w.Put("harbor", "runtime/openjdk", java)
}

// base writes an image whose layers others share.
func (w *World) base(name string, layers []string, packages ...plimsoll.Package) plimsoll.RefPlatform {
	read := map[string]plimsoll.Coverage{}
	for _, analyzer := range []string{plimsoll.AnalyzerTree, plimsoll.AnalyzerPackages, plimsoll.AnalyzerFiles, plimsoll.AnalyzerSecrets} {
		read[analyzer] = plimsoll.Complete()
	}
	inv := plimsoll.Inventory{
		Image: Digest(name), Recipe: recipe, Platform: plimsoll.Platform{OS: "linux", Architecture: "amd64"}, Read: read, Packages: packages,
		Ecosystems: []string{"Debian:12"}, Release: plimsoll.OSRelease{ID: "debian", VersionID: "12", PrettyName: "Debian GNU/Linux 12 (bookworm)"},
	}
	im := plimsoll.Image{Digest: inv.Image, Platform: inv.Platform}
	for _, l := range layers {
		layer := plimsoll.InventoryLayer{Digest: Digest(name + l), DiffID: plimsoll.DiffID(Digest(l)), Size: 29_000_000, Read: plimsoll.Complete(), Entries: 4_000}
		inv.Layers = append(inv.Layers, layer)
		im.Layers = append(im.Layers, plimsoll.LayerRef{Digest: layer.Digest, Size: layer.Size})
	}
	w.store(inv, im, false)
	return plimsoll.RefPlatform{Platform: inv.Platform, Digest: inv.Image, Read: read}
}
