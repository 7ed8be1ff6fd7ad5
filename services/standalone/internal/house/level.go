package house

import (
	"context"
	"maps"
	"slices"

	"github.com/plimsoll/plimsoll"
)

// word is the last that the log says of a tag. Only of what it says late is the whole kept: only that can be news for the tags.
type word struct {
	late     bool
	gone     bool
	observed int64
	digest   plimsoll.Digest
	recipe   plimsoll.Recipe
	ref      *plimsoll.Ref // nil of what is not late
}

// lateBatches are so many before the position at which the copying of tags began: a sweep writes the log before the tags, and
// may have been between the two.
const lateBatches = 200

// level brings the tags of a registry and its log up to each other, tag by tag: the newer observation wins, as everywhere. Tags
// were copied while the log went on, so it may tell of what came after; and a part that tells what it has written may have told
// it too late for the backup.
func (r *restore) level(ctx context.Context, stream string) error {
	words, err := r.words(ctx, stream)
	if err != nil {
		return err
	}
	var untold []plimsoll.Change
	for shard, err := range r.store.AllRefs(ctx, stream) {
		if err != nil {
			return err
		}
		for _, ref := range shard.Tags {
			w, known := words[shard.Repository][ref.Tag]
			if !known || w.differs(ref) && ref.Observed > w.observed {
				c := plimsoll.Change{Kind: plimsoll.ChangeTag, Repository: shard.Repository, Tag: ref.Tag, Digest: ref.Digest, Ref: &ref}
				if known && !w.gone {
					c.Previous = w.digest
				}
				untold = append(untold, c)
			}
		}
	}
	for repository, of := range words {
		if err := r.take(ctx, stream, repository, of); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(untold, changesABatch) {
		if _, err := r.store.Append(ctx, stream, r.o.Actor, r.o.Now().UTC(), batch); err != nil {
			return err
		}
	}
	return nil
}

// differs reports whether a tag is not what the log says of it.
func (w word) differs(ref plimsoll.Ref) bool {
	return w.gone || w.digest != ref.Digest || w.recipe != ref.Recipe
}

// words are the last of all tags, by repository and tag.
func (r *restore) words(ctx context.Context, stream string) (map[string]map[string]word, error) {
	late := r.out.End.From[stream] - lateBatches
	words := map[string]map[string]word{}
	for b, err := range r.store.Changes(ctx, stream, 0) {
		if err != nil {
			return nil, err
		}
		for _, c := range b.Changes {
			w := word{late: b.Sequence > late}
			switch {
			case c.Repository == "":
				continue
			case c.Kind == plimsoll.ChangeGone:
				w.gone, w.observed = true, b.Time.UnixNano()
			case c.Ref != nil:
				w.observed, w.digest, w.recipe = c.Ref.Observed, c.Ref.Digest, c.Ref.Recipe
				if w.late {
					w.ref = c.Ref
				}
			default:
				continue
			}
			if words[c.Repository] == nil {
				words[c.Repository] = map[string]word{}
			}
			words[c.Repository][c.Tag] = w
		}
	}
	return words, nil
}

// take merges into refs/ what the log said late.
func (r *restore) take(ctx context.Context, stream, repository string, words map[string]word) error {
	if !slices.ContainsFunc(slices.Collect(maps.Values(words)), func(w word) bool { return w.late }) {
		return nil
	}
	_, err := r.store.MergeRefs(ctx, stream, repository, func(tags map[string]plimsoll.Ref) (changed []string) {
		for tag, w := range words {
			was, known := tags[tag]
			switch {
			case !w.late || known && (!w.differs(was) || was.Observed > w.observed):
				continue
			case w.gone && known:
				delete(tags, tag)
			case !w.gone:
				tags[tag] = *w.ref
			default:
				continue
			}
			changed = append(changed, tag)
		}
		return changed
	})
	return err
}
