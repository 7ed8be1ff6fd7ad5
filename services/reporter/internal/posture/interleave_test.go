package posture

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
	"github.com/plimsoll/plimsoll/services/reporter/internal/eol"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
)

// envSeeds is the environment variable that says how many interleavings are tried; 1000 is the full number.
const envSeeds = "PLIMSOLL_SEEDS"

// fewSeeds end within 20 s with the race detector.
const fewSeeds = 6

func seeds(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv(envSeeds)
	if text == "" {
		return fewSeeds
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatalf("%s=%q: %v", envSeeds, text, err)
	}
	return n
}

// TestEqualsRecompute lets everything that can move the posture happen at random, and compares two engines that follow by
// deltas with the recompute, to the byte. Set PLIMSOLL_SEEDS=1000 for the full number of interleavings.
func TestEqualsRecompute(t *testing.T) {
	t.Parallel()
	const atOnce = 4
	for lane := range uint64(atOnce) {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			for seed := lane; seed < seeds(t); seed += atOnce {
				if diff := newLife(t, seed, nil).live(steps); diff != "" {
					t.Fatalf("seed %d: followed differs from recomputed (-recomputed +followed):\n%s", seed, diff)
				}
			}
		})
	}
}

// steps is how much happens in one interleaving.
const steps = 60

// life is everything that can happen: the scheduler's, the workers', the feeds' and the people's part.
type life struct {
	*world
	rand       *rand.Rand
	n          int
	tags       map[refKey]plimsoll.Ref // as refs/ has them
	recipe     plimsoll.Recipe         // the workers' present one
	records    map[string]plimsoll.Advisory
	exploited  map[string]plimsoll.Enrichment // by CVE, what feeds say
	checked    map[string]time.Time           // feeds
	generation int
	index      *advisory.Index
	policy     plimsoll.Policy
	registries []plimsoll.Registry
	owners     Owners
	missing    []plimsoll.Inventory // announced, and not there yet or damaged
	engines    [2]*Engine
	ends       map[string]time.Time // last days with fixes, by release
	table      *eol.Table           // that says the same
	objects    *cachedObjects
	alter      func(*Engine) // switches something off
}

var recipesOf = []plimsoll.Recipe{recipeOne, recipeTwo, "3333333333333333"}

func newLife(t *testing.T, seed uint64, alter func(*Engine)) *life {
	w := newWorld(t)
	l := &life{
		world: w, rand: rand.New(rand.NewPCG(seed, 5)), tags: map[refKey]plimsoll.Ref{}, recipe: recipeOne,
		records: map[string]plimsoll.Advisory{}, exploited: map[string]plimsoll.Enrichment{}, checked: map[string]time.Time{}, policy: policy.Baseline(), alter: alter,
		registries: []plimsoll.Registry{{ID: "dev"}, {ID: "lab", Sweep: plimsoll.Schedule{Cron: "off"}}},
		owners:     Owners{Team: func(_, repository, _ string) string { return map[string]string{"app0": "shop"}[repository] }, Label: "team"},
		objects:    &cachedObjects{t, w.store, map[string][]byte{}},
	}
	l.ends = map[string]time.Time{"debian 12": midnight(l.clock.at.AddDate(0, 0, l.rand.IntN(40))), "node 16": midnight(l.clock.at.AddDate(0, 0, l.rand.IntN(90)))}
	table, err := eol.Parse(fmt.Appendf(nil, "as_of: 2026-01-01\nproducts:\n- {product: Debian, source: 'https://x/debian', releases: [{release: '12', date: %s}]}\n- {product: node, source: 'https://x/node', releases: [{release: '16', date: %s}]}\n",
		l.ends["debian 12"].Format(time.DateOnly), l.ends["node 16"].Format(time.DateOnly)))
	l.check(err)
	l.table = table
	for range 8 {
		l.mutate()
	}
	l.publish(true)
	for i := range l.engines {
		l.start(i)
	}
	return l
}

// live lets things happen and gives the first difference.
func (l *life) live(steps int) string {
	for range steps {
		l.n++
		l.happen()
		switch l.rand.IntN(6) {
		case 0:
			l.follow(0)
		case 1:
			l.follow(1)
		case 2:
			if diff := l.compare(); diff != "" {
				return diff
			}
		}
	}
	return l.compare()
}

