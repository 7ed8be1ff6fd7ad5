package posture

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/lineage"
)

// BaseName is one name of a base: a tag that holds it, or held it before.
type BaseName struct {
	Reference plimsoll.Reference // registry id, repository, tag; Digest is of the platform's manifest
	From      time.Time          // when the tag was first seen at it
	Until     time.Time          // when the tag was first seen elsewhere; zero while it holds it
	Row       *Row               // what stands there, nil when the tag has moved on
	Newer     *Row               // what the tag holds now, for the same platform; nil when it has not moved on, or that is not read
}

// Moved reports whether the tag names something else now.
func (n BaseName) Moved() bool { return !n.Until.IsZero() }

// Base is an image that others stand on: their lowest layers are its layers, on the same platform, by the diff IDs that we
// computed. Images with the same layers are one base with several names.
type Base struct {
	Names    []BaseName // the one to show first: see compareNames
	Platform plimsoll.Platform
	Layers   int // how many
	Direct   int // rows that stand on it with nothing known between
	All      int // rows that stand on it
	node     lineage.Node
}

// Name is the name that is shown: of several always the same.
func (b *Base) Name() BaseName { return b.Names[0] }

// Newer is a name that has moved on to an image that is known here, the latest move first; false when there is none.
func (b *Base) Newer() (BaseName, bool) {
	var best BaseName
	for _, n := range b.Names {
		if n.Newer != nil && n.Until.After(best.Until) {
			best = n
		}
	}
	return best, best.Newer != nil
}

// Seen is when a tag was first seen at these layers, by whatever name: they are at least that old. Zero when nobody saw a tag come
// to them.
func (b *Base) Seen() (first time.Time) {
	for _, n := range b.Names {
		if !n.From.IsZero() && (first.IsZero() || n.From.Before(first)) {
			first = n.From
		}
	}
	return first
}

