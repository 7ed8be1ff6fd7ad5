package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
)

// The shape of the generated facts: what a company's registry looks like, at three sizes.
const (
	bases1, bases2, bases3 = 20, 80, 300 // bases of each level; one of level 2 stands on one of level 1, and so on
	own1, own2, own3       = 160, 70, 50 // packages that a level adds
	ownImage               = 20          // packages of an image's own layer
	distinct               = 60_000      // package versions
	versions               = 8           // of one name
	hit                    = 1_000       // images that hold the package of the new advisory
	flawedNames            = 7           // one name in so many has a flaw
	perRepository          = 100         // tags
	seen                   = 60          // days ago that the findings were first seen: the high ones are overdue
	recipe                 = plimsoll.Recipe("1111111111111111")
	registry               = "dev"
	needle                 = "needle"
)

// facts are the facts of n images, the same for the same seed.
type facts struct {
	n    int
	seed uint64
	now  time.Time
	read map[string]plimsoll.Coverage
	// What bases and images draw from, by number; images draw from the rest.
	pool, rest []plimsoll.Package
	byKey      map[string]int // image by the key of its inventory
}

func newFacts(n int, seed uint64) *facts {
	f := &facts{n: n, seed: seed, now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), byKey: make(map[string]int, n)}
	f.read = map[string]plimsoll.Coverage{plimsoll.AnalyzerTree: plimsoll.Complete(), plimsoll.AnalyzerPackages: plimsoll.Complete()}
	for i := range distinct {
		name := fmt.Sprintf("package-%d", i/versions)
		p := plimsoll.Package{Name: name, Version: fmt.Sprintf("1.%d.%d", i%versions, i%3), Ecosystem: "npm", PURL: "pkg:npm/" + name}
		if i%2 == 0 {
			p.Ecosystem, p.Source, p.PURL = "Debian:12", "source-"+name, "pkg:deb/debian/"+name
		}
		p.PURL += "@" + p.Version
		f.pool = append(f.pool, p)
	}
	rand.New(rand.NewPCG(seed, 1)).Shuffle(len(f.pool), func(i, j int) { f.pool[i], f.pool[j] = f.pool[j], f.pool[i] })
	f.rest = f.pool[bases1*own1+bases2*own2+bases3*own3:]
	for i := range n {
		f.byKey[blob.InventoryKey(recipe, digestOf(i))] = i
	}
	return f
}

func digestOf(i int) plimsoll.Digest { return plimsoll.DigestOf(fmt.Append(nil, "image ", i)) }

func layerOf(kind string, i int) plimsoll.InventoryLayer {
	return plimsoll.InventoryLayer{Digest: plimsoll.DigestOf(fmt.Append(nil, kind, i)), Size: 30_000_000, Entries: 1000, Read: plimsoll.Complete()}
}

// inventory is what image i holds: packages of three bases and its own.
func (f *facts) inventory(i int) plimsoll.Inventory {
	b3 := i % bases3
	b2, b1 := b3%bases2, b3%bases2%bases1
	inv := plimsoll.Inventory{
		Image: digestOf(i), Recipe: recipe, Platform: plimsoll.Platform{OS: "linux", Architecture: "amd64"}, Read: f.read,
		Release: plimsoll.OSRelease{ID: "debian", VersionID: "12"}, Ecosystems: []string{"Debian:12", "npm"},
		Layers: []plimsoll.InventoryLayer{layerOf("one", b1), layerOf("two", b2), layerOf("three", b3), layerOf("own", i)},
	}
	at := 0
	take := func(layer, first, n int) {
		for _, p := range f.pool[at+first*n : at+first*n+n] {
			p.Layer, p.Path = layer, "var/lib/dpkg/status"
			if p.Ecosystem == "npm" {
				p.Path = "usr/lib/node_modules/" + p.Name + "/package.json"
			}
			inv.Packages = append(inv.Packages, p)
		}
	}
	take(0, b1, own1)
	at += bases1 * own1
	take(1, b2, own2)
	at += bases2 * own2
	take(2, b3, own3)
	r := rand.New(rand.NewPCG(f.seed, uint64(i)))
	for range ownImage {
		p := f.rest[r.IntN(len(f.rest))]
		p.Layer, p.Path = 3, "app/"+p.Name
		inv.Packages = append(inv.Packages, p)
	}
	if i%(f.n/hit) == 0 && i/(f.n/hit) < hit {
		inv.Packages = append(inv.Packages, plimsoll.Package{Name: needle, Version: "1.0.0", Ecosystem: "npm", PURL: "pkg:npm/needle@1.0.0", Layer: 3, Path: "app/needle"})
	}
	slices.SortStableFunc(inv.Packages, func(a, b plimsoll.Package) int { return strings.Compare(a.Ecosystem, b.Ecosystem) })
	return inv
}

