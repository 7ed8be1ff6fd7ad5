package house

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

const (
	// DefaultKeep is how far back past moments can be shown in full: as long as generations of advisories are kept.
	DefaultKeep = 400 * 24 * time.Hour
	// marksApart is how long something must have been of no use, by two marks, before it goes; and how old it must be.
	marksApart = 7 * 24 * time.Hour
	// markTime is how a mark's time is written in its key.
	markTime = "20060102T150405Z"
	// perMark is how many keys one part of a mark holds: some 6 MB of JSON.
	perMark = 50_000
	// perGuard is how many objects are deleted before it is looked again what scans ask for: a few seconds of work.
	perGuard = 2000
)

// collected are the parts that objects are removed of, in the order of their keys. All are derivable.
var collected = []string{blob.PrefixAttempts, blob.PrefixFacts, blob.PrefixImages, blob.PrefixInventories, blob.PrefixPartial, blob.PrefixPlans}

// CollectOptions say what a collection does.
type CollectOptions struct {
	DryRun   bool          // mark nothing, delete nothing
	Delete   bool          // delete what this mark and one at least 7 days older name; else mark alone
	Keep     time.Duration // how far back past moments stay whole; default [DefaultKeep]
	Actor    string
	Now      func() time.Time
	Progress Progress

	beforeBatch func() // for tests: what happens between the mark and a batch of deletions
}

// Amount is a number of objects and what they hold, stored.
type Amount struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

func (a *Amount) add(n int64) { a.Objects, a.Bytes = a.Objects+1, a.Bytes+n }

// Collected is what a collection found and did.
type Collected struct {
	Images  int               `json:"images"`  // that something names
	All     map[string]Amount `json:"all"`     // by prefix: what there is
	Marked  map[string]Amount `json:"marked"`  // of it: what nobody needs, at least 7 days old
	Due     map[string]Amount `json:"due"`     // of it: what a mark at least 7 days old names too
	Deleted map[string]Amount `json:"deleted"` // of it
	Spared  int               `json:"spared"`  // that a scan asked for meanwhile
	Before  time.Time         `json:"before"`  // the older mark; zero when there is none
	Next    time.Time         `json:"next"`    // when what was marked now may go
	Reread  int               `json:"reread"`  // tags whose inventories were missing: the next sweep reads them again
}

// mark is the head of a mark: what a collection found that nobody needed.
type mark struct {
	Time  time.Time `json:"time"`
	Parts int       `json:"parts"`
	Keys  int       `json:"keys"`
}

func markKey(at time.Time, part string) string {
	return blob.PrefixGC + at.UTC().Format(markTime) + "/" + part
}

// Collect finds what nobody needs: facts, images, inventories, attempts and plans that no tag, no moment of the last Keep and no
// scan in flight names. It marks it; with Delete it removes what an older mark names too. Nothing that is not derivable is ever
// removed, so the worst that a fault here can cost is to read layers again.
//
// Scans go on meanwhile, and one may rely on facts that were of no use to anybody for weeks. So what young plans and young images
// name stays; plans are looked at again before each batch of deletions; and a tag that was called read while its inventory went
// is asked for again at the end, and at the beginning of the next collection. Between the last look at the plans and the deletion
// a scan may still lose facts that it has seen: its image is then partial, never clean, and the next sweep reads what lacks.
func Collect(ctx context.Context, s *blob.Store, o CollectOptions) (Collected, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	g := &collection{store: s, o: o, now: o.Now().UTC(), out: Collected{
		All: map[string]Amount{}, Marked: map[string]Amount{}, Due: map[string]Amount{}, Deleted: map[string]Amount{},
	}}
	if err := g.run(ctx); err != nil {
		return g.out, fmt.Errorf("gc: %w", err)
	}
	return g.out, nil
}

type collection struct {
	store *blob.Store
	o     CollectOptions
	now   time.Time
	live  *live
	out   Collected

	went map[string]bool // inventories that were deleted
}

