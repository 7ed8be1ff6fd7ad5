package posture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/lineage"
)

// Start is Fold by way of the newest snapshot: of the change log only what came after it is read. Where no snapshot can be
// used, because there is none, or it is damaged, of another format, or ahead of the change log, everything is read.
func (e *Engine) Start(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	all, err := e.snapshots(ctx)
	if err != nil {
		e.cfg.Log.WarnContext(ctx, "snapshots cannot be listed; reading everything", "error", err)
	}
	for _, folder := range all[:min(len(all), snapshotsTried)] {
		err := e.resume(ctx, folder)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			return nil
		}
		e.cfg.Log.WarnContext(ctx, "snapshot cannot be used", "snapshot", folder, "error", err)
	}
	return e.fold(ctx)
}

// resume makes the state of a snapshot the engine's, and reads on from there.
func (e *Engine) resume(ctx context.Context, folder string) error {
	p, err := e.readSnapshot(ctx, folder)
	if err != nil {
		return err
	}
	s := e.newState()
	e.notePositions(ctx, s)
	for stream, position := range p.head.Positions {
		if now, ok := s.positions[stream]; ok && now < position {
			return fmt.Errorf("%s: %w: it has read %s to %d, and the change log ends at %d", folder, plimsoll.ErrIntegrity, stream, position, now)
		}
	}
	ids := e.registryIDs(ctx, s)
	for _, registry := range ids {
		e.foldSweeps(ctx, s, registry)
	}
	if err := e.listRecipes(ctx, s); err != nil {
		return err
	}
	maps.Copy(s.positions, p.head.Positions)
	if err := s.restore(p); err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	for _, registry := range ids {
		if !s.folded[registry] { // it is newer than the snapshot
			e.foldRefs(ctx, s, registry)
		}
	}
	e.recall(ctx, s)
	e.beginnings(ctx, s)
	if err := e.load(ctx, s); err != nil {
		return err
	}
	if len(s.faults) > 0 {
		return faultsError(s)
	}
	e.state, e.saved = s, p.head.Positions
	_, err = e.follow(ctx, true)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.publish()
	if err != nil {
		e.cfg.Log.WarnContext(ctx, "change log cannot be followed", "error", err) // it stands in the view's faults
	}
	return nil
}

// restore takes in what a snapshot holds. A number that points nowhere is an error: the state is half made then, and of no use.
func (s *state) restore(p *snapshotParts) (err error) {
	for _, registry := range p.head.Folded {
		s.folded[registry] = true
	}
	maps.Copy(s.indexes, p.head.Indexes)
	lists, err := s.restoreLists(p)
	if err != nil {
		return err
	}
	reads := make([]map[string]plimsoll.Coverage, len(p.shared.Reads))
	for i, m := range p.shared.Reads {
		reads[i] = s.known.read(m)
	}
	images := make(map[wanted]*image, len(p.images))
	for i := range p.images {
		im, w, err := s.restoreImage(p, &p.images[i], lists, reads)
		if err != nil {
			return err
		}
		images[w] = im
	}
	if err := s.restoreFormer(p); err != nil {
		return err
	}
	for i := range p.tags {
		if err := s.restoreTag(p, &p.tags[i], reads); err != nil {
			return err
		}
	}
	// A sweep since may have put other recipes first: then what was found of any recipe is looked for again.
	same := slices.Equal(p.head.Recipes, s.recipes)
	for _, x := range s.pending {
		if im := images[x.want]; im != nil && s.slots[x.want] == x && (same || x.want.recipe != "") {
			s.admit(im)
			s.answer(x, im, nil, s.listed)
			x.pending = false
		}
	}
	s.pending = slices.DeleteFunc(s.pending, func(x *slot) bool { return !x.pending })
	for _, l := range lists {
		if !l.members.empty() {
			s.shelf.place(l)
		}
	}
	return nil
}

var errNowhere = errors.New("a number points nowhere")

func (s *state) restoreLists(p *snapshotParts) ([]*layerList, error) {
	packages := make([]int32, len(p.shared.Packages))
	for i, x := range p.shared.Packages {
		packages[i] = s.known.number(x)
	}
	texts := make([]int32, len(p.shared.Texts))
	for i, x := range p.shared.Texts {
		texts[i] = s.known.text(x)
	}
	out := make([]*layerList, len(p.lists))
	for i, x := range p.lists {
		l := &layerList{number: s.shelf.count, key: x.Key, places: make([]place, 0, len(x.Places)/2)}
		s.shelf.count++
		for pair := range slices.Chunk(x.Places, 2) {
			if len(pair) != 2 || !within(pair[0], packages) || !within(pair[1], texts) {
				return nil, fmt.Errorf("list %d: %w: %w", i, plimsoll.ErrIntegrity, errNowhere)
			}
			l.places = append(l.places, place{packages[pair[0]], texts[pair[1]]})
		}
		out[i] = l
	}
	return out, nil
}

