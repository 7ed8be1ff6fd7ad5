package blob

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// A repository's tags stand in one object, 0-0, until that holds more than maxShard. Then they move into a power of two
// of shards, <width>-0 … <width>-<width-1>, each tag in the one its hash names, and 0-0 stays as the switch: its Width
// says which set is the live one, and it holds no tags any more. Reading a small repository is one request, and every
// move of the tags is decided by one conditional write of the switch.
const (
	// maxShard tags a shard: about half a megabyte of JSON, 30 KiB stored, which is read and written at each merge.
	maxShard = 1000
	// fullShard tags are what a shard gets when the repository is spread anew: half, so that it is seldom done.
	fullShard = maxShard / 2
	// maxWidth bounds the width that a switch may claim: 4 million tags.
	maxWidth = 1 << 12
	// maxMerges bounds how often a merge starts over when other writers are faster; the waits add up to about a minute.
	maxMerges = 20
	// shardsAtOnce is how many shards are read at once.
	shardsAtOnce = 16
)

// errMoved is returned when the tags moved to another width while they were being read.
var errMoved = errors.New("the shards have moved")

// shardSet is every live shard of one repository as read, with the tags that Replace needs. Index 0 of a single set is
// the switch itself.
type shardSet struct {
	registry, repository string
	width                int    // 0: all tags stand in the switch
	etag                 string // of the switch; empty: the repository has no refs yet
	shards               []shard
}

type shard struct {
	etag string
	tags map[string]plimsoll.Ref
}

// Newer says whether the new state of a tag replaces the old one: the newer observation wins.
func Newer(was, is plimsoll.Ref) bool { return is.Observed > was.Observed }

// Refs are the tags of one repository, sorted; none is no error.
func (s *Store) Refs(ctx context.Context, registry, repository string) ([]plimsoll.Ref, error) {
	set, err := s.shards(ctx, registry, repository)
	if err != nil {
		return nil, fmt.Errorf("refs of %s/%s: %w", registry, repository, err)
	}
	return sortedRefs(set.all()), nil
}

