package advisory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// How long generations are kept, so that what was known on a day can be told: every one of a week, then the last of each day
// for somewhat more than a year.
const (
	keepAll   = 7 * 24 * time.Hour
	keepDaily = 400 * 24 * time.Hour
	// packGrace is how old a pack must be to be removed: a younger one may belong to a generation that is being written.
	packGrace = 24 * time.Hour
)

// kept are the generations that stay, of ids that are sorted by time: the newest, those of the last days, the last of each day
// within the year, and those that named holds. Ids that are no times stay too: they are not ours to remove.
func kept(ids []string, named map[string]bool, now time.Time) map[string]bool {
	out := map[string]bool{}
	for i, id := range ids {
		at, err := time.Parse(idLayout, id)
		lastOfDay := i+1 == len(ids) || !strings.HasPrefix(ids[i+1], id[:min(len(id), len(time.DateOnly))])
		age := now.Sub(at)
		if err != nil || i+1 == len(ids) || named[id] || age <= keepAll || lastOfDay && age <= keepDaily {
			out[id] = true
		}
	}
	return out
}

// Tidy removes generations that are not kept any more, and packs that no generation that stays names. named are generations
// that reports name. removed counts objects. An error leaves whatever may still be needed.
func Tidy(ctx context.Context, s *blob.Store, named map[string]bool, now time.Time) (removed int, err error) {
	ids, err := generationIDs(ctx, s)
	if err != nil {
		return 0, err
	}
	stay := kept(ids, named, now)
	// What stays is read before anything is removed: a pack that it names must not go.
	packs := map[string]bool{}
	for _, id := range ids {
		if !stay[id] {
			continue
		}
		g, err := blob.ReadJSON[plimsoll.Generation](ctx, s, blob.GenerationKey(id))
		if errors.Is(err, plimsoll.ErrIntegrity) {
			continue // damaged: it names nothing that could be read by it
		}
		if err != nil {
			return 0, fmt.Errorf("generation %s: %w", id, err)
		}
		for _, key := range blob.PackKeys(g) {
			packs[key] = true
		}
	}
	for _, id := range ids {
		if stay[id] {
			continue
		}
		if err := s.Delete(ctx, blob.GenerationKey(id)); err != nil {
			return removed, fmt.Errorf("remove generation %s: %w", id, err)
		}
		removed++
	}
	var old []string
	for e, err := range s.List(ctx, blob.PrefixPacks, "") {
		if err != nil {
			return removed, fmt.Errorf("list packs: %w", err)
		}
		if !packs[e.Key] && now.Sub(e.Modified) > packGrace {
			old = append(old, e.Key)
		}
	}
	for _, key := range old {
		if err := s.Delete(ctx, key); err != nil {
			return removed, fmt.Errorf("remove %s: %w", key, err)
		}
		removed++
	}
	return removed, nil
}
