package posture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
)

const (
	// readers is how many objects are read at once: enough to hide the store's latency, few enough to leave it to others.
	readers = 16
	// retryAfter is how long an inventory that could not be read is left alone.
	retryAfter = 30 * time.Second
	// maxRecipes bounds how many recipes are tried for an inventory whose recipe is not known, newest sweep's first.
	maxRecipes = 16

	prefixInventories = "inventories/"
	prefixPartial     = "partial/"
)

// wanted is an inventory that a row asks for. An empty recipe means any.
type wanted struct {
	digest  plimsoll.Digest
	recipe  plimsoll.Recipe
	partial bool
}

// slot is an inventory that tags ask for and what was found: neither image nor err before it was read.
type slot struct {
	want    wanted
	image   *image
	err     error
	tried   time.Time
	users   []*tag
	pending bool
}

// want lists the inventories that a tag's rows may show.
func (s *state) want(r plimsoll.Ref) []wanted {
	var all []wanted
	for _, p := range r.Platforms {
		if p.Kind == "" && (fresh(r, p) || p.Partial) {
			all = append(all, own(r, p))
		}
	}
	for _, d := range s.good(r) {
		all = append(all, wanted{digest: d})
	}
	return all
}

// fresh reports whether one image of a tag was read to the end.
func fresh(r plimsoll.Ref, p plimsoll.RefPlatform) bool { return r.Recipe != "" && !p.Partial }

// own is the inventory of an image of the tag itself.
func own(r plimsoll.Ref, p plimsoll.RefPlatform) wanted { return wanted{p.Digest, r.Recipe, p.Partial} }

// good are the images of the last good digest of a tag that is not read to the end. That digest may name an index: its
// images are the tag's own when it did not move, else those that a tag read complete has shown for it.
func (s *state) good(r plimsoll.Ref) []plimsoll.Digest {
	if r.LastGood == "" || settled(r) {
		return nil
	}
	if own := images(r); r.LastGood == r.Digest && len(own) > 0 {
		all := make([]plimsoll.Digest, len(own))
		for i, p := range own {
			all[i] = p.Digest
		}
		return all
	}
	if known, ok := s.indexes[r.LastGood]; ok {
		return known
	}
	return []plimsoll.Digest{r.LastGood}
}

// settled reports whether every image of a tag was read to the end.
func settled(r plimsoll.Ref) bool {
	return len(r.Platforms) > 0 && !slices.ContainsFunc(r.Platforms, func(p plimsoll.RefPlatform) bool { return p.Kind == "" && !fresh(r, p) })
}

// images are the platforms of a tag that are images; what is none (an attestation in an index) does not count beside them.
func images(r plimsoll.Ref) []plimsoll.RefPlatform {
	none := func(p plimsoll.RefPlatform) bool { return p.Kind != "" }
	if !slices.ContainsFunc(r.Platforms, none) {
		return r.Platforms
	}
	return slices.DeleteFunc(slices.Clone(r.Platforms), none)
}

// hold makes a tag a user of a slot; one that is new is to be read.
func (s *state) hold(w wanted, t *tag) *slot {
	x := s.slots[w]
	if x == nil {
		x = &slot{want: w}
		s.slots[w] = x
		if w.recipe == "" {
			s.any[x] = true
		}
		s.read(x)
	}
	x.users = append(x.users, t)
	return x
}

// release ends a tag's use of a slot; a slot without users goes, and its image with it.
func (s *state) release(x *slot, t *tag) {
	if i := slices.Index(x.users, t); i >= 0 {
		x.users = slices.Delete(x.users, i, i+1)
	}
	if len(x.users) > 0 {
		return
	}
	delete(s.slots, x.want)
	delete(s.any, x)
	delete(s.failed, x)
	s.retire(x.image)
	x.image = nil
}

// read notes that a slot is to be read, again where it was.
func (s *state) read(x *slot) {
	if !x.pending {
		x.pending = true
		s.pending = append(s.pending, x)
	}
}

