package house

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// replacedAfter is how much older the newest facts of one version of an analyser must be than those of another, for the version to
// count as replaced: while workers of two versions run, both write.
const replacedAfter = 30 * 24 * time.Hour

// live is what something names.
type live struct {
	images  map[plimsoll.Digest]bool // manifests
	any     map[plimsoll.Digest]bool // of these: those whose inventories by any recipe are asked for
	named   map[string]bool          // inventories, whole and partial, by key
	blobs   map[plimsoll.Digest]bool // layers and configurations
	recipes map[plimsoll.Recipe]bool // that tags and young plans have
	pending map[string]bool          // plans that hold what the log was not told yet, and young ones
	good    map[plimsoll.Digest]bool // last good digests, which may be those of indexes

	newest map[string]time.Time // of the facts of one version of an analyser, by folder
	seen   map[string]time.Time // plans that were looked at, with their time
}

// findLive reads what tags name, what the log named within keep, and what scans in flight and young images do.
func findLive(ctx context.Context, s *blob.Store, now time.Time, keep time.Duration, tell Progress) (*live, error) {
	l := &live{
		images: map[plimsoll.Digest]bool{}, any: map[plimsoll.Digest]bool{}, named: map[string]bool{}, blobs: map[plimsoll.Digest]bool{},
		recipes: map[plimsoll.Recipe]bool{}, pending: map[string]bool{}, good: map[plimsoll.Digest]bool{}, newest: map[string]time.Time{}, seen: map[string]time.Time{},
	}
	tell.tell("tags", 0, 0)
	if err := l.tags(ctx, s); err != nil {
		return nil, err
	}
	tell.tell("change log", 0, 0)
	if err := l.history(ctx, s, now.Add(-keep)); err != nil {
		return nil, err
	}
	tell.tell("plans", 0, 0)
	if err := l.plans(ctx, s, now.Add(-marksApart)); err != nil {
		return nil, err
	}
	tell.tell("images", len(l.images), 0)
	if err := l.layers(ctx, s, now); err != nil {
		return nil, err
	}
	tell.tell("versions of analysers", 0, 0)
	return l, l.versions(ctx, s)
}

// ref notes what one state of a tag names.
func (l *live) ref(r plimsoll.Ref) {
	for _, p := range r.Platforms {
		if p.Kind != "" {
			continue
		}
		l.images[p.Digest] = true
		if r.Recipe != "" && sound(p.Digest) {
			l.named[blob.InventoryKey(r.Recipe, p.Digest)] = true
			l.named[blob.PartialKey(r.Recipe, p.Digest)] = true
		}
	}
	if r.Digest != "" {
		l.images[r.Digest] = true
	}
	if r.LastGood != "" {
		l.images[r.LastGood], l.any[r.LastGood], l.good[r.LastGood] = true, true, true
	}
	for _, f := range r.Former {
		l.images[f.Digest], l.any[f.Digest] = true, true
	}
}

// tags notes what tags name now. A registry whose tags cannot be read ends the collection: what they need is not known.
func (l *live) tags(ctx context.Context, s *blob.Store) error {
	for registry, err := range s.Folders(ctx, blob.PrefixRefs) {
		if err != nil {
			return err
		}
		for shard, err := range s.AllRefs(ctx, registry) {
			if err != nil {
				return fmt.Errorf("what tags need is not known: %w", err)
			}
			for _, r := range shard.Tags {
				l.ref(r)
				l.recipes[r.Recipe] = true
			}
		}
	}
	return nil
}

// history notes what the log says that tags named at any moment since a time. Of each tag the last state before it counts too.
func (l *live) history(ctx context.Context, s *blob.Store, since time.Time) error {
	streams, err := s.Streams(ctx)
	if err != nil {
		return err
	}
	for _, stream := range streams {
		before := map[[2]string]plimsoll.Ref{} // as tags stood at since
		for b, err := range s.Changes(ctx, stream, 0) {
			if err != nil {
				return fmt.Errorf("what past moments need is not known: %w", err)
			}
			for _, c := range b.Changes {
				k := [2]string{c.Repository, c.Tag}
				switch {
				case !b.Time.Before(since):
					if c.Ref != nil {
						l.ref(*c.Ref)
					}
				case c.Kind == plimsoll.ChangeGone:
					delete(before, k)
				case c.Ref != nil:
					before[k] = *c.Ref
				}
				// The images behind a last good digest that is an index are known from here alone.
				if c.Ref != nil && l.good[c.Ref.Digest] {
					l.ref(*c.Ref)
					for _, p := range c.Ref.Platforms {
						l.any[p.Digest] = true
					}
				}
			}
		}
		for _, r := range before {
			l.ref(r)
		}
	}
	return nil
}

// plan is what matters here of what a scan resolved.
type plan struct {
	Recipe plimsoll.Recipe   `json:"recipe"`
	Images []plimsoll.Digest `json:"images"`
	Layers []struct {
		Digest plimsoll.Digest `json:"digest"`
	} `json:"layers"`
	Pending []plimsoll.Change `json:"pending"`
}