func (g *collection) run(ctx context.Context) error {
	if half, err := g.store.Head(ctx, blob.RestoringKey); err != nil || half {
		return errors.Join(err, errHalf(half))
	}
	var err error
	if g.o.Delete && !g.o.DryRun {
		if g.out.Reread, err = reread(ctx, g.store, g.o.Actor, g.now, func(ctx context.Context, ref plimsoll.Ref) (bool, error) { return lacks(ctx, g.store, ref) }); err != nil {
			return err
		}
	}
	if g.live, err = findLive(ctx, g.store, g.now, g.o.Keep, g.o.Progress); err != nil {
		return err
	}
	g.out.Images = len(g.live.images)
	before, err := g.olderMark(ctx)
	if err != nil {
		return err
	}
	g.out.Before = before.Time
	due, err := g.mark(ctx, before)
	if err != nil {
		return err
	}
	g.out.Next = g.now.Add(marksApart)
	if g.o.DryRun || !g.o.Delete {
		return nil
	}
	return g.delete(ctx, due)
}

// olderMark is the newest mark that is old enough; zero when there is none.
func (g *collection) olderMark(ctx context.Context) (newest mark, err error) {
	for name, err := range g.store.Folders(ctx, blob.PrefixGC) {
		if err != nil {
			return newest, err
		}
		at, err := time.Parse(markTime, name)
		if err != nil || g.now.Sub(at) < marksApart {
			continue
		}
		m, err := blob.ReadJSON[mark](ctx, g.store, markKey(at, "head"))
		switch {
		case errors.Is(err, plimsoll.ErrNotFound), errors.Is(err, plimsoll.ErrIntegrity): // it was cut
		case err != nil:
			return newest, err
		case m.Time.Equal(at):
			newest = m
		}
	}
	return newest, nil
}

// keys gives what a mark names, sorted.
func (g *collection) keys(ctx context.Context, m mark) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for n := range m.Parts {
			part, err := blob.ReadJSON[[]string](ctx, g.store, markKey(m.Time, fmt.Sprintf("%05d", n)))
			if err != nil {
				yield("", err)
				return
			}
			for _, key := range part {
				if !yield(key, nil) {
					return
				}
			}
		}
	}
}

// doomed is an object that two marks name.
type doomed struct {
	key    string
	prefix string
	size   int64
}

// mark goes over everything that may be removed, writes down what nobody needs, and gives what the older mark names too. Both are
// sorted, so that one pass compares them.
func (g *collection) mark(ctx context.Context, before mark) (due []doomed, err error) {
	older, stop := iter.Pull2(g.keys(ctx, before))
	defer stop()
	named, nerr, more := older()
	w := markWriter{g: g}
	for _, prefix := range collected {
		for e, err := range g.store.List(ctx, prefix, "") {
			if err != nil {
				return nil, err
			}
			add(g.out.All, prefix, e.Size)
			if g.now.Sub(e.Modified) < marksApart || g.live.needs(prefix, e.Key) {
				continue
			}
			add(g.out.Marked, prefix, e.Size)
			if err := w.add(ctx, e.Key); err != nil {
				return nil, err
			}
			for more && nerr == nil && named < e.Key {
				named, nerr, more = older()
			}
			if nerr != nil {
				return nil, nerr
			}
			// Written again since the older mark: somebody needed it in between.
			if more && named == e.Key && e.Modified.Before(before.Time) {
				add(g.out.Due, prefix, e.Size)
				due = append(due, doomed{e.Key, prefix, e.Size})
			}
		}
	}
	return due, w.end(ctx)
}

func add(to map[string]Amount, prefix string, size int64) {
	a := to[prefix]
	a.add(size)
	to[prefix] = a
}

// markWriter writes a mark in parts.
type markWriter struct {
	g    *collection
	mark mark
	keys []string
}

func (w *markWriter) add(ctx context.Context, key string) error {
	w.keys = append(w.keys, key)
	if len(w.keys) < perMark {
		return nil
	}
	return w.flush(ctx)
}