// Digests are the manifests that hold these layers, sorted.
func (b *Base) Digests() []plimsoll.Digest {
	var out []plimsoll.Digest
	for _, n := range b.Names {
		out = append(out, n.Reference.Digest)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Link is one link of an image's chain: the layers From to before To, lowest 0. Base is nil for what the image itself adds.
type Link struct {
	Base     *Base
	From, To int
}

// chains is what a view knows of bases; made when it is first asked.
type chains struct {
	once  sync.Once
	bases []*Base // by position; nil where none is
	all   []*Base

	byDigest map[plimsoll.Digest]*Base
}

// Bases are the images that others stand on, those with the most rows on them first.
func (v *View) Bases() []*Base {
	v.chains.once.Do(v.findBases)
	return v.chains.all
}

// Base is the base with a digest: of the manifest of one of its names.
func (v *View) Base(d plimsoll.Digest) (*Base, bool) {
	v.chains.once.Do(v.findBases)
	b, ok := v.chains.byDigest[d]
	return b, ok
}

// BasesOf are the bases of a row, the lowest first; the last is its direct base.
func (v *View) BasesOf(r *Row) []*Base {
	v.chains.once.Do(v.findBases)
	if r == nil || r.image == nil {
		return nil
	}
	var out []*Base
	for n := v.lineage.Below(r.image.place); n != lineage.Nowhere; n = v.lineage.Base(n) {
		if b := v.chains.bases[n]; b != nil {
			out = append(out, b)
		}
	}
	slices.Reverse(out)
	return out
}

// Chain is the chain of a row, the lowest base first; its own layers are the last link. A row whose base is not known has one
// link. False when nothing was read.
func (v *View) Chain(r *Row) ([]Link, bool) {
	if r == nil || r.image == nil {
		return nil, false
	}
	var out []Link
	from := 0
	for _, b := range v.BasesOf(r) {
		out = append(out, Link{b, from, b.Layers})
		from = b.Layers
	}
	return append(out, Link{nil, from, r.Layers}), true
}

// DirectBase is the base of a row with the most layers; nil where none is known.
func (v *View) DirectBase(r *Row) *Base {
	v.chains.once.Do(v.findBases)
	if r == nil || r.image == nil {
		return nil
	}
	for n := v.lineage.Below(r.image.place); n != lineage.Nowhere; n = v.lineage.Base(n) {
		if b := v.chains.bases[n]; b != nil {
			return b
		}
	}
	return nil
}

// OwnFrom is the lowest layer that a row itself adds: what stands below came with its base. 0 where no base is known.
func (v *View) OwnFrom(r *Row) int {
	if b := v.DirectBase(r); b != nil {
		return b.Layers
	}
	return 0
}

// On reports for rows whether they stand on a base with one of these digests, and gives the layers that the link of such a
// base brought: from its own direct base's up to its own.
func (v *View) On(digests ...plimsoll.Digest) func(r *Row) (from, to int, ok bool) {
	wanted := map[lineage.Node]bool{}
	for _, d := range digests {
		if b, ok := v.Base(d); ok {
			wanted[b.node] = true
		}
	}
	return func(r *Row) (int, int, bool) {
		if r == nil || r.image == nil || len(wanted) == 0 {
			return 0, 0, false
		}
		for n := v.lineage.Below(r.image.place); n != lineage.Nowhere; n = v.lineage.Base(n) {
			if !wanted[n] {
				continue
			}
			below := v.lineage.Base(n)
			for below != lineage.Nowhere && v.chains.bases[below] == nil {
				below = v.lineage.Base(below)
			}
			return v.lineage.Depth(below), v.lineage.Depth(n), true
		}
		return 0, 0, false
	}
}

// findBases counts what stands on what, then names the bases.
func (v *View) findBases() {
	v.chains.bases = make([]*Base, v.lineage.Len())
	for _, r := range v.rows {
		if r.image == nil {
			continue
		}
		first := true
		for n := v.lineage.Below(r.image.place); n != lineage.Nowhere; n = v.lineage.Base(n) {
			b := v.chains.bases[n]
			if b == nil {
				b = &Base{Platform: r.image.platform, Layers: v.lineage.Depth(n), node: n}
				v.chains.bases[n] = b
			}
			if b.All++; first {
				b.Direct++
			}
			first = false
		}
	}
	v.nameBases()
	v.chains.byDigest = map[plimsoll.Digest]*Base{}
	for n, b := range v.chains.bases {
		if b == nil {
			continue
		}
		if len(b.Names) == 0 { // what held it is being read, or gone: nobody could be told what it is
			v.chains.bases[n] = nil
			continue
		}
		slices.SortStableFunc(b.Names, compareNames)
		v.chains.all = append(v.chains.all, b)
		for _, x := range b.Names {
			v.chains.byDigest[x.Reference.Digest] = b
		}
	}
	slices.SortFunc(v.chains.all, func(a, b *Base) int { return cmp.Or(b.All-a.All, compareNames(a.Name(), b.Name())) })
}

// nameBases gives each base the tags that hold it, and those that held it before and hold something else of its platform now.
func (v *View) nameBases() {
	type held struct {
		ref      refKey
		platform plimsoll.Platform
	}
	former := map[held]bool{}
	for _, f := range v.former {
		if v.chains.bases[f.place.Node] != nil {
			former[held{f.ref, f.Platform}] = true
		}
	}
	now := map[held]*Row{}
	for _, r := range v.rows {
		if r.image == nil || r.Behind != "" {
			continue
		}
		if k := (held{r.ref, r.image.platform}); former[k] {
			now[k] = r
		}
		if b := v.chains.bases[r.image.place.Node]; b != nil && r.image.place.Whole {
			ref := r.Reference
			ref.Digest = r.Digest
			b.Names = append(b.Names, BaseName{Reference: ref, From: r.Moved, Row: r})
		}
	}
	for _, f := range v.former {
		b := v.chains.bases[f.place.Node]
		if b == nil {
			continue
		}
		n := BaseName{
			Reference: plimsoll.Reference{Registry: f.ref.registry, Repository: f.ref.repository, Tag: f.ref.tag, Digest: f.Digest},
			From:      f.From, Until: f.Until,
		}
		if r := now[held{f.ref, f.Platform}]; r != nil {
			if r.image.place == f.place {
				continue // it holds these layers again, or others of no other layers
			}
			n.Newer = r
		}
		b.Names = append(b.Names, n)
	}
}

// compareNames orders the names of a base, the one to show first: one that still holds it before one that has moved on, fewer
// folders, a shorter repository, a shorter tag (which is the one that moves: "18" before "18.20.4"; "latest" last), then by
// bytes. Of the names of one tag the latest stands first.
func compareNames(a, b BaseName) int {
	x, y := a.Reference, b.Reference
	return cmp.Or(
		first(!a.Moved(), !b.Moved()),
		strings.Count(x.Repository, "/")-strings.Count(y.Repository, "/"),
		len(x.Repository)-len(y.Repository),
		strings.Compare(x.Repository, y.Repository),
		first(x.Tag != "latest", y.Tag != "latest"),
		len(x.Tag)-len(y.Tag),
		strings.Compare(x.Tag, y.Tag),
		strings.Compare(x.Registry, y.Registry),
		b.Until.Compare(a.Until),
		strings.Compare(string(x.Digest), string(y.Digest)))
}

// first orders what holds before what does not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
