package house

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// span is numbers of a stream, from first to last.
type span struct{ first, last int64 }

// numbersOf lists what a stream's keys say that it holds, alone and merged, each sorted. Runs of numbers become one span.
func numbersOf(ctx context.Context, s *blob.Store, stream string) (alone, merged []span, err error) {
	prefix := blob.PrefixChanges + stream + "/"
	for e, err := range s.List(ctx, prefix, "") {
		if err != nil {
			return nil, nil, err
		}
		name := strings.TrimPrefix(e.Key, prefix)
		if rest, ok := strings.CutPrefix(name, "merged/"); ok {
			last, first, _ := strings.Cut(rest, "-")
			merged = append(merged, span{number(first), number(last)})
			continue
		}
		n := number(name)
		if k := len(alone); k > 0 && alone[k-1].last+1 == n {
			alone[k-1].last = n
		} else {
			alone = append(alone, span{n, n})
		}
	}
	slices.SortFunc(merged, func(a, b span) int { return int(a.first - b.first) })
	return alone, merged, nil
}

// number is a number of a key; 0 for what is none, which the check of that key tells.
func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64) //nolint:errcheck // see above
	return n
}

// repositories checks that the shards of each repository are those that its switch names.
func (c *check) repositories(ctx context.Context) error {
	refs := kindOf(blob.PrefixRefs)
	for registry, err := range c.store.Folders(ctx, blob.PrefixRefs) {
		if err != nil {
			return err
		}
		for hash, err := range c.store.Folders(ctx, blob.PrefixRefs+registry+"/") {
			if err != nil {
				return err
			}
			folder := blob.PrefixRefs + registry + "/" + hash + "/"
			if err := c.repository(ctx, folder, registry); isWrong(err) {
				c.add(Fault{Key: folder + "0-0", What: err.Error(), Costs: refs.lost, Do: refs.mend})
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// repository checks one repository. The store itself knows how to read a set that is moving.
func (c *check) repository(ctx context.Context, folder, registry string) error {
	head, err := c.store.GetStored(ctx, folder+"0-0")
	if errors.Is(err, plimsoll.ErrNotFound) {
		for range c.store.List(ctx, folder, "") {
			return wrong("the object that names the shards is missing")
		}
		return nil
	}
	if err != nil {
		return err
	}
	var shard plimsoll.RefShard
	if err := decode(head, &shard); err != nil {
		return nil // its own check told of it
	}
	if want := blob.RefsPrefix(registry, shard.Repository); shard.Registry != registry || want != folder {
		return wrong("it is about %.80s/%.80s", shard.Registry, shard.Repository)
	}
	if _, err = c.store.Refs(ctx, registry, shard.Repository); err != nil {
		return err
	}
	for e, err := range c.store.List(ctx, folder, "") {
		if err != nil {
			return err
		}
		width, _, _ := strings.Cut(strings.TrimPrefix(e.Key, folder), "-")
		if width != "0" && width != strconv.Itoa(shard.Width) && c.o.Now().Sub(e.Modified) > leftover {
			c.add(Fault{Key: e.Key, What: fmt.Sprintf("no shard of the %d that the repository has: a move to other shards was cut", shard.Width), Costs: "nothing but its space", Do: "nothing: the next move overwrites it"})
		}
	}
	return nil
}

// inventories checks that what tags call read can be read, and has it read again where that is asked for.
func (c *check) inventories(ctx context.Context) error {
	seen := map[string]bool{}
	n := 0
	missing := func(ctx context.Context, ref plimsoll.Ref) (bool, error) {
		n++
		c.o.Progress.tell("inventories of tags", n, 0)
		for _, key := range inventoryKeys(ref) {
			there, asked := seen[key]
			if !asked {
				var err error
				if there, err = c.store.Head(ctx, key); err != nil {
					return false, err
				}
				seen[key] = there
				if !there {
					k := kindOf(key)
					c.add(Fault{Key: key, What: fmt.Sprintf("it is missing, and tag %.80s counts as read", ref.Tag), Costs: k.lost, Do: k.mend, Repaired: c.o.Repair})
				}
			}
			if !there {
				return c.o.Repair, nil
			}
		}
		return false, nil
	}
	var err error
	c.out.Reread, err = reread(ctx, c.store, c.o.Actor, c.o.Now().UTC(), missing)
	return err
}
