package posture

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/lineage"
)

// A snapshot is what the fold has read, so that the next process reads the tail of the change log alone. It holds facts and no
// opinions: those are formed again by the advisories and the policy of the process that starts from it. It stands in parts,
// the head last, which names the parts by their sums; a snapshot without a head is none.
//
//	snapshots/<format>/<time>-<random>/<part>
//
// Any number of reporters may write them; the newest that can be read whole wins, and where none can the bucket is folded.
const (
	// snapshotFormat changes with the meaning of anything below: what another version wrote is not looked at.
	snapshotFormat  = 3
	prefixSnapshots = "snapshots/"
	snapshotTime    = "20060102T150405Z"
	snapshotHead    = "head"
	// perPart is how many tags, images or lists one part holds: some 20 MB of JSON.
	perPart = 20_000
	// snapshotsTried is how many snapshots are looked at, newest first, before the bucket is folded instead.
	snapshotsTried = 3
	// snapshotsKept is how many are left when a new one stands: the one before may be being read.
	snapshotsKept = 2
)

// head says what a snapshot holds.
type head struct {
	Format    int                                   `json:"format"`
	Positions map[string]int64                      `json:"positions"` // of the change log; all before is folded in
	Folded    []string                              `json:"folded"`    // registries
	Label     string                                `json:"label"`     // by which owners were asked
	Recipes   []plimsoll.Recipe                     `json:"recipes"`   // in the order in which inventories of any recipe were looked for
	Indexes   map[plimsoll.Digest][]plimsoll.Digest `json:"indexes"`
	Parts     map[string]plimsoll.Digest            `json:"parts"` // by name: sha256 of the bytes
}

// sharedPart is what images share, by number.
type sharedPart struct {
	Packages   []plimsoll.Package             `json:"packages"`
	Texts      []string                       `json:"texts"` // paths, recipes
	Reads      []map[string]plimsoll.Coverage `json:"reads"`
	Platforms  []plimsoll.Platform            `json:"platforms"`
	Releases   []plimsoll.OSRelease           `json:"releases"`
	Ecosystems [][]string                     `json:"ecosystems"`
	Former     []formerPart                   `json:"former"`
}

// listPart is one layer's list: pairs of numbers of package and path.
type listPart struct {
	Key    string  `json:"k,omitempty"`
	Places []int32 `json:"p"`
}

// imagePart is one image by the slot that it answers.
type imagePart struct {
	Digest   plimsoll.Digest   `json:"d"`
	Recipe   int32             `json:"r"`
	Any      bool              `json:"any,omitempty"` // it was asked for by any recipe
	Partial  bool              `json:"part,omitempty"`
	Platform int32             `json:"pl"`
	Release  int32             `json:"os"`
	Read     int32             `json:"rd"`
	Found    int32             `json:"e"`
	Size     int64             `json:"s"`
	Layers   int               `json:"l"`
	Packages int               `json:"n"`
	Segments [][]int32         `json:"g"` // list, layer, removed positions
	Content  plimsoll.Content  `json:"c,omitzero"`
	Secrets  []plimsoll.Secret `json:"x,omitempty"`
	Suspects []plimsoll.File   `json:"f,omitempty"`
	Owner    string            `json:"o,omitempty"`
	Place    int32             `json:"at,omitempty"` // position, from 1; 0: of no layer
	Hanging  bool              `json:"h,omitempty"`  // its place is not whole
	Taken    [][3]int32        `json:"t,omitempty"`  // packages that upper layers removed: name, path, layer
}

// positionPart is one layer on top of others: the number of the position below, 0 for none.
type positionPart struct {
	Below int32           `json:"b"`
	Layer plimsoll.DiffID `json:"l"`
}

// formerPart is an image that tags held before, whose layers are known.
type formerPart struct {
	Digest   plimsoll.Digest `json:"d"`
	Platform int32           `json:"pl"`
	Place    int32           `json:"at"`
	Hanging  bool            `json:"h,omitempty"`
}