// Inventory gives inventories in the bucket's place: what comes after decoding is the engine's own.
func (f *facts) Inventory(_ context.Context, key string) (plimsoll.Inventory, error) {
	i, ok := f.byKey[key]
	if !ok {
		return plimsoll.Inventory{}, fmt.Errorf("%s: %w", key, plimsoll.ErrNotFound)
	}
	return f.inventory(i), nil
}

// ref is the tag of image i.
func (f *facts) ref(i int) plimsoll.Ref {
	d := digestOf(i)
	moved := f.now.Add(-time.Duration(i%(60*24)) * time.Hour)
	return plimsoll.Ref{
		Tag: fmt.Sprintf("1.%d", i%perRepository), Digest: d, Recipe: recipe, Read: plimsoll.Complete(), Observed: int64(i + 1), First: moved, Moved: moved,
		Platforms: []plimsoll.RefPlatform{{Platform: plimsoll.Platform{OS: "linux", Architecture: "amd64"}, Digest: d, Read: f.read}},
	}
}

func repository(i int) string {
	return fmt.Sprintf("team-%d/app-%d", i/perRepository%40, i/perRepository)
}

// write writes all tags into the bucket.
func (f *facts) write(ctx context.Context, store *blob.Store) error {
	for first := 0; first < f.n; first += perRepository {
		_, err := store.MergeRefs(ctx, registry, repository(first), func(tags map[string]plimsoll.Ref) (changed []string) {
			for i := first; i < min(first+perRepository, f.n); i++ {
				r := f.ref(i)
				tags[r.Tag] = r
				changed = append(changed, r.Tag)
			}
			return changed
		})
		if err != nil {
			return err
		}
	}
	// A folder of inventories tells which recipes there are.
	return blob.PutJSON(ctx, store, blob.InventoryKey(recipe, plimsoll.DigestOf([]byte("none"))), plimsoll.Inventory{})
}

// records are the advisories: one name in [flawedNames] has a flaw in its lower versions; some have no fix.
func (f *facts) records() (out []plimsoll.Advisory) {
	for i := 0; i < distinct/versions; i += flawedNames {
		name := fmt.Sprintf("package-%d", i)
		events := []plimsoll.Event{{Introduced: "0"}}
		if i%3 > 0 {
			events = append(events, plimsoll.Event{Fixed: fmt.Sprintf("1.%d.0", 1+i%versions)})
		}
		a := plimsoll.Advisory{
			ID: fmt.Sprintf("GHSA-%d", i), Aliases: []string{fmt.Sprintf("CVE-2026-%d", i)}, Summary: "a flaw in " + name, Modified: f.now,
			Severity: []plimsoll.Score{{Type: "CVSS_V3", Score: vectors[i%len(vectors)]}},
			Affected: []plimsoll.Affected{
				{Ecosystem: "npm", Package: name, Ranges: []plimsoll.Range{{Type: "SEMVER", Events: events}}},
				{Ecosystem: "Debian:12", Package: "source-" + name, Ranges: []plimsoll.Range{{Type: "ECOSYSTEM", Events: events}}},
			},
		}
		out = append(out, a)
	}
	return out
}

var vectors = []string{
	"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N",
	"CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N",
}

// news is the advisory that 1,000 images are hit by.
func (f *facts) news() plimsoll.Advisory {
	return plimsoll.Advisory{
		ID: "GHSA-news", Aliases: []string{"CVE-2026-999999"}, Summary: "a flaw in needle", Modified: f.now, Severity: []plimsoll.Score{{Type: "CVSS_V3", Score: vectors[0]}},
		Affected: []plimsoll.Affected{{Ecosystem: "npm", Package: needle, Ranges: []plimsoll.Range{{Type: "SEMVER", Events: []plimsoll.Event{{Introduced: "0"}, {Fixed: "2.0.0"}}}}}},
	}
}

func (f *facts) generation(id string, created time.Time, records []plimsoll.Advisory) *advisory.Index {
	return advisory.Compile(plimsoll.Generation{ID: id, Created: created, Feeds: []plimsoll.Feed{
		{Ecosystem: "Debian", Checked: f.now}, {Ecosystem: "npm", Checked: f.now},
	}}, records)
}
