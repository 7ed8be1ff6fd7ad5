package house

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
)

// BackupOptions say what goes into a backup.
type BackupOptions struct {
	// WithoutInventories leaves out images and inventories: the file is then small, what registries still hold is read again,
	// and past moments cannot show what they no longer hold.
	WithoutInventories bool
	Version            string
	Now                func() time.Time
	Progress           Progress
}

// copying is a backup that is being made.
type copying struct {
	store  *blob.Store
	out    *writer
	o      BackupOptions
	faults []string
}

// Backup writes what nothing can derive again. It is consistent although others write meanwhile: tags and the history of
// findings are copied between two positions of the change log, and the log up to the second; a restore brings the tags up to
// it. All else is immutable, or each object of it stands by itself. An object that is damaged is left out and named in the end.
func Backup(ctx context.Context, s *blob.Store, w io.Writer, o BackupOptions) (Head, End, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := Head{Format: backupFormat, ID: rand.Text(), Made: o.Now().UTC().Truncate(time.Second), Version: o.Version, Inventories: !o.WithoutInventories}
	if half, err := s.Head(ctx, blob.RestoringKey); err != nil || half {
		return h, End{}, errors.Join(err, errHalf(half))
	}
	out, err := newWriter(w, h)
	if err != nil {
		return h, End{}, err
	}
	c := &copying{store: s, out: out, o: o}
	e := End{}
	steps := []func() error{
		func() (err error) { e.From, err = positions(ctx, s); return err },
		func() error { return c.refs(ctx) },
		func() error { return c.history(ctx) },
		// From here on the log knows of all that was copied.
		func() (err error) { e.To, err = positions(ctx, s); return err },
		func() error { return c.changes(ctx, e.To) },
		func() error { return c.generations(ctx) },
		func() error { return c.prefixes(ctx) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return h, e, fmt.Errorf("backup: %w", err)
		}
	}
	e.Faults = c.faults
	if err := out.end(e); err != nil {
		return h, e, fmt.Errorf("backup: %w", err)
	}
	e.Objects, e.Bytes, e.Sum = out.objects, out.bytes, out.sum()
	return h, e, nil
}

func errHalf(half bool) error {
	if !half {
		return nil
	}
	return fmt.Errorf("%w: a restore into this bucket was cut; run it again until it ends", plimsoll.ErrInvalid)
}

// copiedElsewhere are the parts whose copying has an order of its own.
var copiedElsewhere = []string{blob.PrefixRefs, "history/", blob.PrefixChanges, blob.PrefixGenerations, blob.PrefixPacks}

// prefixes copies the parts in which each object stands by itself.
func (c *copying) prefixes(ctx context.Context) error {
	for _, k := range kinds {
		if slices.Contains(copiedElsewhere, k.prefix) || k.derivable && !c.inventories(k.prefix) {
			continue
		}
		if err := c.all(ctx, listed(ctx, c.store, k.prefix)); err != nil {
			return err
		}
	}
	return nil
}

func (c *copying) inventories(prefix string) bool {
	return !c.o.WithoutInventories && (prefix == blob.PrefixImages || prefix == blob.PrefixInventories || prefix == blob.PrefixPartial)
}

func listed(ctx context.Context, s *blob.Store, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for e, err := range s.List(ctx, prefix, "") {
			if !yield(e.Key, err) || err != nil {
				return
			}
		}
	}
}

// all copies objects by their keys. One that is gone meanwhile was not needed any more.
func (c *copying) all(ctx context.Context, keys iter.Seq2[string, error]) error {
	return eachInOrder(ctx, keys, c.store.GetStored, func(o blob.Stored, err error) error {
		if errors.Is(err, plimsoll.ErrNotFound) {
			return nil
		}
		return c.add(o, err)
	})
}

// add writes one object that was read; a damaged one becomes a fault.
func (c *copying) add(o blob.Stored, err error) error {
	if err == nil {
		_, err = sealed.Open(o.Bytes, o.Sum)
	}
	switch {
	case errors.Is(err, plimsoll.ErrIntegrity), errors.Is(err, plimsoll.ErrLimit):
		c.fault(o.Key, err)
		return nil
	case err != nil:
		return err
	}
	kind, _, _ := strings.Cut(o.Key, "/")
	c.o.Progress.tell(kind, c.out.objects, c.out.bytes)
	return c.out.object(o)
}

// leftover is how old a shard must be that nobody names to be told of.
const leftover = 24 * time.Hour

// maxFaults bounds what is told of damaged objects; more are counted by fsck.
const maxFaults = 1000

func (c *copying) fault(key string, err error) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, fmt.Sprintf("%s: %v", key, err))
	}
}

// refs copies the tags of every repository, each as one state of it.
func (c *copying) refs(ctx context.Context) error {
	for registry, err := range c.store.Folders(ctx, blob.PrefixRefs) {
		if err != nil {
			return err
		}
		for hash, err := range c.store.Folders(ctx, blob.PrefixRefs+registry+"/") {
			if err != nil {
				return err
			}
			if err := c.repository(ctx, blob.PrefixRefs+registry+"/"+hash+"/"); err != nil {
				return err
			}
		}
	}
	return nil
}