func (l *life) follow(i int) {
	if _, err := l.engines[i].Advance(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) compare() string {
	l.clock.at = l.clock.at.Add(streamsEvery) // streams of registries configured elsewhere are looked for
	want := recompute(l.objects, asked{l.registries, l.policy, match.New(l.index), l.clock.at, l.owners.Team, l.owners.Label, l.ends}).bytes(l.t)
	for i, e := range l.engines {
		l.follow(i)
		if got := documentOf(e.View()).bytes(l.t); !bytes.Equal(got, want) {
			return fmt.Sprintf("engine %d after %d steps:\n%s", i, l.n, differences(string(want), string(got)))
		}
	}
	return ""
}

// longest is how much of a line a difference shows, in bytes.
const longest = 2000

// differences are the lines that stand in one of two documents alone.
func differences(want, got string) string {
	var out strings.Builder
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, line := range a {
		if !slices.Contains(b, line) {
			out.WriteString("- " + line[:min(len(line), longest)] + "\n")
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			out.WriteString("+ " + line[:min(len(line), longest)] + "\n")
		}
	}
	return out.String()
}

// start puts a new engine in the place of one, as a process that starts again does.
func (l *life) start(i int) {
	e := New(Config{Store: l.store, Registries: l.registries, Policy: l.policy, Owners: l.owners, EndOfLife: l.table, Now: l.clock.now})
	if l.alter != nil {
		l.alter(e)
	}
	e.SetGeneration(l.index)
	if old := l.engines[i]; old != nil && l.rand.IntN(2) == 0 { // it ended well; else it was killed
		l.check(old.Save(l.t.Context()))
	}
	if l.rand.IntN(3) == 0 {
		l.check(e.Fold(l.t.Context()))
	} else {
		l.check(e.Start(l.t.Context()))
	}
	l.engines[i] = e
}

func (l *life) happen() {
	k := refKey{[]string{"dev", "dev", "lab", "else"}[l.rand.IntN(4)], fmt.Sprint("app", l.rand.IntN(3)), fmt.Sprint("v", l.rand.IntN(3))}
	old, known := l.tags[k]
	next := plimsoll.Ref{Tag: k.tag, First: old.First, Moved: l.clock.at}
	if !known {
		next.First = l.clock.at
	}
	if l.rand.IntN(8) == 0 {
		next.Moved = time.Time{} // nobody saw it move
	}
	next.LastGood = old.LastGood
	if old.Read.State == plimsoll.ReadComplete {
		next.LastGood = old.Digest
	}
	switch l.rand.IntN(20) {
	case 0, 1, 2: // one image, read whole
		name := l.name()
		l.read(&next, l.full(name, "amd64"))
		next.Digest, next.LastGood = digest(name), ""
		l.tell(k, next)
	case 3: // an index
		l.indexed(k, next, l.name())
	case 4: // moved, not read yet
		next.Digest, next.Read = digest(l.name()), plimsoll.Coverage{State: plimsoll.ReadWaiting}
		l.tell(k, next)
	case 5: // read in part, or more of it
		p := l.part(l.name(), "amd64")
		next.Digest, next.Platforms, next.Read = p.Digest, []plimsoll.RefPlatform{p}, p.Read[plimsoll.AnalyzerPackages]
		if l.rand.IntN(2) == 0 {
			next.Recipe = l.recipe
		}
		l.tell(k, next)
	case 6: // gone
		if known {
			delete(l.tags, k)
			l.gone(k.registry, k.repository, k.tag)
		}
	case 7: // coverage lost
		if known {
			lost := old
			lost.LastGood, lost.Read = next.LastGood, plimsoll.Failed("the tag does not answer: 503")
			lost.Platforms = slices.Clone(old.Platforms)
			if l.rand.IntN(4) == 0 { // not even what images it holds
				lost.Platforms, lost.Recipe = nil, ""
			}
			for i := range lost.Platforms {
				read := map[string]plimsoll.Coverage{"": lost.Read}
				maps.Copy(read, lost.Platforms[i].Read)
				lost.Platforms[i].Read = read
			}
			l.tell(k, lost)
		}
	case 8: // read again by the present recipe: coverage regained, partial then full, or a replaced recipe
		if known && len(old.Platforms) > 0 && old.Read.State != plimsoll.ReadNotApplicable {
			again := old
			again.Platforms, again.LastGood = nil, ""
			for _, p := range old.Platforms {
				if p.Kind == "" {
					p = l.again(p)
				}
				again.Platforms = append(again.Platforms, p)
			}
			again.Recipe, again.Read = l.recipe, plimsoll.Complete()
			l.tell(k, again)
		}
	case 9: // no image at all, or one that was refused
		c := plimsoll.Coverage{State: plimsoll.ReadNotApplicable, Reason: "a Helm chart"}
		p := plimsoll.RefPlatform{Digest: digest("chart"), Kind: c.Reason, Read: map[string]plimsoll.Coverage{"": c}}
		if l.rand.IntN(3) == 0 {
			c = plimsoll.Failed("limit reached: too many layers")
			p = plimsoll.RefPlatform{Digest: digest("chart"), Read: map[string]plimsoll.Coverage{"": c}}
		}
		next.Digest, next.Platforms, next.Recipe, next.Read = p.Digest, []plimsoll.RefPlatform{p}, l.recipe, c
		l.tell(k, next)
	case 10: // a sweep ends; now and then it counted what nobody announced
		if l.rand.IntN(2) == 0 {
			name := l.name()
			quiet := refKey{"dev", "quiet", fmt.Sprint("v", l.n)}
			l.read(&next, l.full(name, "amd64"))
			next.Digest, next.LastGood, next.Tag = digest(name), "", quiet.tag
			l.seq++
			next.Observed = l.seq
			l.tags[quiet] = next
			l.refs(quiet.registry, quiet.repository, next)
			l.follow(0) // what was announced before is known: the counts alone tell of what was not
			l.follow(1)
			l.ended("dev")
			l.follow(0)
			l.follow(1)
			return
		}
		l.ended(k.registry)
	case 11: // workers are upgraded
		l.recipe = recipesOf[l.rand.IntN(3)]
	case 12: // an inventory that was missing or damaged is there now
		if n := len(l.missing); n > 0 {
			inv := l.missing[n-1]
			l.missing = l.missing[:n-1]
			l.write(inv, false)
			l.clock.at = l.clock.at.Add(retryAfter)
			if !l.asked(inv) { // nobody waits for it any more: then somebody announces it
				p := plimsoll.RefPlatform{Platform: inv.Platform, Digest: inv.Image, Read: inv.Read}
				l.tell(refKey{"dev", "late", fmt.Sprint("v", l.n)}, plimsoll.Ref{
					Tag: fmt.Sprint("v", l.n), Digest: inv.Image, Platforms: []plimsoll.RefPlatform{p}, Recipe: inv.Recipe, Read: plimsoll.Complete(),
					First: l.clock.at, Moved: l.clock.at,
				})
			}
		}
	case 13, 14: // advisories
		for range 1 + l.rand.IntN(3) {
			if l.rand.IntN(2) == 0 {
				l.exploit()
			} else {
				l.mutate()
			}
		}
		l.publish(l.rand.IntN(3) > 0)
	case 15: // the same advisories, checked again
		l.look()
		l.index = l.index.With(l.feeds(l.index.Generation().ID))
		for _, e := range l.engines {
			e.SetGeneration(l.index)
		}
	case 16:
		l.policy = []plimsoll.Policy{policy.Baseline(), strict, lax, likely}[l.rand.IntN(4)]
		for _, e := range l.engines {
			e.SetPolicy(l.policy)
		}
	case 17: // time goes by
		l.clock.at = l.clock.at.Add(time.Duration(1+l.rand.IntN(30)) * time.Hour << l.rand.IntN(6))
	case 18: // said twice, or late
		if known {
			l.log(k.registry, plimsoll.Change{Kind: plimsoll.ChangeTag, Repository: k.repository, Tag: k.tag, Digest: old.Digest, Ref: &old})
			stale := old
			stale.Observed, stale.Digest = old.Observed-1, digest("an older observation")
			l.log(k.registry, plimsoll.Change{Kind: plimsoll.ChangeInventory, Repository: k.repository, Tag: k.tag, Ref: &stale})
			waits := plimsoll.Ref{Tag: k.tag, Digest: old.Digest, Observed: old.Observed, Read: plimsoll.Coverage{State: plimsoll.ReadWaiting}}
			if old.Recipe != "" && !old.Read.Short() { // of a sweep that did not know yet
				l.log(k.registry, plimsoll.Change{Kind: plimsoll.ChangeTag, Repository: k.repository, Tag: k.tag, Ref: &waits})
			}
		}
	default: // a process starts again; sometimes with other registries in its configuration
		if l.rand.IntN(3) == 0 {
			l.registries[1].Sweep.Cron = []string{"off", ""}[l.rand.IntN(2)]
			l.start(0)
			l.start(1)
			return
		}
		l.start(l.rand.IntN(2))
	}
}

// name is one of a few names, so that tags share images.
func (l *life) name() string { return fmt.Sprint("image ", l.rand.IntN(9)) }

// tell writes a tag and announces it.
func (l *life) tell(k refKey, r plimsoll.Ref) {
	l.seq += 2
	r.Observed = l.seq
	if old, ok := l.tags[k]; ok && r.Former == nil {
		if r.Former = old.Former; old.Digest != r.Digest { // an image that was read before is in the bucket
			r.Former = slices.DeleteFunc(old.MovedAway(l.clock.at), func(f plimsoll.FormerImage) bool { return !l.stored(f.Digest) })
		}
	}
	l.put(k.registry, k.repository, r)
	if old, ok := l.tags[k]; ok {
		r = r.After(old)
	}
	l.tags[k] = r
}

// stored reports whether an inventory of an image stands in the bucket.
func (l *life) stored(d plimsoll.Digest) bool {
	return slices.ContainsFunc(recipesOf[:], func(r plimsoll.Recipe) bool {
		inv, err := blob.ReadJSON[plimsoll.Inventory](l.t.Context(), l.store, blob.InventoryKey(r, d))
		if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
			l.t.Fatal(err)
		}
		return err == nil && inv.Image == d && inv.Recipe == r
	})
}