// admit takes in a new image.
func (s *state) admit(im *image) {
	im.found.members.add(im)
	im.stack = s.stacks.pile(im.segments)
	for _, x := range im.segments {
		if x.list.members.empty() {
			s.newLists = append(s.newLists, x.list)
		}
		x.list.members.add(im)
	}
}

// retire takes out an image that nothing shows any more; views that still show it keep what it holds.
func (s *state) retire(im *image) {
	if im == nil {
		return
	}
	im.gone, im.slot, im.opinion = true, nil, nil
	im.found.members.drop()
	s.shelf.release(im)
	s.stacks.release(im.stack)
	s.standing.fall(im)
}

// answer takes in what was found for a slot. Its users' rows are formed again.
func (s *state) answer(x *slot, im *image, err error, now time.Time) {
	if s.slots[x.want] != x {
		s.retire(im) // nobody asks any more
		return
	}
	s.retire(x.image)
	if other := s.slots[wanted{digest: x.want.digest}]; other != nil && other != x && x.err != nil && im != nil {
		s.read(other) // it may be the one of a newer recipe, that was not there
	}
	x.image, x.err, x.tried = im, err, now
	if im != nil {
		im.slot = x
		delete(s.failed, x)
	} else {
		s.failed[x] = true
	}
	s.do.shared(s, x)
}

// spread marks the rows of all tags that ask for an inventory to be formed again.
func (s *state) spread(x *slot) {
	for _, t := range x.users {
		s.touch(t)
	}
}

// reread notes which inventories may stand differently now that there is news of a tag: those that could not be read, and of
// its images the partial ones, which are overwritten, and those of any recipe, whoever asks for them.
func (s *state) reread(t *tag) {
	for _, x := range t.slots {
		if x.want.partial || x.image == nil {
			s.read(x)
		}
	}
	again := func(w wanted) {
		if x := s.slots[w]; x != nil {
			s.read(x)
		}
	}
	for _, p := range t.ref.Platforms {
		again(wanted{digest: p.Digest})
		again(wanted{digest: p.Digest, partial: true})
		for _, recipe := range s.recipes {
			again(wanted{p.Digest, recipe, true})
		}
	}
}

// retry notes the inventories that could not be read and may be tried again.
func (s *state) retry(now time.Time) {
	for x := range s.failed {
		if now.Sub(x.tried) >= retryAfter {
			s.read(x)
		}
	}
}

// load reads what is pending. Those that cannot be read are kept as such, and tried again after [retryAfter]; only a context
// that ended is an error, and the next call goes on then.
func (e *Engine) load(ctx context.Context, s *state) error {
	if err := e.loadFormer(ctx, s); err != nil {
		return err
	}
	s.pending = slices.DeleteFunc(s.pending, func(x *slot) bool { return s.slots[x.want] != x })
	if len(s.pending) == 0 {
		return nil
	}
	if err := e.listRecipes(ctx, s); err != nil {
		return err
	}
	jobs := s.pending
	s.pending = nil
	done := make(map[*slot]bool, len(jobs))
	e.loadAll(ctx, s, jobs, done)
	if ctx.Err() != nil {
		s.pending = append(s.pending, slices.DeleteFunc(jobs, func(x *slot) bool { return done[x] })...)
		return context.Cause(ctx)
	}
	e.do.recall(ctx, s)
	return e.load(ctx, s) // what was read may ask for more
}

// seekIndexes looks through the change log for the images of last good digests of which nothing is known: that of an index
// whose tags have all moved on. Each is looked for once.
func (e *Engine) seekIndexes(ctx context.Context, s *state) {
	wanted := map[plimsoll.Digest]bool{}
	for x := range s.any {
		if d := x.want.digest; x.image == nil && !x.pending && s.behind[d] != nil && s.indexes[d] == nil && !s.sought[d] {
			wanted[d] = true
		}
	}
	if len(wanted) == 0 || ctx.Err() != nil {
		return
	}
	for stream, position := range s.positions {
		for batch, err := range e.cfg.Store.Changes(ctx, stream, 0) {
			if err != nil || batch.Sequence > position {
				break // what follow meets; an index that is not found shows nothing, and cannot pass
			}
			for _, c := range batch.Changes {
				if c.Ref != nil && wanted[c.Ref.Digest] {
					s.learn(*c.Ref)
				}
			}
		}
	}
	if ctx.Err() == nil {
		for d := range wanted {
			s.sought[d] = true
		}
	}
}

