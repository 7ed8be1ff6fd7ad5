package posture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// answered is what was found for a wanted inventory: neither image nor err when there is none.
type answered struct {
	image *image
	err   error
	tried time.Time
}

// want lists the inventories that a tag's rows may show.
func (s *state) want(r plimsoll.Ref) []wanted {
	var all []wanted
	for _, p := range r.Platforms {
		if p.Kind == "" && (fresh(r, p) || p.Partial) {
			all = append(all, own(r, p))
		}
	}
	for _, p := range s.good(r) {
		all = append(all, wanted{digest: p.Digest})
	}
	return all
}

// fresh reports whether one image of a tag was read to the end.
func fresh(r plimsoll.Ref, p plimsoll.RefPlatform) bool { return r.Recipe != "" && !p.Partial }

// own is the inventory of an image of the tag itself.
func own(r plimsoll.Ref, p plimsoll.RefPlatform) wanted { return wanted{p.Digest, r.Recipe, p.Partial} }

// good are the images of the last good digest of a tag that is not read to the end. That digest may name an index: its
// images are the tag's own when it did not move, else those that a tag read complete has shown for it.
func (s *state) good(r plimsoll.Ref) []plimsoll.RefPlatform {
	if r.LastGood == "" || settled(r) {
		return nil
	}
	if r.LastGood == r.Digest {
		return images(r)
	}
	if known, ok := s.indexes[r.LastGood]; ok {
		return known
	}
	return []plimsoll.RefPlatform{{Digest: r.LastGood}}
}

// settled reports whether every image of a tag was read to the end.
func settled(r plimsoll.Ref) bool {
	return len(r.Platforms) > 0 && !slices.ContainsFunc(r.Platforms, func(p plimsoll.RefPlatform) bool { return p.Kind == "" && !fresh(r, p) })
}

// images are the platforms of a tag that are images; what is none (an attestation in an index) does not count beside them.
func images(r plimsoll.Ref) []plimsoll.RefPlatform {
	return slices.DeleteFunc(slices.Clone(r.Platforms), func(p plimsoll.RefPlatform) bool { return p.Kind != "" })
}

// learn remembers the images behind a digest that was read complete.
func (s *state) learn(r plimsoll.Ref) {
	if all := images(r); r.Read.State == plimsoll.ReadComplete && len(all) > 0 {
		s.indexes[r.Digest] = all
	}
}

// load reads the inventories of some tags that are not held yet. Those that cannot be read are kept as such, and tried again
// after [retryAfter]; only a context that ended is an error.
func (e *Engine) load(ctx context.Context, s *state, refs []plimsoll.Ref) error {
	now := e.cfg.Now()
	var missing []wanted
	asked := map[wanted]bool{}
	for _, r := range refs {
		for _, w := range s.want(r) {
			have, ok := s.images[w]
			if asked[w] || ok && (have.image != nil || now.Sub(have.tried) < retryAfter) {
				continue
			}
			asked[w] = true
			missing = append(missing, w)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := e.listRecipes(ctx, s); err != nil {
		return err
	}
	return e.loadAll(ctx, s, missing, now)
}

// reread forgets what is held of a tag's inventories that may stand differently now: partial ones, which are overwritten,
// and those that could not be read.
func (s *state) reread(r plimsoll.Ref) {
	for _, w := range s.want(r) {
		if have, ok := s.images[w]; ok && (w.partial || have.image == nil) {
			delete(s.images, w)
		}
	}
}

// unread are the tags with an inventory that could not be read and may be tried again.
func (s *state) unread(now time.Time) []plimsoll.Ref {
	due := func(a answered) bool { return a.image == nil && now.Sub(a.tried) >= retryAfter }
	any := false
	for _, a := range s.images {
		any = any || due(a)
	}
	if !any {
		return nil
	}
	var refs []plimsoll.Ref
	for k, r := range s.refs {
		if slices.ContainsFunc(s.want(r), func(w wanted) bool { return due(s.images[w]) }) {
			refs = append(refs, r)
			s.dirty[k] = true
		}
	}
	return refs
}

// loadAll reads at most [readers] inventories at once; one goroutine, the caller's, reduces them.
func (e *Engine) loadAll(ctx context.Context, s *state, missing []wanted, now time.Time) error {
	type result struct {
		wanted wanted
		at     source
		inv    plimsoll.Inventory
		err    error
	}
	jobs, results := make(chan wanted), make(chan result)
	recipes := slices.Clone(s.recipes)
	var pool sync.WaitGroup
	for range min(readers, len(missing)) {
		pool.Go(func() {
			for w := range jobs {
				at, inv, err := e.find(ctx, w, recipes)
				results <- result{w, at, inv, err}
			}
		})
	}
	go func() { // owned by this call: it ends when jobs are handed out and the pool is done
		for _, w := range missing {
			jobs <- w
		}
		close(jobs)
		pool.Wait()
		close(results)
	}()
	for r := range results {
		switch {
		case r.err == nil:
			s.images[r.wanted] = answered{image: keep(r.at, r.inv, s.packages), tried: now}
		default:
			s.images[r.wanted] = answered{err: r.err, tried: now}
		}
	}
	return context.Cause(ctx)
}

// find reads the first inventory that answers what is wanted.
func (e *Engine) find(ctx context.Context, w wanted, recipes []plimsoll.Recipe) (source, plimsoll.Inventory, error) {
	if w.recipe != "" {
		recipes = []plimsoll.Recipe{w.recipe}
	}
	var worst error
	for _, recipe := range recipes {
		at := source{w.digest, recipe, w.partial}
		inv, err := readInventory(ctx, e.cfg.Store, at)
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

// listRecipes asks the bucket once which recipes have inventories, and puts the newest sweeps' first.
func (e *Engine) listRecipes(ctx context.Context, s *state) error {
	known := map[plimsoll.Recipe]bool{}
	for _, prefix := range []string{prefixInventories, prefixPartial} {
		for name, err := range e.cfg.Store.Folders(ctx, prefix) {
			if err != nil {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				s.fault(prefix, fmt.Errorf("list recipes: %w", err))
				break
			}
			known[plimsoll.Recipe(name)] = true
		}
	}
	last := map[plimsoll.Recipe]string{}
	for _, all := range s.sweeps {
		for _, x := range all {
			last[x.Recipe] = max(last[x.Recipe], x.Slot)
		}
	}
	s.recipes = s.recipes[:0]
	for recipe := range known {
		s.recipes = append(s.recipes, recipe)
	}
	slices.SortFunc(s.recipes, func(a, b plimsoll.Recipe) int {
		return cmp.Or(cmp.Compare(last[b], last[a]), cmp.Compare(a, b))
	})
	s.recipes = s.recipes[:min(len(s.recipes), maxRecipes)]
	return nil
}