// tagPart is one tag.
type tagPart struct {
	Registry   string         `json:"registry"`
	Repository string         `json:"repository"`
	Platforms  []platformPart `json:"platforms,omitempty"`
	Ref        plimsoll.Ref   `json:"ref"` // without its platforms
}

type platformPart struct {
	Platform int32           `json:"p"`
	Digest   plimsoll.Digest `json:"d"`
	Read     int32           `json:"r"` // -1: none
	Partial  bool            `json:"part,omitempty"`
	Kind     string          `json:"kind,omitempty"`
}

// Save writes a snapshot of what is folded now, and takes older ones away. It does nothing while the last one saved, or
// started from, stands at the same positions.
func (e *Engine) Save(ctx context.Context) error {
	e.saving.Lock()
	defer e.saving.Unlock()
	e.mu.Lock()
	if e.view.Load() == nil || maps.Equal(e.saved, e.state.positions) {
		e.mu.Unlock()
		return nil
	}
	parts := e.state.parts(e.cfg.Owners.Label)
	e.mu.Unlock() // what the parts refer to does not change

	var suffix [4]byte
	rand.Read(suffix[:])
	folder := fmt.Sprintf("%s%d/%s-%s/", prefixSnapshots, snapshotFormat, e.cfg.Now().UTC().Format(snapshotTime), hex.EncodeToString(suffix[:]))
	if err := parts.write(ctx, e.cfg.Store, folder); err != nil {
		return fmt.Errorf("snapshot %s: %w", folder, err)
	}
	e.mu.Lock()
	e.saved = parts.head.Positions
	e.mu.Unlock()
	return e.dropSnapshots(ctx, folder)
}

// snapshotParts is a snapshot as it is written and read.
type snapshotParts struct {
	head   head
	shared sharedPart
	lists  []listPart
	images []imagePart
	tags   []tagPart

	positions []positionPart
}

// parts collects what a snapshot holds. What nothing uses any more is left out: numbers are given anew.
func (s *state) parts(label string) *snapshotParts {
	p := &snapshotParts{head: head{
		Format: snapshotFormat, Positions: maps.Clone(s.positions), Folded: slices.Sorted(maps.Keys(s.folded)), Label: label,
		Recipes: slices.Clone(s.recipes), Indexes: maps.Clone(s.indexes), Parts: map[string]plimsoll.Digest{},
	}}
	w := newWriter(p, s)
	for _, x := range s.slots {
		if x.image != nil {
			p.images = append(p.images, w.image(x))
		}
	}
	for _, t := range s.tags {
		p.tags = append(p.tags, w.tag(t))
	}
	for d, f := range s.standing.former {
		if f.place.Node != lineage.Nowhere {
			p.shared.Former = append(p.shared.Former, formerPart{d, w.platform(f.platform), w.position(f.place.Node), !f.place.Whole})
		}
	}
	return p
}

// writer numbers what parts share.
type writer struct {
	parts     *snapshotParts
	known     *interner
	packages  map[int32]int32
	paths     map[int32]int32
	texts     map[string]int32
	reads     map[string]int32
	platforms map[plimsoll.Platform]int32
	releases  map[plimsoll.OSRelease]int32
	found     map[*foundIn]int32
	lists     map[*layerList]int32
	tree      *lineage.Tree
	positions map[lineage.Node]int32
}

func newWriter(p *snapshotParts, s *state) *writer {
	return &writer{
		parts: p, known: s.known, packages: map[int32]int32{}, paths: map[int32]int32{}, texts: map[string]int32{}, reads: map[string]int32{},
		platforms: map[plimsoll.Platform]int32{}, releases: map[plimsoll.OSRelease]int32{}, found: map[*foundIn]int32{}, lists: map[*layerList]int32{},
		tree: s.standing.tree, positions: map[lineage.Node]int32{},
	}
}

// numberOf is the number of a value among those written, which it joins.
func numberOf[K comparable, V any](known map[K]int32, all *[]V, key K, value func() V) int32 {
	n, ok := known[key]
	if !ok {
		n = int32(len(*all))
		known[key] = n
		*all = append(*all, value())
	}
	return n
}

