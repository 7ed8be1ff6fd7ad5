package posture

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/lineage"
)

// standing is the engine's side of lineage: where the layers of every image stand, those of images that tags held before
// too. Images that are kept join with stand and leave with fall; tags say what they held before with remember and forget.
type standing struct {
	tree   *lineage.Tree
	former map[plimsoll.Digest]*formerImage
	unread []plimsoll.Digest // former images whose inventories are to be read
	tags   map[refKey][]plimsoll.FormerImage
	names  []formerName // of all former images, for views; nil while it has to be made again
}

// formerImage is an image that tags held before. Of its inventory the layers alone are kept. An inventory that is gone from
// the bucket leaves place zero: then nobody's base is found there.
type formerImage struct {
	tags     int
	platform plimsoll.Platform
	place    lineage.Place
}

// formerName is a tag that held an image before.
type formerName struct {
	ref refKey
	plimsoll.FormerImage
	place lineage.Place
}

func newStanding() *standing {
	return &standing{tree: lineage.NewTree(), former: map[plimsoll.Digest]*formerImage{}, tags: map[refKey][]plimsoll.FormerImage{}}
}

// stand takes an image in that is kept from now on.
func (s *standing) stand(inv *plimsoll.Inventory) lineage.Place {
	layers := make([]lineage.Layer, len(inv.Layers))
	for i, l := range inv.Layers {
		layers[i] = lineage.Layer{DiffID: l.DiffID, Empty: l.Entries == 0 && l.Read.State == plimsoll.ReadComplete}
	}
	return s.tree.Add(lineage.Image{Platform: inv.Platform, Layers: layers})
}

// fall takes an image out that is kept no longer; nil is none.
func (s *standing) fall(im *image) {
	if im != nil {
		s.tree.Remove(im.place)
	}
}

// former takes what a tag held before.
func (s *state) former(k refKey, all []plimsoll.FormerImage) { s.standing.remember(k, all) }

// remember takes what a tag held before, in place of what it said last; an empty list forgets it.
func (s *standing) remember(k refKey, now []plimsoll.FormerImage) {
	was := s.tags[k]
	if slices.Equal(was, now) {
		return
	}
	for _, f := range now {
		x := s.former[f.Digest]
		if x == nil {
			x = &formerImage{}
			s.former[f.Digest] = x
			s.unread = append(s.unread, f.Digest)
		}
		x.tags++
	}
	for _, f := range was {
		x := s.former[f.Digest]
		if x.tags--; x.tags == 0 {
			s.tree.Remove(x.place)
			delete(s.former, f.Digest)
		}
	}
	if s.tags[k] = now; len(now) == 0 {
		delete(s.tags, k)
	}
	s.names = nil
}

// formerNames are all former images by the tags that held them, in the order of the tags. The slice is never changed.
func (s *standing) formerNames() []formerName {
	if s.names == nil {
		s.names = []formerName{}
		for k, all := range s.tags {
			for _, f := range all {
				if at := s.former[f.Digest].place; at.Whole {
					s.names = append(s.names, formerName{k, f, at})
				}
			}
		}
		slices.SortStableFunc(s.names, func(a, b formerName) int {
			return cmp.Or(strings.Compare(a.ref.registry, b.ref.registry), strings.Compare(a.ref.repository, b.ref.repository), strings.Compare(a.ref.tag, b.ref.tag))
		})
	}
	return s.names
}

// loadFormer reads the layers of former images that are not known yet, at most [readers] inventories at once. One that is
// gone from the bucket is unknown for good; what could not be read otherwise is tried again with the next call.
func (e *Engine) loadFormer(ctx context.Context, s *state) error {
	st := s.standing
	if len(st.unread) == 0 {
		return nil
	}
	if err := e.listRecipes(ctx, s); err != nil {
		return err
	}
	todo := slices.DeleteFunc(st.unread, func(d plimsoll.Digest) bool { return st.former[d] == nil })
	st.unread = nil
	var pool sync.WaitGroup
	var mu sync.Mutex
	jobs := make(chan plimsoll.Digest)
	for range min(readers, len(todo)) {
		pool.Go(func() {
			for d := range jobs {
				_, inv, err := e.find(ctx, wanted{digest: d}, s.recipes)
				mu.Lock()
				switch {
				case err == nil:
					st.former[d].platform, st.former[d].place = inv.Platform, st.stand(&inv)
				case !errors.Is(err, plimsoll.ErrNotFound):
					st.unread = append(st.unread, d)
				}
				mu.Unlock()
			}
		})
	}
	for _, d := range todo {
		jobs <- d
	}
	close(jobs)
	pool.Wait()
	st.names = nil
	return context.Cause(ctx)
}