func (w *markWriter) flush(ctx context.Context) error {
	if len(w.keys) == 0 || w.g.o.DryRun {
		w.keys = nil
		return nil
	}
	if err := blob.PutJSON(ctx, w.g.store, markKey(w.g.now, fmt.Sprintf("%05d", w.mark.Parts)), w.keys); err != nil {
		return err
	}
	w.mark.Parts, w.mark.Keys, w.keys = w.mark.Parts+1, w.mark.Keys+len(w.keys), nil
	return nil
}

// end writes the head last: a mark without one is none. Marks that no collection will ask for again go.
func (w *markWriter) end(ctx context.Context) error {
	if err := w.flush(ctx); err != nil || w.g.o.DryRun {
		return err
	}
	w.mark.Time = w.g.now.Truncate(time.Second)
	if err := blob.PutJSON(ctx, w.g.store, markKey(w.g.now, "head"), w.mark); err != nil {
		return err
	}
	keep := w.g.out.Before.UTC().Format(markTime)
	for e, err := range w.g.store.List(ctx, blob.PrefixGC, "") {
		if err != nil {
			return err
		}
		if name, _, _ := strings.Cut(strings.TrimPrefix(e.Key, blob.PrefixGC), "/"); name < keep && !w.g.out.Before.IsZero() {
			if err := w.g.store.Delete(ctx, e.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// delete removes what two marks name, but for what a scan has asked for since.
func (g *collection) delete(ctx context.Context, due []doomed) error {
	// Inventories go before what they were made of: a scan that comes in between finds either both or what it can see to lack.
	slices.SortStableFunc(due, func(a, b doomed) int { return order(a.prefix) - order(b.prefix) })
	g.went = map[string]bool{}
	n := 0
	for batch := range slices.Chunk(due, perGuard) {
		if g.o.beforeBatch != nil {
			g.o.beforeBatch()
		}
		// Of plans that were not seen before, or have changed, any is news: no clock is asked.
		if err := g.live.plans(ctx, g.store, time.Time{}); err != nil {
			return err
		}
		batch = slices.DeleteFunc(slices.Clone(batch), func(d doomed) bool {
			spared := g.live.needs(d.prefix, d.key)
			if spared {
				g.out.Spared++
			}
			return spared
		})
		err := eachInOrder(ctx, values(batch), func(ctx context.Context, d doomed) (doomed, error) { return d, g.store.Delete(ctx, d.key) },
			func(d doomed, err error) error {
				if err != nil {
					return err
				}
				add(g.out.Deleted, d.prefix, d.size)
				if d.prefix == blob.PrefixInventories || d.prefix == blob.PrefixPartial {
					g.went[d.key] = true
				}
				n++
				g.o.Progress.tell("deleting", n, 0)
				return nil
			})
		if err != nil {
			return errors.Join(err, g.heal(ctx))
		}
	}
	return g.heal(ctx)
}

// order puts inventories first and facts last.
func order(prefix string) int {
	return slices.Index([]string{blob.PrefixPlans, blob.PrefixInventories, blob.PrefixPartial, blob.PrefixImages, blob.PrefixAttempts, blob.PrefixFacts}, prefix)
}

// heal has tags read again that were called read while their inventory went.
func (g *collection) heal(ctx context.Context) error {
	if len(g.went) == 0 {
		return nil
	}
	n, err := reread(ctx, g.store, g.o.Actor, g.o.Now().UTC(), func(ctx context.Context, ref plimsoll.Ref) (bool, error) {
		if !slices.ContainsFunc(inventoryKeys(ref), func(key string) bool { return g.went[key] }) {
			return false, nil
		}
		return lacks(ctx, g.store, ref)
	})
	g.out.Reread += n
	return err
}

// Total is the sum over all prefixes.
func Total(by map[string]Amount) (all Amount) {
	for a := range maps.Values(by) {
		all.Objects, all.Bytes = all.Objects+a.Objects, all.Bytes+a.Bytes
	}
	return all
}