func (w *writer) text(s string) int32 {
	return numberOf(w.texts, &w.parts.shared.Texts, s, func() string { return s })
}

func (w *writer) read(m map[string]plimsoll.Coverage) int32 {
	if m == nil {
		return -1
	}
	return numberOf(w.reads, &w.parts.shared.Reads, readKey(m), func() map[string]plimsoll.Coverage { return m })
}

func (w *writer) platform(p plimsoll.Platform) int32 {
	return numberOf(w.platforms, &w.parts.shared.Platforms, p, func() plimsoll.Platform { return p })
}

func (w *writer) image(x *slot) imagePart {
	im := x.image
	out := imagePart{
		Digest: im.source.digest, Recipe: w.text(string(im.source.recipe)), Any: x.want.recipe == "", Partial: im.source.partial,
		Platform: w.platform(im.platform), Read: w.read(im.read), Size: im.size, Layers: im.layers, Packages: im.packages,
		Content: im.content, Secrets: im.secrets, Suspects: im.suspects, Owner: im.owner,
	}
	out.Release = numberOf(w.releases, &w.parts.shared.Releases, im.release, func() plimsoll.OSRelease { return im.release })
	out.Found = numberOf(w.found, &w.parts.shared.Ecosystems, im.found, func() []string { return im.found.ecosystems })
	out.Place, out.Hanging = w.position(im.place.Node), !im.place.Whole
	for _, x := range im.taken {
		out.Taken = append(out.Taken, [3]int32{w.text(w.known.texts[x.name]), w.text(w.known.texts[x.path]), x.layer})
	}
	for _, g := range im.segments {
		out.Segments = append(out.Segments, append([]int32{w.list(g.list), g.layer}, g.removed...))
	}
	return out
}

// position is the number of a position, from 1; those below it come first.
func (w *writer) position(n lineage.Node) int32 {
	if n == lineage.Nowhere {
		return 0
	}
	at, ok := w.positions[n]
	if !ok {
		below, layer := w.tree.Top(n)
		one := positionPart{w.position(below), layer}
		w.parts.positions = append(w.parts.positions, one)
		at = int32(len(w.parts.positions))
		w.positions[n] = at
	}
	return at
}

func (w *writer) list(l *layerList) int32 {
	return numberOf(w.lists, &w.parts.lists, l, func() listPart {
		out := listPart{Key: l.key, Places: make([]int32, 0, 2*len(l.places))}
		for _, p := range l.places {
			pkg := numberOf(w.packages, &w.parts.shared.Packages, p.pkg, func() plimsoll.Package { return w.known.packages[p.pkg] })
			path, ok := w.paths[p.path]
			if !ok {
				path = w.text(w.known.texts[p.path])
				w.paths[p.path] = path
			}
			out.Places = append(out.Places, pkg, path)
		}
		return out
	})
}

func (w *writer) tag(t *tag) tagPart {
	out := tagPart{Registry: t.key.registry, Repository: t.key.repository, Ref: t.ref}
	out.Ref.Platforms = nil
	for _, p := range t.ref.Platforms {
		out.Platforms = append(out.Platforms, platformPart{w.platform(p.Platform), p.Digest, w.read(p.Read), p.Partial, p.Kind})
	}
	return out
}

// write writes the parts, then the head.
func (p *snapshotParts) write(ctx context.Context, store *blob.Store, folder string) error {
	put := func(name string, v any) error {
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		p.head.Parts[name] = plimsoll.DigestOf(b)
		return store.Put(ctx, folder+name, b)
	}
	err := errors.Join(
		put("shared", p.shared),
		putAll(put, "lists", p.lists), putAll(put, "images", p.images), putAll(put, "tags", p.tags), putAll(put, "positions", p.positions))
	if err != nil {
		return err
	}
	return put(snapshotHead, p.head)
}

func putAll[T any](put func(string, any) error, name string, all []T) error {
	n := 0
	for part := range slices.Chunk(all, perPart) {
		if err := put(fmt.Sprintf("%s-%05d", name, n), part); err != nil {
			return err
		}
		n++
	}
	return nil
}

