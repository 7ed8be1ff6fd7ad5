// Package inuse keeps when images were last seen in use, by whom: what clusters tell, and nothing that Plimsoll finds out by itself.
// Of an image that nobody told of it is not known whether it is in use; nothing here ever says that it is not.
package inuse

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

const (
	// MaxDigests bounds one report: the images of a large cluster.
	MaxDigests = 10_000
	// MaxBody bounds the body of one report, in bytes: so many digests, and some.
	MaxBody = 1 << 20
	// maxSource bounds the name of who tells, in bytes.
	maxSource = 63
	// maxSources bounds who is remembered of one image; the last ones to have seen it stay.
	maxSources = 16
	// maxShard bounds the images of one object; those seen last stay.
	maxShard = 20_000
	// shards is how many objects hold all images: enough that a report writes small ones.
	shards = 64
	// grain is how exactly times are kept, so that clusters which report every minute do not write every minute.
	grain = 10 * time.Minute
	// keep is how long it is remembered that an image was in use.
	keep = 400 * 24 * time.Hour
	// maxAhead is how far the clock of who tells may be ahead of ours.
	maxAhead = 5 * time.Minute
	// maxTries bounds how often a shard is written again that others are writing too.
	maxTries = 20
	// lookEvery is how often it is asked what other reporters have written: one listing.
	lookEvery = 20 * time.Second
)

// Report is what somebody tells: these images are in use, at a time.
type Report struct {
	Source  string    `json:"source"` // who tells: a cluster's name
	Time    time.Time `json:"time"`   // when they were seen; zero: now
	Digests []string  `json:"digests"`
}

// Seen is an image by source, with when that source last saw it.
type Seen = map[string]time.Time

// shard is one object.
type shard struct {
	Images map[plimsoll.Digest]Seen `json:"images"`
}

// Book knows when images were last seen in use. Its methods are safe for concurrent use; any number of them may write one bucket.
type Book struct {
	store *blob.Store
	now   func() time.Time

	mu     sync.Mutex
	shards [shards]shard
	read   [shards]time.Time // when the object was last modified that was read
	// changed is told of all images whenever there is news.
	changed func(map[plimsoll.Digest]Seen)
}

// New is a book over a store that tells changed of all images whenever there is news. The maps it gives must not be changed.
func New(store *blob.Store, now func() time.Time, changed func(map[plimsoll.Digest]Seen)) *Book {
	return &Book{store: store, now: now, changed: changed}
}