// reading is one inventory as it was found, and whom the image's label names as its owner, where that is asked for.
type reading struct {
	slot  *slot
	at    source
	inv   plimsoll.Inventory
	owner string
	err   error
}

// loadAll reads at most [readers] inventories at once; one goroutine, the caller's, reduces them.
func (e *Engine) loadAll(ctx context.Context, s *state, missing []*slot, done map[*slot]bool) {
	now := e.cfg.Now()
	jobs, results := make(chan *slot), make(chan reading)
	recipes := slices.Clone(s.recipes)
	var pool sync.WaitGroup
	for range min(readers, len(missing)) {
		pool.Go(func() {
			for x := range jobs {
				r := reading{slot: x}
				if r.at, r.inv, r.err = e.find(ctx, x.want, recipes); r.err == nil {
					r.owner, r.err = e.claimedOwner(ctx, x.want.digest)
				}
				results <- r
			}
		})
	}
	go func() { // owned by this call: it ends when jobs are handed out and the pool is done
		for _, x := range missing {
			if ctx.Err() != nil {
				break
			}
			jobs <- x
		}
		close(jobs)
		pool.Wait()
		close(results)
	}()
	for r := range results {
		if r.err != nil && ctx.Err() != nil {
			continue // cut short: nothing was learned
		}
		done[r.slot], r.slot.pending = true, false
		if r.err != nil {
			s.answer(r.slot, nil, r.err, now)
			continue
		}
		im := s.keep(r.at, &r.inv, r.owner)
		s.admit(im)
		s.answer(r.slot, im, nil, now)
	}
}

// find reads the first inventory that answers what is wanted.
func (e *Engine) find(ctx context.Context, w wanted, recipes []plimsoll.Recipe) (source, plimsoll.Inventory, error) {
	if w.recipe != "" {
		recipes = []plimsoll.Recipe{w.recipe}
	}
	var worst error
	for _, recipe := range recipes {
		at := source{w.digest, recipe, w.partial}
		inv, err := e.cfg.readInventory(ctx, at)
		if err == nil {
			return at, inv, nil
		}
		if worst == nil || !errors.Is(err, plimsoll.ErrNotFound) {
			worst = err
		}
	}
	if worst == nil {
		worst = fmt.Errorf("inventory of %s: %w", w.digest.Short(), plimsoll.ErrNotFound)
	}
	return source{}, plimsoll.Inventory{}, worst
}

// listRecipes asks the bucket which recipes have inventories.
func (e *Engine) listRecipes(ctx context.Context, s *state) error {
	for _, prefix := range []string{prefixInventories, prefixPartial} {
		for name, err := range e.cfg.Store.Folders(ctx, prefix) {
			if err != nil {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				s.fault(prefix, fmt.Errorf("list recipes: %w", err))
				break
			}
			s.fault(prefix, nil)
			s.stored[plimsoll.Recipe(name)] = true
		}
	}
	s.do.order(s)
	return nil
}

// orderRecipes puts the newest sweeps' recipes first. Where the order changes, inventories of any recipe may be others.
func (s *state) orderRecipes() {
	last := map[plimsoll.Recipe]string{}
	for _, all := range s.sweeps {
		for _, x := range all {
			last[x.Recipe] = max(last[x.Recipe], x.Slot)
		}
	}
	order := slices.SortedFunc(maps.Keys(s.stored), func(a, b plimsoll.Recipe) int {
		return cmp.Or(cmp.Compare(last[b], last[a]), cmp.Compare(a, b))
	})
	order = order[:min(len(order), maxRecipes)]
	if slices.Equal(order, s.recipes) {
		return
	}
	s.recipes = order
	for x := range s.any {
		s.read(x)
	}
}
