package posture

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// NotConfigured is why nothing of a registry is fresh that was taken out of the configuration: its images stay until somebody
// forgets it.
const NotConfigured = "the registry is not configured any more"

// unconfigured reports whether a registry is none of those configured. Without any configured nothing is said: nobody asked.
func (e *Engine) unconfigured(registry string) bool {
	return len(e.cfg.Registries) > 0 && !slices.ContainsFunc(e.cfg.Registries, func(r plimsoll.Registry) bool { return r.ID == registry })
}

// lossGap is how much older than the first entry of a change log something must be for the log before it to count as lost: what is
// written in one go is written within minutes, and a first sweep within a day.
const lossGap = 24 * time.Hour

// Loss says that what the change log knew of a registry before a time was lost: something else in the bucket is older than it.
type Loss struct {
	Registry string    `json:"registry"`
	Begins   time.Time `json:"begins"` // the first that the log knows of it
	Known    time.Time `json:"known"`  // the oldest that something else tells
}

// beginnings reads when each stream begins, once.
func (e *Engine) beginnings(ctx context.Context, s *state) {
	for stream, position := range s.positions {
		if _, known := s.began[stream]; known || position == 0 {
			continue
		}
		for b, err := range e.cfg.Store.Changes(ctx, stream, 0) {
			if err == nil {
				s.began[stream] = b.Time
			}
			break // a gap is what follow tells
		}
	}
	if !s.oldest.IsZero() {
		return
	}
	for entry, err := range e.cfg.Store.List(ctx, blob.PrefixGenerations, "") {
		if err == nil {
			s.oldest, _ = time.Parse("2006-01-02T150405Z", entry.Key[len(blob.PrefixGenerations):]) // one of another form tells nothing
		}
		break
	}
}

// losses are the registries whose past was lost, sorted. What tells of it: tags and sweeps of the registry that are older than its
// log, or generations of advisories that are older than all of the log.
func (s *state) losses() (out []Loss) {
	var all time.Time // when the log begins
	for _, at := range s.began {
		if all.IsZero() || at.Before(all) {
			all = at
		}
	}
	older := map[string]time.Time{}
	note := func(registry string, at time.Time) {
		if was, ok := older[registry]; !at.IsZero() && (!ok || at.Before(was)) {
			older[registry] = at
		}
	}
	for registry, at := range s.firsts {
		note(registry, at)
	}
	for registry, sweeps := range s.sweeps {
		for _, x := range sweeps {
			note(registry, x.Started)
		}
	}
	whole := !s.oldest.IsZero() && all.Sub(s.oldest) > lossGap
	for registry, begins := range s.began {
		if registry == plimsoll.StreamAdvisories || registry == plimsoll.StreamDecisions {
			continue
		}
		if whole {
			note(registry, s.oldest)
		}
		if at, ok := older[registry]; ok && begins.Sub(at) > lossGap {
			out = append(out, Loss{registry, begins, at})
		}
	}
	slices.SortFunc(out, func(a, b Loss) int { return strings.Compare(a.Registry, b.Registry) })
	return out
}

// Losses are the registries whose past the change log does not know any more, sorted.
func (v *View) Losses() []Loss { return v.losses }

// restarted is when history begins for a finding that was first seen then because what was known before was lost: it may be older.
// It is zero for all others. A history of findings that outlived the log dates them rightly.
func (v *View) restarted(registry string, first time.Time) time.Time {
	if len(v.losses) == 0 || v.clock == nil {
		return time.Time{}
	}
	began := v.clock.Began()
	i := slices.IndexFunc(v.losses, func(l Loss) bool { return l.Registry == registry })
	if i < 0 || began.IsZero() || v.losses[i].Begins.Sub(began) > lossGap {
		return time.Time{}
	}
	from := v.losses[i].Begins
	if began.After(from) {
		from = began
	}
	if first.Sub(from) > lossGap {
		return time.Time{}
	}
	return v.losses[i].Begins
}

// String says it in words.
func (l Loss) String() string {
	const form = "2 Jan 2006 15:04 UTC"
	return fmt.Sprintf("History of %s begins on %s: what the change log knew before was lost. Something of it was known on %s.", l.Registry, l.Begins.UTC().Format(form), l.Known.UTC().Format(form))
}
