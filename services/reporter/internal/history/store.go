package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

const (
	// shards is how many objects hold all findings: enough that a push writes a small one, few enough that a start reads them
	// in a moment.
	shards = 64
	// version is of the objects' form; another one is built anew from the change log.
	version = 2
	// saveEvery is how often what changed is written. What a crash loses is found again in the change log.
	saveEvery = time.Minute
	// keepReplaced is how long an object stays that another one took the place of: a reporter beside this one may name it. What
	// a reporter names it writes again within refreshEvery, so that nothing that is named is ever so old.
	keepReplaced = 24 * time.Hour
	refreshEvery = 8 * time.Hour
	// saveTimeout bounds the writing when the reporter ends.
	saveTimeout = 10 * time.Second
)

const headKey = blob.PrefixHistory + "head"

// shardOf spreads repositories over the objects.
func shardOf(k repoKey) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(k.registry + "/" + k.repository)) // never fails
	return int(h.Sum32() % shards)
}

// storedHead is the object that is written last. It names the shards, whose keys are made of their content: one that was
// written after it changes nothing.
type storedHead struct {
	Version int `json:"version"`
	head
	Shards map[int]string `json:"shards"` // keys; none where no repository falls to it
}

// storedRepo is a repository in a shard. Findings name their images by a list of lists, since most have theirs in common.
type storedRepo struct {
	Registry   string          `json:"registry"`
	Repository string          `json:"repository"`
	Images     []Stand         `json:"images"`
	Lists      [][]int         `json:"lists"` // places in Images
	Findings   []storedFinding `json:"findings"`
}

type storedFinding struct {
	Package  string            `json:"p"`
	ID       string            `json:"i"`
	Aliases  []string          `json:"a,omitempty"`
	Severity plimsoll.Severity `json:"s"`
	First    time.Time         `json:"f"`
	Stands   *int              `json:"h,omitempty"` // place in Lists; none when no row shows it
	Lost     *int              `json:"l,omitempty"`
	Before   []Span            `json:"b,omitempty"`
	Closed   *Closure          `json:"c,omitempty"`
	Away     []Away            `json:"w,omitempty"`
}

// store is a repository as it is written.
func (r *repo) store(k repoKey) storedRepo {
	out := storedRepo{Registry: k.registry, Repository: k.repository, Images: []Stand{}, Lists: [][]int{}, Findings: make([]storedFinding, 0, len(r.entries))}
	images, lists := map[*Stand]int{}, map[list]int{}
	place := func(stands []*Stand) *int {
		if len(stands) == 0 {
			return nil
		}
		n, ok := lists[listOf(stands)]
		if !ok {
			var all []int
			for _, s := range stands {
				i, ok := images[s]
				if !ok {
					i = len(out.Images)
					images[s], out.Images = i, append(out.Images, *s)
				}
				all = append(all, i)
			}
			n = len(out.Lists)
			lists[listOf(stands)], out.Lists = n, append(out.Lists, all)
		}
		return &n
	}
	for i := range r.entries {
		e := &r.entries[i]
		m := e.rest()
		out.Findings = append(out.Findings, storedFinding{e.pkg, e.id, e.aliases, e.severity, e.first, place(e.stands), place(m.lost), m.before, m.closed, m.away})
	}
	return out
}

// restore is the repository of what was written.
func (s storedRepo) restore(names *names) (*repo, error) {
	lists := make([][]*Stand, 0, len(s.Lists))
	for i := range s.Images {
		s.Images[i].Platform, s.Images[i].Recipe = names.text(s.Images[i].Platform), plimsoll.Recipe(names.text(string(s.Images[i].Recipe)))
	}
	for _, places := range s.Lists {
		var all []*Stand
		for _, i := range places {
			if i < 0 || i >= len(s.Images) {
				return nil, fmt.Errorf("%s/%s: image %d of %d", s.Registry, s.Repository, i, len(s.Images))
			}
			all = append(all, &s.Images[i])
		}
		lists = append(lists, all)
	}
	r := &repo{entries: make([]entry, 0, len(s.Findings))}
	for _, f := range s.Findings {
		e := entry{pkg: names.text(f.Package), id: names.text(f.ID), aliases: names.list(f.Aliases), severity: plimsoll.Severity(names.text(string(f.Severity))), first: f.First}
		m := more{before: f.Before, closed: f.Closed, away: f.Away}
		for to, place := range map[*[]*Stand]*int{&e.stands: f.Stands, &m.lost: f.Lost} {
			if place == nil {
				continue
			}
			if *place < 0 || *place >= len(lists) {
				return nil, fmt.Errorf("%s/%s: list %d of %d", s.Registry, s.Repository, *place, len(lists))
			}
			*to = lists[*place]
		}
		e.set(m)
		r.entries = append(r.entries, e)
	}
	slices.SortFunc(r.entries, compareEntries)
	return r, nil
}