// plans notes what scans asked for that began, or went on, since a time; and plans of any age that hold what the log was not told
// yet. Plans that were looked at are looked at again only when they changed.
func (l *live) plans(ctx context.Context, s *blob.Store, since time.Time) error {
	entries := func(yield func(blob.Entry, error) bool) {
		for e, err := range s.List(ctx, blob.PrefixPlans, "") {
			if err == nil && l.seen[e.Key].Equal(e.Modified) {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
	type read struct {
		blob.Entry
		plan
	}
	fetch := func(ctx context.Context, e blob.Entry) (read, error) {
		p, err := blob.ReadJSON[plan](ctx, s, e.Key)
		return read{e, p}, err
	}
	return eachInOrder(ctx, entries, fetch, func(r read, err error) error {
		if isWrong(err) || errors.Is(err, plimsoll.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		l.seen[r.Key] = r.Modified
		if r.Modified.Before(since) && len(r.Pending) == 0 {
			return nil
		}
		l.pending[r.Key] = true
		l.recipes[r.Recipe] = true
		for _, x := range r.Layers {
			l.blobs[x.Digest] = true
		}
		for _, d := range r.Images {
			if err := l.image(ctx, s, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// image notes an image with its layers, now.
func (l *live) image(ctx context.Context, s *blob.Store, d plimsoll.Digest) error {
	l.images[d] = true
	if !sound(d) {
		return nil
	}
	im, err := blob.ReadJSON[plimsoll.Image](ctx, s, blob.ImageKey(d))
	if isWrong(err) || errors.Is(err, plimsoll.ErrNotFound) {
		return nil // its manifest is read again, and its layers where they lack facts
	}
	if err == nil {
		l.of(im)
	}
	return err
}

func (l *live) of(im plimsoll.Image) {
	l.blobs[im.Config] = true
	for _, x := range im.Layers {
		l.blobs[x.Digest] = true
	}
}

// layers notes what the images that are named hold, and young ones: a scan may be about to ask for their layers.
func (l *live) layers(ctx context.Context, s *blob.Store, now time.Time) error {
	keys := func(yield func(string, error) bool) {
		for e, err := range s.List(ctx, blob.PrefixImages, "") {
			d, ok := blob.DigestOfKey(e.Key)
			if err == nil && (!ok || !l.images[d] && now.Sub(e.Modified) >= marksApart) {
				continue
			}
			if !yield(e.Key, err) || err != nil {
				return
			}
		}
	}
	return eachInOrder(ctx, iter.Seq2[string, error](keys), func(ctx context.Context, key string) (plimsoll.Image, error) {
		return blob.ReadJSON[plimsoll.Image](ctx, s, key)
	}, func(im plimsoll.Image, err error) error {
		if isWrong(err) || errors.Is(err, plimsoll.ErrNotFound) {
			return nil
		}
		if err == nil {
			l.images[im.Digest] = true
			l.of(im)
		}
		return err
	})
}

// versions finds when each version of an analyser last wrote facts.
func (l *live) versions(ctx context.Context, s *blob.Store) error {
	for e, err := range s.List(ctx, blob.PrefixFacts, "") {
		if err != nil {
			return err
		}
		if folder := versionOf(e.Key); e.Modified.After(l.newest[folder]) {
			l.newest[folder] = e.Modified
		}
	}
	return nil
}

// versionOf is the folder of one version of an analyser: facts/<analyser>/<version>/.
func versionOf(key string) string {
	at := 0
	for range 3 {
		n := strings.Index(key[at:], "/")
		if n < 0 {
			return key
		}
		at += n + 1
	}
	return key[:at]
}

// replaced reports whether a version of an analyser writes no facts any more while another one does.
func (l *live) replaced(folder string) bool {
	analyzer := folder[:strings.LastIndex(strings.TrimSuffix(folder, "/"), "/")+1]
	for other, at := range l.newest {
		if strings.HasPrefix(other, analyzer) && at.Sub(l.newest[folder]) > replacedAfter {
			return true
		}
	}
	return false
}

// needs reports whether an object is needed. A key of a form that is not known is.
func (l *live) needs(prefix, key string) bool {
	if prefix == blob.PrefixPlans {
		return l.pending[key]
	}
	d, ok := blob.DigestOfKey(key)
	if !ok {
		return true
	}
	recipe, _, _ := strings.Cut(strings.TrimPrefix(key, prefix), "/")
	switch prefix {
	case blob.PrefixFacts:
		return l.blobs[d] && !l.replaced(versionOf(key))
	case blob.PrefixAttempts:
		return l.blobs[d] && l.recipes[plimsoll.Recipe(recipe)]
	case blob.PrefixImages:
		return l.images[d]
	case blob.PrefixInventories, blob.PrefixPartial:
		return l.named[key] || l.images[d] && (l.any[d] || l.recipes[plimsoll.Recipe(recipe)])
	}
	return true
}
