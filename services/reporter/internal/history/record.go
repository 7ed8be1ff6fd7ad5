package history

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// actorConfiguration stands in the change log for what an operator has configured.
const actorConfiguration = "configuration"

// Record keeps the policy in the bucket, never overwritten, and says in the change log when another policy or other settings
// come into force. What is in force already is not said again.
func Record(ctx context.Context, store *blob.Store, now time.Time, p plimsoll.Policy, s plimsoll.Settings) error {
	if err := blob.CreateJSON(ctx, store, blob.PrefixPolicy+p.Name+"/"+p.Digest.Hex(), p); err != nil {
		return fmt.Errorf("store policy %s: %w", p.Name, err)
	}
	var policy string
	var settings *plimsoll.Settings
	for batch, err := range store.Changes(ctx, plimsoll.StreamDecisions, 0) {
		if err != nil {
			return fmt.Errorf("look for the last policy and settings: %w", err)
		}
		for _, c := range batch.Changes {
			switch {
			case c.Kind == plimsoll.ChangePolicy:
				policy = c.Subject
			case c.Kind == plimsoll.ChangeScope && c.Settings != nil:
				settings = c.Settings
			}
		}
	}
	var changes []plimsoll.Change
	if settings == nil || !sameSettings(*settings, s) {
		changes = append(changes, plimsoll.Change{Kind: plimsoll.ChangeScope, Text: settingsText(settings, s), Settings: &s})
	}
	if policy != string(p.Digest) {
		changes = append(changes, plimsoll.Change{Kind: plimsoll.ChangePolicy, Subject: string(p.Digest), Text: fmt.Sprintf("%s v%d", p.Name, p.Version)})
	}
	if len(changes) == 0 {
		return nil
	}
	if _, err := store.Append(ctx, plimsoll.StreamDecisions, actorConfiguration, now, changes); err != nil {
		return fmt.Errorf("announce policy %s and settings: %w", p.Name, err)
	}
	return nil
}

// SettingsOf is what is kept of a configuration.
func SettingsOf(registries []plimsoll.Registry, activeDays int, staleAfter time.Duration) plimsoll.Settings {
	s := plimsoll.Settings{Registries: []plimsoll.Scope{}, ActiveDays: activeDays, StaleSeconds: int64(staleAfter / time.Second)}
	for _, r := range registries {
		s.Registries = append(s.Registries, plimsoll.ScopeOf(r))
	}
	return s
}

func sameSettings(a, b plimsoll.Settings) bool {
	return a.ActiveDays == b.ActiveDays && a.StaleSeconds == b.StaleSeconds && slices.EqualFunc(a.Registries, b.Registries, sameScope)
}

func sameScope(a, b plimsoll.Scope) bool {
	return a.ID == b.ID && a.URL == b.URL && a.Label == b.Label && a.Sweep == b.Sweep &&
		slices.Equal(a.Repositories, b.Repositories) && slices.Equal(a.Include, b.Include) && slices.Equal(a.Exclude, b.Exclude)
}

// settingsText says in words what is other than before.
func settingsText(before *plimsoll.Settings, now plimsoll.Settings) string {
	if before == nil {
		before = &plimsoll.Settings{}
	}
	var said []string
	for _, r := range now.Registries {
		i := slices.IndexFunc(before.Registries, func(o plimsoll.Scope) bool { return o.ID == r.ID })
		switch {
		case i < 0:
			said = append(said, r.ID+" added")
		case !sameScope(before.Registries[i], r):
			said = append(said, r.ID+" changed")
		}
	}
	for _, r := range before.Registries {
		if !slices.ContainsFunc(now.Registries, func(o plimsoll.Scope) bool { return o.ID == r.ID }) {
			said = append(said, r.ID+" removed")
		}
	}
	if before.ActiveDays != now.ActiveDays {
		said = append(said, fmt.Sprintf("active days %d", now.ActiveDays))
	}
	if before.StaleSeconds != now.StaleSeconds {
		said = append(said, fmt.Sprintf("feeds stale after %s", time.Duration(now.StaleSeconds)*time.Second))
	}
	return strings.Join(said, "; ")
}

// checksEvery is how often a look at the feeds is recorded while it brings nothing new: a little under an hour, so that the
// hourly look by default is always recorded. Looks in between are not needed to tell stale from current, whose limit is days.
const checksEvery = 55 * time.Minute

// FeedLog records in the change log when feeds were looked at, and with what result. It is used by one caller at a time.
type FeedLog struct {
	store *blob.Store
	last  plimsoll.Change
	at    time.Time
}

// NewFeedLog is a log that has recorded nothing yet.
func NewFeedLog(store *blob.Store) *FeedLog { return &FeedLog{store: store} }

// Checked records the state of a generation's feeds after a look at them.
func (l *FeedLog) Checked(ctx context.Context, now time.Time, g plimsoll.Generation) error {
	c := plimsoll.Change{Kind: plimsoll.ChangeFeeds, Subject: g.ID, Text: g.Source, Feeds: []plimsoll.FeedCheck{}}
	add := func(kind plimsoll.FeedKind, all ...plimsoll.Feed) {
		for _, f := range all {
			c.Feeds = append(c.Feeds, plimsoll.FeedCheck{Ecosystem: f.Ecosystem, Kind: kind, Checked: f.Checked, Error: f.Error})
		}
	}
	add(plimsoll.FeedOfEcosystem, g.Feeds...)
	add(plimsoll.FeedOfEnrichment, g.Enrichment...)
	if g.Own.Pack != "" || g.Own.Error != "" {
		add(plimsoll.FeedOfOwn, g.Own)
	}
	if now.Sub(l.at) < checksEvery && sameChecks(l.last, c) {
		return nil
	}
	if _, err := l.store.Append(ctx, plimsoll.StreamAdvisories, "reporter", now, []plimsoll.Change{c}); err != nil {
		return fmt.Errorf("record the look at the feeds: %w", err)
	}
	l.last, l.at = c, now
	return nil
}

// sameChecks reports whether two looks differ in their times alone.
func sameChecks(a, b plimsoll.Change) bool {
	return a.Subject == b.Subject && a.Text == b.Text && slices.EqualFunc(a.Feeds, b.Feeds, func(x, y plimsoll.FeedCheck) bool {
		return x.Ecosystem == y.Ecosystem && x.Kind == y.Kind && x.Error == y.Error
	})
}