// names makes equal texts one: a million findings have a few thousand names.
type names struct {
	texts map[string]string
	lists map[string][]string
}

func (n *names) text(s string) string {
	if known, ok := n.texts[s]; ok {
		return known
	}
	n.texts[s] = s
	return s
}

func (n *names) list(all []string) []string {
	if len(all) == 0 {
		return nil
	}
	k := strings.Join(all, "\x00")
	known, ok := n.lists[k]
	if !ok {
		for _, s := range all {
			known = append(known, n.text(s))
		}
		n.lists[k] = known
	}
	return known
}

// Load takes what another run has written. It says whether there was something; it is derivable, so that damage counts as
// nothing.
func (t *Tracker) Load(ctx context.Context, store *blob.Store) (bool, error) {
	h, err := blob.ReadJSON[storedHead](ctx, store, headKey)
	if err != nil || h.Version != version {
		return false, missing(err)
	}
	repos, names := map[repoKey]*repo{}, &names{map[string]string{}, map[string][]string{}}
	for _, key := range h.Shards {
		all, err := blob.ReadJSON[[]storedRepo](ctx, store, key)
		for _, s := range all {
			if err != nil {
				break
			}
			repos[repoKey{s.Registry, s.Repository}], err = s.restore(names)
		}
		if err != nil {
			return false, fmt.Errorf("history of findings: %s: %w", key, err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.repos, t.seen, t.at, t.head, t.saved = repos, nil, h.Time, h.head, h.head
	t.shards = h.Shards
	epoch := t.epoch.Add(1)
	for _, r := range repos {
		r.epoch = epoch
	}
	t.dirty = map[repoKey]bool{}
	return true, nil
}

// missing is err unless it says that there is nothing.
func missing(err error) error {
	if err == nil || errors.Is(err, plimsoll.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("history of findings: %w", err)
}

// Save writes what changed since the last time, the head last. Nothing observes meanwhile.
func (t *Tracker) Save(ctx context.Context, store *blob.Store) error {
	t.mu.Lock()
	h, dirty := t.head, t.dirty
	if h.equal(t.saved) || h.Time.IsZero() {
		t.mu.Unlock()
		return nil
	}
	t.dirty = map[repoKey]bool{}
	changed := map[int][]repoKey{}
	for k := range dirty {
		changed[shardOf(k)] = nil
	}
	refreshed := time.Since(t.refreshed) >= refreshEvery
	if refreshed {
		for k := range t.repos {
			changed[shardOf(k)] = nil
		}
	}
	for k := range t.repos {
		n := shardOf(k)
		if _, ok := changed[n]; ok {
			changed[n] = append(changed[n], k)
		}
	}
	keys := map[int]string{}
	maps.Copy(keys, t.shards)
	t.mu.Unlock()
	err := func() error {
		for _, n := range slices.Sorted(maps.Keys(changed)) {
			b, err := json.Marshal(t.shard(changed[n]))
			if err != nil {
				return err
			}
			keys[n] = fmt.Sprintf("%s%02d-%s", blob.PrefixHistory, n, plimsoll.DigestOf(b).Hex()[:keyDigits])
			if err := store.Put(ctx, keys[n], b); err != nil {
				return err
			}
		}
		return blob.PutJSON(ctx, store, headKey, storedHead{version, h, keys})
	}()
	t.mu.Lock()
	if err != nil {
		maps.Copy(t.dirty, dirty)
	} else {
		t.saved, t.shards = h, keys
		if refreshed {
			t.refreshed = time.Now()
		}
	}
	t.mu.Unlock()
	if err != nil {
		return fmt.Errorf("history of findings: %w", err)
	}
	if err := t.sweep(ctx, store, keys); err != nil {
		return fmt.Errorf("history of findings: it is written; delete what was replaced: %w", err)
	}
	return nil
}

// keyDigits is how many hexadecimal digits of a shard's sha256 stand in its key.
const keyDigits = 16

// sweep deletes, once in a while, what no head names any more.
func (t *Tracker) sweep(ctx context.Context, store *blob.Store, keys map[int]string) error {
	if time.Since(t.sweptStore) < keepReplaced {
		return nil
	}
	t.sweptStore = time.Now()
	named := map[string]bool{headKey: true}
	for _, key := range keys {
		named[key] = true
	}
	for x, err := range store.List(ctx, blob.PrefixHistory, "") {
		if err != nil {
			return err
		}
		if named[x.Key] || time.Since(x.Modified) < keepReplaced {
			continue
		}
		if err := store.Delete(ctx, x.Key); err != nil {
			return err
		}
	}
	return nil
}

// shard is what is written of some repositories.
func (t *Tracker) shard(keys []repoKey) []storedRepo {
	slices.SortFunc(keys, compareKeys)
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := []storedRepo{}
	for _, k := range keys {
		out = append(out, t.repos[k].store(k))
	}
	return out
}

// CatchUp brings the tracker from where it was written to a view. What happened in between is taken from the change log,
// change by change, so that each finding opens and closes when it did; where that cannot be told any more (a generation of
// then is gone), it does so now, with the error that says why.
func (t *Tracker) CatchUp(ctx context.Context, cfg posture.Config, v *posture.View) error {
	t.mu.RLock()
	h := t.head
	t.mu.RUnlock()
	var err error
	if !maps.Equal(h.Positions, v.Position()) || h.Generation != v.Generation().ID {
		err = t.walk(ctx, cfg, h, v)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	t.mu.Lock()
	t.seen = nil // the walk had rows of its own
	for _, r := range t.repos {
		r.seats = nil
	}
	t.mu.Unlock()
	t.Observe(v)
	return err
}

func (t *Tracker) walk(ctx context.Context, cfg posture.Config, h head, v *posture.View) error {
	w, err := posture.NewWalker(ctx, cfg, v.At())
	if err != nil {
		return fmt.Errorf("history of findings: %w", err)
	}
	defer w.Close()
	if !h.Time.IsZero() {
		m, err := w.To(ctx, h.Time)
		if err != nil {
			return fmt.Errorf("history of findings since %s: %w", h.Time.Format(time.RFC3339), err)
		}
		if w.Kept() {
			t.Observe(m.View)
		}
	}
	untold := ""
	err = w.Batches(ctx, v.At(), func(x *posture.View) error {
		switch {
		case h.Time.IsZero() || w.Kept():
			t.Observe(x)
		case untold == "": // by older advisories findings would close that stood
			untold = x.At().UTC().Format(time.RFC3339)
		}
		return nil
	})
	if err == nil && untold != "" {
		err = fmt.Errorf("history of findings from %s: %w: the advisories of then are no longer kept; what came and went is dated by the next that are", untold, plimsoll.ErrNotFound)
	}
	return err
}

// Run observes the views of an engine until ctx ends, and writes what it learns. Without what another run has written it
// begins with the change log's first entry. caught is called once it has come to the present: what is overdue can be told from
// then on.
func (t *Tracker) Run(ctx context.Context, cfg posture.Config, engine *posture.Engine, caught func(), log *slog.Logger) {
	if _, err := t.Load(ctx, cfg.Store); err != nil && ctx.Err() == nil {
		log.WarnContext(ctx, "the history of findings is built anew from the change log", "error", err)
	}
	saving := time.NewTicker(saveEvery)
	defer saving.Stop()
	var warm sync.WaitGroup
	defer warm.Wait()
	for present := false; ; {
		next := engine.Changed()
		if v := engine.View(); v != nil && !present {
			present = true
			if err := t.CatchUp(ctx, cfg, v); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "some of the past of findings cannot be told", "error", err)
			}
			caught()
			warm.Go(func() {
				over := v.Overdues(v.At())
				for _, r := range v.Rows() {
					if ctx.Err() != nil {
						return
					}
					over(r) // is remembered: no page waits for it
				}
			})
		} else if v != nil {
			t.Observe(v)
		}
		select {
		case <-next:
		case <-saving.C:
			if err := t.Save(ctx, cfg.Store); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "history of findings cannot be written; it is tried again", "error", err)
			}
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
			defer cancel()
			if err := t.Save(end, cfg.Store); err != nil {
				log.WarnContext(end, "history of findings cannot be written; the change log has it", "error", err)
			}
			return
		}
	}
}
