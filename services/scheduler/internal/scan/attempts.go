package scan

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// maxListed is up to how many attempts of a recipe a listing is cheaper than one read a layer. Usually there are none.
const maxListed = 1000

// tried are the attempts on record for a set of layers.
type tried map[plimsoll.Digest]plimsoll.Attempt

// quarantined reports whether a layer is not tried any more.
func (t tried) quarantined(d plimsoll.Digest) bool { return t[d].Quarantined() }

// attempts reads what is on record for layers under a recipe.
func (s *Scanner) attempts(ctx context.Context, recipe plimsoll.Recipe, layers []plimsoll.Digest) (tried, error) {
	listed, few, err := s.listAttempts(ctx, recipe)
	if err != nil {
		return nil, err
	}
	found := tried{}
	for _, d := range layers {
		if few && !listed[d] {
			continue
		}
		a, ok, err := s.attempt(ctx, recipe, d)
		if err != nil {
			return nil, err
		}
		if ok {
			found[d] = a
		}
	}
	return found, nil
}

// listAttempts lists the layers with attempts; few is false when there are too many to list.
func (s *Scanner) listAttempts(ctx context.Context, recipe plimsoll.Recipe) (listed map[plimsoll.Digest]bool, few bool, err error) {
	listed = map[plimsoll.Digest]bool{}
	// The prefix is cut out of a key, so that blob alone knows how keys look.
	key := blob.AttemptsKey(recipe, "sha256:")
	prefix := key[:strings.Index(key, "/sha256/")+len("/sha256/")]
	for entry, err := range s.store.List(ctx, prefix, "") {
		if err != nil {
			return nil, false, fmt.Errorf("list attempts: %w", err)
		}
		if len(listed) == maxListed {
			return nil, false, nil
		}
		listed[plimsoll.Digest("sha256:"+path.Base(entry.Key))] = true
	}
	return listed, true, nil
}

// attempt reads one layer's record; false when there is none.
func (s *Scanner) attempt(ctx context.Context, recipe plimsoll.Recipe, d plimsoll.Digest) (plimsoll.Attempt, bool, error) {
	a, err := blob.ReadJSON[plimsoll.Attempt](ctx, s.store, blob.AttemptsKey(recipe, d))
	if errors.Is(err, plimsoll.ErrNotFound) {
		return plimsoll.Attempt{}, false, nil
	}
	if err != nil {
		return plimsoll.Attempt{}, false, fmt.Errorf("read attempts of layer %s: %w", d.Short(), err)
	}
	return a, true, nil
}

// note records why a layer has no facts, and returns the record. A failure that is not counted adds its reason only where
// none is known. Two that note at once may lose a count: the layer is then tried once more.
func (s *Scanner) note(ctx context.Context, recipe plimsoll.Recipe, d plimsoll.Digest, reason string, counted bool) (plimsoll.Attempt, error) {
	a, there, err := s.attempt(ctx, recipe, d)
	if err != nil || there && !counted {
		return a, err
	}
	a.Layer, a.Recipe, a.Reason = d, recipe, reason
	if counted {
		a.Count++
	}
	if err := blob.PutJSON(ctx, s.store, blob.AttemptsKey(recipe, d), a); err != nil {
		return a, fmt.Errorf("record the attempt on layer %s: %w", d.Short(), err)
	}
	return a, nil
}

// forget removes the record of a layer that was read after all. The worker may have done so already.
func (s *Scanner) forget(ctx context.Context, recipe plimsoll.Recipe, d plimsoll.Digest) error {
	err := s.store.Delete(ctx, blob.AttemptsKey(recipe, d))
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return fmt.Errorf("clear the attempts on layer %s: %w", d.Short(), err)
	}
	return nil
}