// read makes a tag one of images that were read whole.
func (l *life) read(r *plimsoll.Ref, platforms ...plimsoll.RefPlatform) {
	r.Platforms, r.Recipe, r.Read = platforms, l.recipe, plimsoll.Complete()
}

// indexed is a tag that names an index; its images depend on its name alone, those of which one was read in part not whole.
func (l *life) indexed(k refKey, r plimsoll.Ref, name string) {
	name += " index"
	all := []plimsoll.RefPlatform{l.full(name, "amd64"), l.full(name, "arm64")}
	if hash(name)%2 == 0 {
		c := plimsoll.Coverage{State: plimsoll.ReadNotApplicable, Reason: "an attestation"}
		all = append(all, plimsoll.RefPlatform{Digest: digest(name + "att"), Kind: c.Reason, Read: map[string]plimsoll.Coverage{"": c}})
	}
	r.Digest = digest(name + " of all")
	switch l.rand.IntN(4) {
	case 0:
		all[1] = l.part(name, "arm64")
		r.Platforms, r.Recipe, r.Read = all, l.recipe, all[1].Read[plimsoll.AnalyzerPackages]
	case 1: // resolved, and nothing read
		for i := range all {
			all[i].Read = nil
		}
		r.Platforms, r.Read = all, plimsoll.Coverage{State: plimsoll.ReadWaiting}
	default:
		l.read(&r, all...)
		r.LastGood = ""
	}
	l.tell(k, r)
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// holdings are what an image holds: a base and a middle that others share, and its own. Some are such a base, or have a layer
// that is empty or of which it is not known what it is. A recipe may see more.
func holdings(name string, recipe plimsoll.Recipe, arch string) plimsoll.Inventory {
	h := hash(name)
	base, middle := int(h%3), int(h>>8%4)
	inv := plimsoll.Inventory{
		Image: digest(name + arch), Recipe: recipe, Platform: plimsoll.Platform{OS: "linux", Architecture: arch}, Read: read(plimsoll.Complete()),
		Release: plimsoll.OSRelease{ID: "debian", VersionID: "12"},
		Layers: []plimsoll.InventoryLayer{
			{Digest: digest(fmt.Sprint("base ", base)), Size: 100}, {Digest: digest(fmt.Sprint("middle ", middle)), Size: 20}, {Digest: digest(name + " own"), Size: 3},
		},
	}
	for i := range inv.Layers {
		inv.Layers[i].DiffID = plimsoll.DiffID("sha256:" + inv.Layers[i].Digest.Hex())
	}
	switch h >> 48 % 8 {
	case 0, 1: // a base
		inv.Layers = inv.Layers[:1]
	case 2, 3:
		inv.Layers = inv.Layers[:2]
	case 4:
		inv.Layers[2].DiffID = ""
	case 5:
		inv.Layers[1].Read = plimsoll.Complete()
	}
	add := func(layer int, eco, source, name, version, path string) {
		if layer >= len(inv.Layers) {
			return
		}
		kind := map[string]string{"Debian:12": "deb/debian/", "Bitnami": "bitnami/"}[eco]
		inv.Packages = append(inv.Packages, plimsoll.Package{
			Name: name, Version: version, Source: source, Ecosystem: eco, PURL: "pkg:" + cmp.Or(kind, "x/") + name + "@" + version[:min(len(version), 20)],
			Layer: layer, Path: path, Architecture: arch,
		})
	}
	for i, p := range []string{"libssl3", "libcrypto3", "curl", "zlib1g"} {
		if h>>16%4 != uint64(i) {
			add(0, "Debian:12", []string{"openssl", "openssl", "curl", ""}[i], p, fmt.Sprintf("1.%d-%d", base, i%2), "var/lib/dpkg/status")
		}
	}
	add(1, "npm", "", "lodash", fmt.Sprint("4.17.", 10+middle*5), "app/node_modules/lodash/package.json")
	add(1, "npm", "", "minimist", fmt.Sprint("1.2.", middle), "app/node_modules/minimist/package.json")
	if recipe != recipeOne {
		add(1, "PyPI", "", "Flask_Thing", fmt.Sprint("2.", middle), "usr/lib/python3/flask_thing")
	}
	add(2, "npm", "", "lodash", "4.17.20", "own/lodash/package.json")
	if h>>24%4 == 0 {
		add(2, "npm", "", "broken", strings.Repeat("1.", 600), "own/broken/package.json")
	}
	if h>>40%3 == 0 { // asked for by several names
		add(2, "Ubuntu:22.04", "openssl", "libssl3", "3.0.2-0ubuntu1.1+esm1", "var/lib/dpkg/status")
		add(2, "npm", "", "@root/lodash", "4.17.20", "own/@root/lodash/package.json")
	}
	if h>>28%4 == 0 {
		add(2, "Alpine:v3.18", "", "busybox", "1.36.1-r5", "lib/apk/db/installed")
	}
	if h>>44%3 == 0 {
		add(2, "Bitnami", "", "node", "16.20.2", "usr/local/bin/node")
	}
	if h>>32%4 == 0 {
		add(2, "Unheard-of", "", "thing", "1", "own/thing")
	}
	for _, p := range inv.Packages {
		inv.Ecosystems = append(inv.Ecosystems, p.Ecosystem)
	}
	content(&inv)
	return inv
}

// full is an image that was read whole. Now and then its inventory is not there, or it is another's.
func (l *life) full(name, arch string) plimsoll.RefPlatform {
	inv := holdings(name, l.recipe, arch)
	p := plimsoll.RefPlatform{Platform: inv.Platform, Digest: inv.Image, Read: inv.Read}
	if there, err := l.store.Head(l.t.Context(), blob.InventoryKey(l.recipe, inv.Image)); err != nil || there {
		l.check(err)
		return p
	}
	l.resolve(name, inv)
	switch l.rand.IntN(12) {
	case 0:
		l.missing = append(l.missing, inv)
	case 1: // H54: what stands there is about something else
		l.missing = append(l.missing, inv)
		wrong := inv
		if l.rand.IntN(2) == 0 {
			wrong.Image = digest("another")
		} else {
			wrong.Recipe = "another"
		}
		l.check(blob.PutJSON(l.t.Context(), l.store, blob.InventoryKey(inv.Recipe, inv.Image), wrong))
	default:
		l.write(inv, false)
	}
	return p
}

// resolve writes what a manifest says; it is there before the inventory is.
func (l *life) resolve(name string, inv plimsoll.Inventory) {
	if hash(name)>>36%3 == 0 {
		im := plimsoll.Image{Digest: inv.Image, Platform: inv.Platform, Labels: map[string]string{"team": "team of " + name}}
		l.check(blob.CreateJSON(l.t.Context(), l.store, blob.ImageKey(inv.Image), im))
	}
}

// again reads an image again.
func (l *life) again(p plimsoll.RefPlatform) plimsoll.RefPlatform {
	for n := range 9 {
		for _, kind := range []string{"", " index"} {
			if name := fmt.Sprint("image ", n) + kind; digest(name+p.Platform.Architecture) == p.Digest {
				return l.full(name, p.Platform.Architecture)
			}
		}
	}
	return p
}

// part is an image of which a layer fails; each time other packages are there already.
func (l *life) part(name, arch string) plimsoll.RefPlatform {
	inv := holdings(name, l.recipe, arch)
	l.resolve(name, inv)
	inv.Read = read(plimsoll.Partial("a layer fails"))
	inv.Packages = inv.Packages[:l.rand.IntN(len(inv.Packages))]
	l.write(inv, true)
	return plimsoll.RefPlatform{Platform: inv.Platform, Digest: inv.Image, Read: inv.Read, Partial: true}
}

// asked reports whether a tag shows this very inventory.
func (l *life) asked(inv plimsoll.Inventory) bool {
	for _, r := range l.tags {
		if r.Recipe == inv.Recipe && slices.ContainsFunc(r.Platforms, func(p plimsoll.RefPlatform) bool { return p.Digest == inv.Image && !p.Partial }) {
			return true
		}
	}
	return false
}

func (l *life) write(inv plimsoll.Inventory, partial bool) {
	key := blob.InventoryKey(inv.Recipe, inv.Image)
	if partial {
		key = blob.PartialKey(inv.Recipe, inv.Image)
	}
	delete(l.objects.known, key)
	l.check(blob.PutJSON(l.t.Context(), l.store, key, inv))
}

// ended writes a sweep that ended, with true counts.
func (l *life) ended(registry string) {
	l.clock.at = l.clock.at.Add(time.Duration(1+l.rand.IntN(20)) * time.Hour)
	var n plimsoll.SweepCount
	for k, r := range l.tags {
		if k.registry != registry {
			continue
		}
		switch r.Read.State {
		case plimsoll.ReadComplete:
			n.Complete++
		case plimsoll.ReadNotApplicable:
			n.NotApplicable++
		case plimsoll.ReadPartial:
			n.Partial++
		case plimsoll.ReadWaiting:
			n.Waiting++
		default:
			n.Failed++
		}
	}
	l.sweep(registry, l.clock.at, l.recipe, n)
}

// mutate adds, changes or withdraws a record.
func (l *life) mutate() {
	n := l.rand.IntN(10)
	id := fmt.Sprintf([]string{"GHSA-%d", "DSA-%d", "CVE-2021-000%d", "PYSEC-%d"}[n%4], n)
	if _, ok := l.records[id]; ok && l.rand.IntN(3) == 0 {
		delete(l.records, id)
		return
	}
	eco := []struct{ ecosystem, name, fixed string }{
		{"Debian:12", "openssl", "1.2-0"}, {"Debian:12", "curl", "1.1-1"}, {"npm", "lodash", "4.17.21"}, {"npm", "minimist", "1.2.2"},
		{"npm", "broken", "2.0.0"}, {"PyPI", "flask-thing", "2.2"}, {"Alpine:v3.18", "busybox", "1.36.1-r6"}, {"Debian:12", "zlib1g", ""},
		{"Ubuntu:Pro:22.04", "openssl", "3.0.2-0ubuntu1.2"}, {"Root:npm", "@root/lodash", "4.17.21"},
	}[l.rand.IntN(10)]
	kind := "ECOSYSTEM"
	if eco.ecosystem == "npm" {
		kind = "SEMVER"
	}
	events := []plimsoll.Event{{Introduced: "0"}}
	if eco.fixed != "" && l.rand.IntN(3) > 0 {
		events = append(events, plimsoll.Event{Fixed: eco.fixed})
	}
	a := plimsoll.Advisory{ID: id, Summary: "a flaw in " + eco.name, Modified: l.clock.at, Affected: []plimsoll.Affected{{
		Ecosystem: eco.ecosystem, Package: eco.name, Ranges: []plimsoll.Range{{Type: kind, Events: events}},
	}}}
	switch l.rand.IntN(4) {
	case 0:
		a.Aliases = []string{fmt.Sprint("CVE-2021-000", l.rand.IntN(4))}
	case 1:
		a.Aliases = []string{fmt.Sprint("GHSA-", l.rand.IntN(10))}
	case 2:
		a.Upstream = []string{fmt.Sprint("CVE-2021-000", l.rand.IntN(4)), fmt.Sprint("CVE-2021-000", l.rand.IntN(4))}
	}
	if v := l.rand.IntN(3); v > 0 {
		a.Severity = []plimsoll.Score{{Type: "CVSS_V3", Score: []string{critical, medium}[v-1]}}
	}
	l.records[id] = a
}

// exploit lets a feed say something else of a flaw's exploitation, or nothing any more.
func (l *life) exploit() {
	cve := fmt.Sprint("CVE-2021-000", l.rand.IntN(4))
	e := l.exploited[cve]
	switch l.rand.IntN(5) {
	case 0:
		e.KEV = plimsoll.KEV{Added: midnight(l.clock.at), Ransomware: l.rand.IntN(2) == 0}
	case 1:
		e.KEV = plimsoll.KEV{}
	case 2:
		e.SSVC = plimsoll.SSVC{Exploitation: []string{"none", "poc", "active"}[l.rand.IntN(3)], Date: midnight(l.clock.at)}
	default:
		e.EPSS = plimsoll.EPSS{Score: float64(l.rand.IntN(4)) / 4, Percentile: 0.5}
	}
	l.exploited[cve] = e
}

func midnight(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// said are the feeds about exploitation, of this day: that they are newer says nothing of a flaw.
func (l *life) said() (tables []*enrich.Table) {
	for _, kind := range enrich.Kinds {
		read := enrich.Read{Date: midnight(l.clock.at)}
		for _, cve := range slices.Sorted(maps.Keys(l.exploited)) {
			e, row := l.exploited[cve], enrich.Row{CVE: cve}
			switch {
			case kind == enrich.KEV && !e.KEV.Added.IsZero():
				row.KEV = e.KEV
			case kind == enrich.SSVC && e.SSVC.Exploitation != "":
				row.SSVC = e.SSVC
			case kind == enrich.EPSS && e.EPSS.Percentile > 0:
				row.EPSS = e.EPSS
			default:
				continue
			}
			read.Rows = append(read.Rows, row)
		}
		tables = append(tables, enrich.Compile(kind, read))
	}
	return tables
}

// look checks the feeds; one or another is dead.
func (l *life) look() {
	for _, family := range []string{"npm", "Debian", "PyPI", "Alpine", "Ubuntu", "Root"} {
		if _, ok := l.checked[family]; !ok || l.rand.IntN(4) > 0 {
			l.checked[family] = l.clock.at
		}
	}
}

func (l *life) feeds(id string) plimsoll.Generation {
	g := plimsoll.Generation{ID: id, Created: l.clock.at}
	for _, family := range slices.Sorted(maps.Keys(l.checked)) {
		g.Feeds = append(g.Feeds, plimsoll.Feed{Ecosystem: family, Checked: l.checked[family]})
	}
	return g
}

// publish puts the records in force.
func (l *life) publish(look bool) {
	if look {
		l.look()
	}
	l.generation++
	var all []plimsoll.Advisory
	for _, id := range slices.Sorted(maps.Keys(l.records)) {
		all = append(all, l.records[id])
	}
	l.index = advisory.Compile(l.feeds(fmt.Sprint("g", l.generation)), all, l.said()...)
	for _, e := range l.engines {
		if e != nil {
			e.SetGeneration(l.index)
		}
	}
}

// Policies beside the baseline.
var (
	strict = policy.Seal(plimsoll.Policy{
		Name: "strict", Version: 1, Target: 100, Requires: []string{plimsoll.AnalyzerPackages, plimsoll.AnalyzerSecrets},
		Rules: []plimsoll.Rule{
			{ID: "none", Text: "No finding.", Then: plimsoll.VerdictFail},
			{ID: "secrets", Text: "No secret.", Then: plimsoll.VerdictFail, Most: map[string]int{"image.secrets": 0}},
		},
	})
	lax = policy.Seal(plimsoll.Policy{
		Name: "lax", Version: 1, Target: 50, Requires: []string{plimsoll.AnalyzerPackages},
		Rules: []plimsoll.Rule{{ID: "critical", Text: "No critical finding.", Then: plimsoll.VerdictWarn, Severity: []plimsoll.Severity{plimsoll.SeverityCritical}}},
	})
)

// likely is about what is said of exploitation.
var likely = policy.Seal(plimsoll.Policy{
	Name: "likely", Version: 1, Target: 100, Requires: []string{plimsoll.AnalyzerPackages},
	Rules: []plimsoll.Rule{
		{ID: "likely", Text: "Nothing likely.", Then: plimsoll.VerdictWarn, EPSS: at(0.5)},
		{ID: "ransom", Text: "Nothing for ransom.", Then: plimsoll.VerdictFail, Ransomware: at(true)},
	},
})

func at[T any](v T) *T { return &v }

// TestEachDeltaIsNeeded switches off one handler after the other: the comparison with the recompute must fail for each, or it
// would not hold what it says to hold.
func TestEachDeltaIsNeeded(t *testing.T) {
	t.Parallel()
	off := map[string]func(*Engine){
		"tag":        func(e *Engine) { e.do.tag = func(*state, refKey, plimsoll.Ref) {} },
		"gone":       func(e *Engine) { e.do.gone = func(*state, refKey) {} },
		"sweep":      func(e *Engine) { e.do.sweep = func(context.Context, *state, string, string) {} },
		"reread":     func(e *Engine) { e.do.reread = func(*state, *tag) {} },
		"shared":     func(e *Engine) { e.do.shared = func(*state, *slot) {} },
		"index":      func(e *Engine) { e.do.index = func(*state, plimsoll.Digest) {} },
		"recall":     func(e *Engine) { e.do.recall = func(context.Context, *state) {} },
		"former":     func(e *Engine) { e.do.former = func(*state, refKey, []plimsoll.FormerImage) {} },
		"order":      func(e *Engine) { e.do.order = func(*state) {} },
		"compare":    func(e *Engine) { e.do.compare = func(context.Context, *state, string, string) {} },
		"retry":      func(e *Engine) { e.do.retry = func(*state, time.Time) {} },
		"generation": func(e *Engine) { e.do.generation = func(m *match.Matcher) { e.matcher = m } },
		"names":      func(e *Engine) { e.do.names = func(_, _ *advisory.Index) []advisory.Name { return nil } },
		"recheck":    func(e *Engine) { e.do.recheck = func(plimsoll.Generation) {} },
		"policy":     func(e *Engine) { e.do.policy = func(p plimsoll.Policy) { e.cfg.Policy = p } },
		"feeds": func(e *Engine) {
			e.do.feeds = func(s *state, now time.Time) {
				if e.View() == nil {
					e.ageFeeds(s, now)
				}
			}
		},
		"listings": func(e *Engine) { e.do.listings = func(*state, time.Time) {} },
		"ends":     func(e *Engine) { e.do.ends = func(*state, time.Time) {} },
		"rows":     func(e *Engine) { e.do.rows = func(*state, time.Time) {} },
		"leave":    func(e *Engine) { e.do.leave = func(*state, *Row) {} },
		"enter":    func(e *Engine) { e.do.enter = func(*state, *Row) {} },
	}
	limit := make(chan struct{}, 4) // lives at once
	for name, alter := range off {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit <- struct{}{}
			defer func() { <-limit }()
			for seed := range uint64(mutationSeeds) {
				if newLife(t, seed, alter).live(steps) != "" {
					return
				}
			}
			t.Errorf("with %q switched off, %d interleavings equal the recompute all the same", name, mutationSeeds)
		})
	}
}

// mutationSeeds is how many interleavings may pass before a handler that is off shows.
const mutationSeeds = 40
