package history

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"strings"
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
	version = 1
	// saveEvery is how often what changed is written. What a crash loses is found again in the change log.
	saveEvery = time.Minute
	// saveTimeout bounds the writing when the reporter ends.
	saveTimeout = 10 * time.Second
)

func shardKey(n int) string { return fmt.Sprintf("%s%02d", blob.PrefixHistory, n) }

const headKey = blob.PrefixHistory + "head"

// shardOf spreads repositories over the objects.
func shardOf(k repoKey) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(k.registry + "/" + k.repository)) // never fails
	return int(h.Sum32() % shards)
}

// storedHead is the object that is written last: what it says of is in the shards, or in newer ones, which harm nothing.
type storedHead struct {
	Version int `json:"version"`
	head
}

// Load takes what another run has written. It says whether there was something; it is derivable, so that damage counts as
// nothing.
func (t *Tracker) Load(ctx context.Context, store *blob.Store) (bool, error) {
	h, err := blob.ReadJSON[storedHead](ctx, store, headKey)
	if err != nil || h.Version != version {
		return false, missing(err)
	}
	repos := map[repoKey]*repo{}
	for n := range shards {
		all, err := blob.ReadJSON[[]*Finding](ctx, store, shardKey(n))
		if errors.Is(err, plimsoll.ErrNotFound) {
			continue // no repository falls to it
		}
		if err != nil {
			return false, fmt.Errorf("history of findings: %w", err)
		}
		for _, f := range all {
			k := repoKey{f.Registry, f.Repository}
			if repos[k] == nil {
				repos[k] = &repo{findings: map[string][]*Finding{}, rows: map[*posture.Row]bool{}}
			}
			if len(f.Spans) > 0 {
				repos[k].findings[f.Package] = append(repos[k].findings[f.Package], f)
			}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.repos, t.seen, t.at, t.head, t.saved = repos, nil, h.Time, h.head, h.head
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

// Save writes what changed since the last time, the head last.
func (t *Tracker) Save(ctx context.Context, store *blob.Store) error {
	t.mu.Lock()
	h, dirty := t.head, t.dirty
	if h.equal(t.saved) || h.Time.IsZero() {
		t.mu.Unlock()
		return nil
	}
	t.dirty = map[repoKey]bool{}
	changed := map[int][]*Finding{}
	for k := range dirty {
		changed[shardOf(k)] = nil
	}
	for k, r := range t.repos {
		n := shardOf(k)
		if _, ok := changed[n]; !ok {
			continue
		}
		for _, all := range r.findings {
			for _, f := range all {
				c := f.clone()
				changed[n] = append(changed[n], &c)
			}
		}
	}
	t.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(changed)) {
		all := changed[n]
		slices.SortFunc(all, compareFindings)
		if err := blob.PutJSON(ctx, store, shardKey(n), all); err != nil {
			t.again(dirty)
			return fmt.Errorf("history of findings: %w", err)
		}
	}
	if err := blob.PutJSON(ctx, store, headKey, storedHead{version, h}); err != nil {
		return fmt.Errorf("history of findings: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.saved = h
	return nil
}

func compareFindings(a, b *Finding) int {
	for _, c := range []int{
		strings.Compare(a.Registry, b.Registry), strings.Compare(a.Repository, b.Repository), strings.Compare(a.Package, b.Package), strings.Compare(a.ID, b.ID),
	} {
		if c != 0 {
			return c
		}
	}
	return 0
}

// again notes that some repositories are still to be written.
func (t *Tracker) again(dirty map[repoKey]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.Copy(t.dirty, dirty)
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
		clear(r.rows)
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
		t.Observe(m.View)
	}
	return w.Batches(ctx, v.At(), func(x *posture.View) error {
		t.Observe(x)
		return nil
	})
}

// Run observes the views of an engine until ctx ends, and writes what it learns. Without what another run has written it
// begins with the change log's first entry.
func (t *Tracker) Run(ctx context.Context, cfg posture.Config, engine *posture.Engine, log *slog.Logger) {
	if _, err := t.Load(ctx, cfg.Store); err != nil && ctx.Err() == nil {
		log.WarnContext(ctx, "the history of findings is built anew from the change log", "error", err)
	}
	saving := time.NewTicker(saveEvery)
	defer saving.Stop()
	for caught := false; ; {
		next := engine.Changed()
		if v := engine.View(); v != nil && !caught {
			caught = true
			if err := t.CatchUp(ctx, cfg, v); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "some of the past of findings cannot be told", "error", err)
			}
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