// movesTried is how often a repository is read again whose tags moved to other shards meanwhile.
const movesTried = 5

// repository copies the switch of a repository and the shards that it names. Where these moved on between the two, both are
// read again.
func (c *copying) repository(ctx context.Context, folder string) error {
	for try := 1; ; try++ {
		set, moved, err := c.shards(ctx, folder)
		if moved && try < movesTried {
			continue
		}
		if errors.Is(err, plimsoll.ErrNotFound) && len(set) == 0 {
			return nil
		}
		if errors.Is(err, plimsoll.ErrIntegrity) || moved {
			c.fault(folder, err)
			err = nil
		}
		if err != nil {
			return err
		}
		for _, o := range set {
			if err := c.add(o, nil); err != nil {
				return err
			}
		}
		return nil
	}
}

func (c *copying) shards(ctx context.Context, folder string) (set []blob.Stored, moved bool, err error) {
	head, err := c.store.GetStored(ctx, folder+"0-0")
	if err != nil {
		return nil, false, err
	}
	set = []blob.Stored{head}
	var shard plimsoll.RefShard
	if err := decode(head, &shard); err != nil {
		return set, false, err
	}
	if shard.Width < 0 || shard.Width > maxWidth {
		return set, false, fmt.Errorf("%w: width %d", plimsoll.ErrIntegrity, shard.Width)
	}
	for i := range shard.Width {
		o, err := c.store.GetStored(ctx, fmt.Sprintf("%s%d-%d", folder, shard.Width, i))
		if err != nil {
			return set, errors.Is(err, plimsoll.ErrNotFound), fmt.Errorf("%w: shard %d of %d: %w", plimsoll.ErrIntegrity, i, shard.Width, err)
		}
		set = append(set, o)
	}
	return set, false, nil
}

// maxWidth is the greatest width that refs may have (services/internal/blob/refs.go).
const maxWidth = 1 << 12

func decode(o blob.Stored, v any) error {
	b, err := sealed.Open(o.Bytes, o.Sum)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: no valid JSON of this kind: %v", plimsoll.ErrIntegrity, err)
	}
	return nil
}

// findingsHead is what matters here of the head of the history of findings.
type findingsHead struct {
	Shards map[int]string `json:"shards"`
}

// history copies the history of findings: the head, then the shards that it names, which outlive it by a day.
func (c *copying) history(ctx context.Context) error {
	keys := []string{blob.DaysKey}
	head, err := c.store.GetStored(ctx, blob.HistoryHeadKey)
	switch {
	case errors.Is(err, plimsoll.ErrNotFound):
	case err != nil:
		return err
	default:
		var h findingsHead
		if err := decode(head, &h); err != nil {
			c.fault(head.Key, err)
			break
		}
		for _, n := range slices.Sorted(maps.Keys(h.Shards)) {
			if key := h.Shards[n]; strings.HasPrefix(key, blob.PrefixHistory) && checkKey(key) == nil {
				keys = append(keys, key)
			}
		}
		if err := c.add(head, nil); err != nil {
			return err
		}
	}
	return c.all(ctx, values(keys))
}

func values[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// changes copies the log of every stream up to a position.
func (c *copying) changes(ctx context.Context, to map[string]int64) error {
	for _, stream := range slices.Sorted(maps.Keys(to)) {
		for o, err := range c.store.StoredChanges(ctx, stream, to[stream]) {
			if errors.Is(err, plimsoll.ErrIntegrity) {
				c.fault(blob.PrefixChanges+stream, err) // a gap: what comes after it cannot be trusted
				break
			}
			if err := c.add(o, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// generations copies generations with the packs that they name, packs first: a generation in a backup can be loaded. One that
// is tidied away meanwhile is not kept anywhere.
func (c *copying) generations(ctx context.Context) error {
	var all []blob.Stored
	var packs []string
	seen := map[string]bool{}
	for key, err := range listed(ctx, c.store, blob.PrefixGenerations) {
		if err != nil {
			return err
		}
		o, err := c.store.GetStored(ctx, key)
		if errors.Is(err, plimsoll.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		all = append(all, o)
		for _, pack := range packsOf(o) {
			if !seen[pack] {
				seen[pack] = true
				packs = append(packs, pack)
			}
		}
	}
	if err := c.all(ctx, values(packs)); err != nil {
		return err
	}
	for _, o := range all {
		if there, err := c.store.Head(ctx, o.Key); err != nil {
			return err
		} else if !there {
			continue
		}
		if err := c.add(o, nil); err != nil {
			return err
		}
	}
	return nil
}

// packsOf are the keys of the packs that a generation names; none of one that cannot be read, which add tells.
func packsOf(o blob.Stored) []string {
	var g plimsoll.Generation
	if decode(o, &g) != nil {
		return nil
	}
	return slices.DeleteFunc(blob.PackKeys(g), func(key string) bool { return checkKey(key) != nil })
}