// snapshots are the folders of all snapshots of this format, the newest first.
func (e *Engine) snapshots(ctx context.Context) (out []string, err error) {
	prefix := fmt.Sprintf("%s%d/", prefixSnapshots, snapshotFormat)
	for name, err := range e.cfg.Store.Folders(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list snapshots: %w", err)
		}
		out = append(out, prefix+name+"/")
	}
	slices.Reverse(out)
	return out, nil
}

// dropSnapshots takes away what is older than the snapshot just written and the one before it. Those of other formats stay:
// another version may run beside this one.
func (e *Engine) dropSnapshots(ctx context.Context, latest string) error {
	all, err := e.snapshots(ctx)
	if err != nil {
		return err
	}
	kept := 0
	for _, folder := range all {
		if kept < snapshotsKept || folder >= latest {
			kept++
			continue
		}
		var keys []string
		for entry, err := range e.cfg.Store.List(ctx, folder, "") {
			if err != nil {
				return fmt.Errorf("drop snapshot: %w", err)
			}
			keys = append(keys, entry.Key)
		}
		slices.Sort(keys) // head is the first or among the first: what is half gone has none
		if i := slices.Index(keys, folder+snapshotHead); i > 0 {
			keys[0], keys[i] = keys[i], keys[0]
		}
		for _, key := range keys {
			if err := e.cfg.Store.Delete(ctx, key); err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
				return fmt.Errorf("drop snapshot: %w", err)
			}
		}
	}
	return nil
}

// readSnapshot reads one snapshot whole, or fails.
func (e *Engine) readSnapshot(ctx context.Context, folder string) (*snapshotParts, error) {
	p := &snapshotParts{}
	b, err := e.cfg.Store.Get(ctx, folder+snapshotHead)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b.Bytes, &p.head); err != nil {
		return nil, fmt.Errorf("%shead: %w: %v", folder, plimsoll.ErrIntegrity, err)
	}
	if p.head.Format != snapshotFormat || p.head.Label != e.cfg.Owners.Label {
		return nil, fmt.Errorf("%shead: %w: format %d, owners by label %q", folder, plimsoll.ErrUnsupported, p.head.Format, p.head.Label)
	}
	names := slices.Sorted(maps.Keys(p.head.Parts))
	lists, images, tags := make([][]listPart, len(names)), make([][]imagePart, len(names)), make([][]tagPart, len(names))
	positions := make([][]positionPart, len(names))
	errs := make([]error, len(names))
	slots := make(chan struct{}, readers)
	var pool sync.WaitGroup
	for i, name := range names {
		slots <- struct{}{}
		pool.Go(func() {
			defer func() { <-slots }()
			var into any
			switch kind, _, _ := strings.Cut(name, "-"); kind {
			case "shared":
				into = &p.shared
			case "lists":
				into = &lists[i]
			case "images":
				into = &images[i]
			case "tags":
				into = &tags[i]
			case "positions":
				into = &positions[i]
			default:
				errs[i] = fmt.Errorf("%s%s: %w: no such part", folder, name, plimsoll.ErrUnsupported)
				return
			}
			errs[i] = e.readPart(ctx, folder+name, p.head.Parts[name], into)
		})
	}
	pool.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p.lists, p.images, p.tags = slices.Concat(lists...), slices.Concat(images...), slices.Concat(tags...)
	p.positions = slices.Concat(positions...)
	return p, nil
}

func (e *Engine) readPart(ctx context.Context, key string, sum plimsoll.Digest, into any) error {
	o, err := e.cfg.Store.Get(ctx, key)
	if err != nil {
		return err
	}
	if plimsoll.DigestOf(o.Bytes) != sum {
		return fmt.Errorf("%s: %w: it is not what the head names", key, plimsoll.ErrIntegrity)
	}
	if err := json.Unmarshal(o.Bytes, into); err != nil {
		return fmt.Errorf("%s: %w: %v", key, plimsoll.ErrIntegrity, err)
	}
	return nil
}