// MergeRefs changes tags of one repository: update gets all of them, changes the map, and returns the names of those it
// changed or removed. Only shards with such tags are written, each only if nobody else wrote it since; where somebody
// did, update is called again on what stands there now, so it must not keep state of its own. The changes that were
// written come back sorted; a removed tag comes back as its name alone. On an error they are those written before it.
func (s *Store) MergeRefs(ctx context.Context, registry, repository string, update func(tags map[string]plimsoll.Ref) (changed []string)) ([]plimsoll.Ref, error) {
	release, err := s.turn(ctx, RefsPrefix(registry, repository))
	if err != nil {
		return nil, fmt.Errorf("merge refs of %s/%s: %w", registry, repository, err)
	}
	defer release()
	written := map[string]plimsoll.Ref{}
	for try := range maxMerges {
		if err = s.mergeOnce(ctx, registry, repository, update, written); !errors.Is(err, ErrExists) && !errors.Is(err, errMoved) {
			break
		}
		if perr := pause(ctx, try); perr != nil {
			err = perr
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("merge refs of %s/%s: %w", registry, repository, err)
	}
	return sortedRefs(written), err
}

// mergeOnce reads, lets update work, and writes. A repository that has outgrown its shards is spread before anything is
// changed, so that a failure to do so is reported while nothing is written.
func (s *Store) mergeOnce(ctx context.Context, registry, repository string, update func(map[string]plimsoll.Ref) []string, written map[string]plimsoll.Ref) error {
	set, err := s.shards(ctx, registry, repository)
	if err != nil {
		return err
	}
	if set.outgrown() {
		if err := s.widen(ctx, set); err != nil {
			return fmt.Errorf("spread over more shards: %w", err)
		}
		return errMoved
	}
	tags := set.all()
	changed := update(tags)
	for index, names := range set.byShard(changed) {
		sh := shard{etag: set.shards[index].etag, tags: set.pick(tags, index)}
		if err := s.writeShard(ctx, set, set.width, index, sh); err != nil {
			return err
		}
		for _, name := range names {
			ref, ok := tags[name]
			if !ok {
				ref = plimsoll.Ref{Tag: name}
			}
			written[name] = ref
		}
	}
	return nil
}

// AllRefs gives every live shard of a registry, in the order of the repositories' hashes.
func (s *Store) AllRefs(ctx context.Context, registry string) iter.Seq2[plimsoll.RefShard, error] {
	return func(yield func(plimsoll.RefShard, error) bool) {
		folders := s.Folders(ctx, PrefixRefs+registry+"/")
		sets := inOrder(ctx, shardsAtOnce, folders, func(ctx context.Context, hash string) ([]plimsoll.RefShard, error) {
			return s.live(ctx, registry, hash)
		})
		for shards, err := range sets {
			if err != nil {
				yield(plimsoll.RefShard{}, fmt.Errorf("refs of %s: %w", registry, err))
				return
			}
			for _, sh := range shards {
				if !yield(sh, nil) {
					return
				}
			}
		}
	}
}

// live are the shards of the repository with this hash as they are stored.
func (s *Store) live(ctx context.Context, registry, hash string) ([]plimsoll.RefShard, error) {
	key := PrefixRefs + registry + "/" + hash + "/0-0"
	head, err := ReadJSON[plimsoll.RefShard](ctx, s, key)
	if errors.Is(err, plimsoll.ErrNotFound) {
		return nil, nil // a folder whose only object was deleted a moment ago
	}
	if err != nil {
		return nil, err
	}
	if head.Registry != registry || RefsPrefix(registry, head.Repository)+"0-0" != key {
		return nil, fmt.Errorf("read %s: %w: it holds %s/%.80s", s.at(key), plimsoll.ErrIntegrity, head.Registry, head.Repository)
	}
	if head.Width == 0 {
		return []plimsoll.RefShard{head}, nil
	}
	set, err := s.shards(ctx, registry, head.Repository)
	if err != nil {
		return nil, err
	}
	var out []plimsoll.RefShard
	for i, sh := range set.shards {
		out = append(out, set.stored(set.width, i, sh.tags))
	}
	return out, nil
}

// shards reads the live set. A shard that has gone in the meantime means that the switch has changed, so it is asked
// again; a switch that has not changed names a shard that somebody lost.
func (s *Store) shards(ctx context.Context, registry, repository string) (shardSet, error) {
	before := ""
	for {
		set, err := s.shardsOnce(ctx, registry, repository)
		if !errors.Is(err, errMoved) {
			return set, err
		}
		if set.etag == before {
			return set, fmt.Errorf("read %s: %w: a shard of the %d that it names is missing; restore it from a backup or sweep the registry again after deleting this object",
				s.at(RefKey(registry, repository, 0, 0)), plimsoll.ErrIntegrity, set.width)
		}
		before = set.etag
	}
}

func (s *Store) shardsOnce(ctx context.Context, registry, repository string) (shardSet, error) {
	set := shardSet{registry: registry, repository: repository}
	head, etag, err := s.readShard(ctx, set, 0, 0)
	if errors.Is(err, plimsoll.ErrNotFound) {
		set.shards = []shard{{tags: map[string]plimsoll.Ref{}}}
		return set, nil
	}
	if err != nil {
		return set, err
	}
	set.etag, set.width = etag, head.Width
	if set.width == 0 {
		set.shards = []shard{{etag: etag, tags: byTag(head.Tags)}}
		return set, nil
	}
	if set.width < 0 || set.width > maxWidth || set.width&(set.width-1) != 0 {
		return set, fmt.Errorf("read %s: %w: width %d", RefKey(registry, repository, 0, 0), plimsoll.ErrIntegrity, set.width)
	}
	for sh, err := range s.wide(ctx, set) {
		if err != nil {
			return set, err
		}
		set.shards = append(set.shards, sh)
	}
	return set, nil
}

// wide reads the shards of a set that has several. One that is missing or that says to stand elsewhere has moved.
func (s *Store) wide(ctx context.Context, set shardSet) iter.Seq2[shard, error] {
	indices := func(yield func(int, error) bool) {
		for i := range set.width {
			if !yield(i, nil) {
				return
			}
		}
	}
	return inOrder(ctx, shardsAtOnce, indices, func(ctx context.Context, i int) (shard, error) {
		stored, etag, err := s.readShard(ctx, set, set.width, i)
		if errors.Is(err, plimsoll.ErrNotFound) || err == nil && stored.Width != set.width {
			return shard{}, errMoved
		}
		return shard{etag: etag, tags: byTag(stored.Tags)}, err
	})
}

func (s *Store) readShard(ctx context.Context, set shardSet, width, index int) (plimsoll.RefShard, string, error) {
	key := RefKey(set.registry, set.repository, width, index)
	stored, etag, err := readJSON[plimsoll.RefShard](ctx, s, key)
	if err == nil && (stored.Registry != set.registry || stored.Repository != set.repository || stored.Shard != index) {
		err = fmt.Errorf("read %s: %w: it holds %s/%.80s shard %d", s.at(key), plimsoll.ErrIntegrity, stored.Registry, stored.Repository, stored.Shard)
	}
	return stored, etag, err
}

func (s *Store) writeShard(ctx context.Context, set shardSet, width, index int, sh shard) error {
	return s.replaceShard(ctx, RefKey(set.registry, set.repository, width, index), set.stored(width, index, sh.tags), sh.etag)
}

func (s *Store) replaceShard(ctx context.Context, key string, stored plimsoll.RefShard, etag string) error {
	b, err := encodeJSON(stored)
	if err != nil {
		return fmt.Errorf("write %s: %w", s.at(key), err)
	}
	return s.Replace(ctx, key, b, etag)
}

// stored is the object of one shard.
func (set shardSet) stored(width, index int, tags map[string]plimsoll.Ref) plimsoll.RefShard {
	return plimsoll.RefShard{Registry: set.registry, Repository: set.repository, Width: width, Shard: index, Tags: sortedRefs(tags)}
}

func (set shardSet) all() map[string]plimsoll.Ref {
	tags := map[string]plimsoll.Ref{}
	for _, sh := range set.shards {
		maps.Copy(tags, sh.tags)
	}
	return tags
}

func (set shardSet) outgrown() bool {
	if set.width >= maxWidth {
		return false
	}
	return slices.ContainsFunc(set.shards, func(sh shard) bool { return len(sh.tags) > maxShard })
}

// byShard groups tags by the shard they belong to.
func (set shardSet) byShard(tags []string) map[int][]string {
	groups := map[int][]string{}
	for _, t := range tags {
		i := shardOf(t, set.width)
		groups[i] = append(groups[i], t)
	}
	return groups
}

// pick are the tags that belong to one shard.
func (set shardSet) pick(tags map[string]plimsoll.Ref, index int) map[string]plimsoll.Ref {
	return pick(tags, set.width, index)
}

func pick(tags map[string]plimsoll.Ref, width, index int) map[string]plimsoll.Ref {
	picked := map[string]plimsoll.Ref{}
	for name, ref := range tags {
		if shardOf(name, width) == index {
			picked[name] = ref
		}
	}
	return picked
}

// shardOf is part of the format: FNV-1a of the tag, its low bits.
func shardOf(tag string, width int) int {
	if width == 0 {
		return 0
	}
	h := fnv.New32a()
	h.Write([]byte(tag))
	return int(h.Sum32() & uint32(width-1))
}

func byTag(refs []plimsoll.Ref) map[string]plimsoll.Ref {
	tags := make(map[string]plimsoll.Ref, len(refs))
	for _, r := range refs {
		tags[r.Tag] = r
	}
	return tags
}

func sortedRefs(tags map[string]plimsoll.Ref) []plimsoll.Ref {
	return slices.SortedFunc(maps.Values(tags), func(a, b plimsoll.Ref) int { return strings.Compare(a.Tag, b.Tag) })
}