func within[T any](i int32, all []T) bool { return i >= 0 && int(i) < len(all) }

func (s *state) restoreImage(p *snapshotParts, x *imagePart, lists []*layerList, reads []map[string]plimsoll.Coverage) (*image, wanted, error) {
	h := &p.shared
	if !within(x.Recipe, h.Texts) || !within(x.Platform, h.Platforms) || !within(x.Release, h.Releases) || !within(x.Found, h.Ecosystems) ||
		x.Read != -1 && !within(x.Read, reads) {
		return nil, wanted{}, fmt.Errorf("image %s: %w: %w", x.Digest.Short(), plimsoll.ErrIntegrity, errNowhere)
	}
	im := &image{
		source:   source{x.Digest, plimsoll.Recipe(s.known.string(h.Texts[x.Recipe])), x.Partial},
		platform: s.known.platform(h.Platforms[x.Platform]), release: s.known.release(h.Releases[x.Release]), found: s.together(h.Ecosystems[x.Found]),
		size: x.Size, layers: x.Layers, packages: x.Packages, content: x.Content, secrets: x.Secrets, suspects: x.Suspects, owner: s.known.string(x.Owner),
	}
	if x.Read >= 0 {
		im.read = reads[x.Read]
	}
	for _, g := range x.Taken {
		if !within(g[0], h.Texts) || !within(g[1], h.Texts) {
			return nil, wanted{}, fmt.Errorf("image %s: %w: %w", x.Digest.Short(), plimsoll.ErrIntegrity, errNowhere)
		}
		im.taken = append(im.taken, taken{s.known.text(h.Texts[g[0]]), s.known.text(h.Texts[g[1]]), g[2]})
	}
	var err error
	if im.place, err = s.restorePlace(p, im.platform, x.Place, x.Hanging); err != nil {
		return nil, wanted{}, fmt.Errorf("image %s: %w", x.Digest.Short(), err)
	}
	for _, g := range x.Segments {
		if len(g) < 2 || !within(g[0], lists) || !slices.IsSorted(g[2:]) || len(g) > 2 && !within(g[len(g)-1], lists[g[0]].places) {
			return nil, wanted{}, fmt.Errorf("image %s: %w: %w", x.Digest.Short(), plimsoll.ErrIntegrity, errNowhere)
		}
		im.segments = append(im.segments, segment{lists[g[0]], g[1], slices.Clip(slices.Clone(g[2:]))})
	}
	w := wanted{x.Digest, im.source.recipe, x.Partial}
	if x.Any {
		w.recipe = ""
	}
	return im, w, nil
}

// restorePlace puts the layers of an image where they stood.
func (s *state) restorePlace(p *snapshotParts, platform plimsoll.Platform, at int32, hanging bool) (lineage.Place, error) {
	im := lineage.Image{Platform: platform}
	for n := at; n != 0; {
		if n < 0 || int(n) > len(p.positions) || p.positions[n-1].Below >= n {
			return lineage.Place{}, fmt.Errorf("position %d: %w: %w", n, plimsoll.ErrIntegrity, errNowhere)
		}
		im.Layers = append(im.Layers, lineage.Layer{DiffID: p.positions[n-1].Layer})
		n = p.positions[n-1].Below
	}
	slices.Reverse(im.Layers)
	if hanging {
		im.Layers = append(im.Layers, lineage.Layer{})
	}
	return s.standing.tree.Add(im), nil
}

// restoreFormer takes in the layers of images that tags held before, for the tags to come.
func (s *state) restoreFormer(p *snapshotParts) error {
	for _, x := range p.shared.Former {
		if !within(x.Platform, p.shared.Platforms) {
			return fmt.Errorf("former image %s: %w: %w", x.Digest.Short(), plimsoll.ErrIntegrity, errNowhere)
		}
		platform := p.shared.Platforms[x.Platform]
		at, err := s.restorePlace(p, platform, x.Place, x.Hanging)
		if err != nil {
			return fmt.Errorf("former image %s: %w", x.Digest.Short(), err)
		}
		s.standing.former[x.Digest] = &formerImage{platform: platform, place: at}
	}
	return nil
}

func (s *state) restoreTag(p *snapshotParts, x *tagPart, reads []map[string]plimsoll.Coverage) error {
	r := x.Ref
	for _, at := range x.Platforms {
		if !within(at.Platform, p.shared.Platforms) || at.Read != -1 && !within(at.Read, reads) {
			return fmt.Errorf("tag %s/%s:%s: %w: %w", x.Registry, x.Repository, r.Tag, plimsoll.ErrIntegrity, errNowhere)
		}
		one := plimsoll.RefPlatform{Platform: p.shared.Platforms[at.Platform], Digest: at.Digest, Partial: at.Partial, Kind: at.Kind}
		if at.Read >= 0 {
			one.Read = reads[at.Read]
		}
		r.Platforms = append(r.Platforms, one)
	}
	s.set(refKey{x.Registry, x.Repository, r.Tag}, r)
	return nil
}