// check makes a report's digests and time sure.
func (b *Book) check(r *Report) ([]plimsoll.Digest, error) {
	if !validSource(r.Source) {
		return nil, fmt.Errorf("source %.80q: %w: want 1 to %d of a-z, A-Z, 0-9, dots, dashes and underscores", r.Source, plimsoll.ErrInvalid, maxSource)
	}
	now := b.now().UTC()
	if r.Time.IsZero() {
		r.Time = now
	}
	if r.Time = r.Time.UTC(); r.Time.After(now.Add(maxAhead)) || now.Sub(r.Time) > keep {
		return nil, fmt.Errorf("time %s: %w: want one of the last %d days", r.Time.Format(time.RFC3339), plimsoll.ErrInvalid, int(keep/(24*time.Hour)))
	}
	if len(r.Digests) == 0 || len(r.Digests) > MaxDigests {
		return nil, fmt.Errorf("digests: %w: %d of them, want 1 to %d", plimsoll.ErrInvalid, len(r.Digests), MaxDigests)
	}
	out := make([]plimsoll.Digest, 0, len(r.Digests))
	for i, text := range r.Digests {
		d, err := plimsoll.ParseDigest(text)
		if err != nil {
			return nil, fmt.Errorf("digests[%d]: %w", i, err)
		}
		out = append(out, d)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func validSource(s string) bool {
	if s == "" || len(s) > maxSource {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_' {
			return false
		}
	}
	return true
}

// Record keeps what a report tells and gives its digests, each once.
func (b *Book) Record(ctx context.Context, r Report) ([]plimsoll.Digest, error) {
	digests, err := b.check(&r)
	if err != nil {
		return nil, err
	}
	by := map[int][]plimsoll.Digest{}
	for _, d := range digests {
		by[shardOf(d)] = append(by[shardOf(d)], d)
	}
	for _, n := range slices.Sorted(maps.Keys(by)) {
		if err := b.merge(ctx, n, r, by[n]); err != nil {
			return digests, fmt.Errorf("keep what is in use: %w", err)
		}
	}
	b.tell()
	return digests, nil
}

func shardOf(d plimsoll.Digest) int {
	first, err := hex.DecodeString(d.Hex()[:2])
	if err != nil {
		return 0 // a digest is hexadecimal
	}
	return int(first[0]) * shards >> 8
}

// merge writes one shard, unless it says all of it already.
func (b *Book) merge(ctx context.Context, n int, r Report, digests []plimsoll.Digest) error {
	for range maxTries {
		s, etag, err := b.load(ctx, n)
		if err != nil {
			return err
		}
		if !s.add(r, digests) {
			b.hold(n, s)
			return nil
		}
		s.bound(b.now())
		raw, err := json.Marshal(s)
		if err != nil {
			return err
		}
		err = b.store.Replace(ctx, blob.InUseKey(n), raw, etag)
		if err == nil {
			b.hold(n, s)
			return nil
		}
		if !errors.Is(err, blob.ErrExists) {
			return err
		}
	}
	return fmt.Errorf("%s: %w: other writers were faster %d times", blob.InUseKey(n), plimsoll.ErrUnavailable, maxTries)
}

// load reads one shard. One that cannot be read back is begun anew: who tells tells again.
func (b *Book) load(ctx context.Context, n int) (shard, string, error) {
	var s shard
	o, err := b.store.Get(ctx, blob.InUseKey(n))
	switch {
	case errors.Is(err, plimsoll.ErrNotFound):
	case errors.Is(err, plimsoll.ErrIntegrity), errors.Is(err, plimsoll.ErrLimit):
		return shard{Images: map[plimsoll.Digest]Seen{}}, "", b.store.Delete(ctx, blob.InUseKey(n))
	case err != nil:
		return s, "", err
	case json.Unmarshal(o.Bytes, &s) != nil:
		return shard{Images: map[plimsoll.Digest]Seen{}}, o.ETag, nil
	}
	if s.Images == nil {
		s.Images = map[plimsoll.Digest]Seen{}
	}
	return s, o.ETag, nil
}

// add notes a report and says whether that is news.
func (s *shard) add(r Report, digests []plimsoll.Digest) (news bool) {
	for _, d := range digests {
		was, known := s.Images[d][r.Source]
		if known && r.Time.Sub(was) < grain {
			continue
		}
		if s.Images[d] == nil {
			s.Images[d] = Seen{}
		}
		s.Images[d][r.Source], news = r.Time.Truncate(time.Second), true
	}
	return news
}

// bound drops what is too old, and the oldest of what is too much.
func (s *shard) bound(now time.Time) {
	for d, seen := range s.Images {
		maps.DeleteFunc(seen, func(_ string, at time.Time) bool { return now.Sub(at) > keep })
		for len(seen) > maxSources {
			delete(seen, oldest(seen, func(at time.Time) time.Time { return at }))
		}
		if len(seen) == 0 {
			delete(s.Images, d)
		}
	}
	if over := len(s.Images) - maxShard; over > 0 {
		all := slices.SortedFunc(maps.Keys(s.Images), func(a, c plimsoll.Digest) int { return Last(s.Images[a]).Compare(Last(s.Images[c])) })
		for _, d := range all[:over] {
			delete(s.Images, d)
		}
	}
}

func oldest[K comparable, V any](of map[K]V, at func(V) time.Time) (key K) {
	var first time.Time
	for k, v := range of {
		if first.IsZero() || at(v).Before(first) {
			key, first = k, at(v)
		}
	}
	return key
}

// Last is when anybody last saw an image in use; zero when nobody did.
func Last(s Seen) (last time.Time) {
	for _, at := range s {
		if at.After(last) {
			last = at
		}
	}
	return last
}

// hold remembers a shard as this process wrote or read it.
func (b *Book) hold(n int, s shard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shards[n] = s
}

// tell gives all images.
func (b *Book) tell() {
	b.mu.Lock()
	all := map[plimsoll.Digest]Seen{}
	for _, s := range b.shards {
		for d, seen := range s.Images {
			all[d] = maps.Clone(seen)
		}
	}
	b.mu.Unlock()
	b.changed(all)
}

// Look reads the shards that were written since the last look: by this process, or by another reporter.
func (b *Book) Look(ctx context.Context) error {
	news := false
	for e, err := range b.store.List(ctx, blob.PrefixInUse, "") {
		if err != nil {
			return err
		}
		n := slices.IndexFunc(keys[:], func(key string) bool { return key == e.Key })
		if n < 0 || b.read[n].Equal(e.Modified) && time.Since(e.Modified) > unsure {
			continue
		}
		s, _, err := b.load(ctx, n)
		if err != nil {
			return err
		}
		b.read[n] = e.Modified
		b.hold(n, s)
		news = true
	}
	if news {
		b.tell()
	}
	return nil
}

// unsure is how long a time of modification, which may be in whole seconds, can stand for two states.
const unsure = 2 * time.Second

// keys are the objects.
var keys = func() (all [shards]string) {
	for n := range all {
		all[n] = blob.InUseKey(n)
	}
	return all
}()

// Run looks at what other reporters write until ctx ends. failed is told of each look that failed, and nil of the others.
func (b *Book) Run(ctx context.Context, failed func(error)) {
	clock := time.NewTicker(lookEvery)
	defer clock.Stop()
	for {
		if err := b.Look(ctx); ctx.Err() == nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		}
	}
}
