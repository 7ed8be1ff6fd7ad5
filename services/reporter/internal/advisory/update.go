package advisory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// Updater makes generations from a source. It is used by one caller at a time.
type Updater struct {
	store  *blob.Store
	source Source
	o      Options
	last   *Index // nil until the first Update
	// distrust says that a pack of the last generation was not there when it was needed: every feed is then read anew.
	distrust bool
}

// Options say how an [Updater] works.
type Options struct {
	Log *slog.Logger
	Now func() time.Time // default time.Now
	// Accept takes feeds that lost more than the guard allows or went back in time, as an operator has confirmed.
	Accept bool
}

// The guard against a feed that lost its records (a half-made export, a rollback): more than this share of the last good
// records gone, and more than a handful, needs an operator's word.
const (
	maxLostShare = 0.02
	minLost      = 20
)

// NewUpdater is an updater that writes what source has into store.
func NewUpdater(store *blob.Store, source Source, o Options) *Updater {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Updater{store: store, source: source, o: o}
}

// Update looks at the source and gives the index of what is known now; changed says that a new generation was written and
// announced. The index is never nil and always usable: what could not be read, feed by feed, is the error, stands in the
// index's manifest, and its last good records stay.
func (u *Updater) Update(ctx context.Context) (x *Index, changed bool, err error) {
	var lastErr error
	if u.last == nil {
		if u.last, lastErr = Latest(ctx, u.store); lastErr != nil {
			lastErr = fmt.Errorf("last generation: %w", lastErr)
		}
	}
	names, err := u.source.Ecosystems(ctx)
	if err != nil {
		u.last = u.last.With(failed(u.last.Generation(), err))
		return u.last, false, errors.Join(lastErr, err)
	}
	parts, err := u.read(ctx, names)
	if err != nil {
		return u.last, false, errors.Join(lastErr, err)
	}
	changed, err = u.take(ctx, parts)
	return u.last, changed, errors.Join(lastErr, err, feedErrors(u.last.Generation()))
}

// failed is a manifest whose feeds could not be looked at.
func failed(g plimsoll.Generation, err error) plimsoll.Generation {
	g.Feeds = slices.Clone(g.Feeds)
	for i := range g.Feeds {
		g.Feeds[i].Error = err.Error()
	}
	return g
}

func feedErrors(g plimsoll.Generation) error {
	var all []error
	for _, f := range g.Feeds {
		if f.Error != "" {
			all = append(all, fmt.Errorf("advisories of %s: %s", f.Ecosystem, f.Error))
		}
	}
	return errors.Join(all...)
}

// part is one feed of the generation in the making; records is nil when its pack was not opened.
type part struct {
	feed    plimsoll.Feed
	records []plimsoll.Advisory
}

// read looks at every feed, as many at once as there are cores: each holds one zip and its records in memory.
func (u *Updater) read(ctx context.Context, names []string) ([]part, error) {
	last := u.last.Generation()
	if last.Source == u.source.Name() {
		for _, f := range last.Feeds { // a feed that is no longer offered keeps what it had, and says so
			names = append(names, f.Ecosystem)
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	parts := make([]part, len(names))
	next := make(chan int)
	var pool sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(names)) {
		pool.Go(func() {
			for i := range next {
				parts[i] = u.feed(ctx, names[i])
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	pool.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return parts, nil
}

// feed reads one feed. Whatever goes wrong, the last good pack stays, with the reason.
func (u *Updater) feed(ctx context.Context, ecosystem string) part {
	last, _ := u.last.Feed(ecosystem)
	last.Ecosystem = ecosystem
	p, err := u.tryFeed(ctx, ecosystem, last)
	if err != nil {
		last.Error = strings.TrimSpace(err.Error())
		return part{feed: last}
	}
	return p
}

func (u *Updater) tryFeed(ctx context.Context, ecosystem string, last plimsoll.Feed) (part, error) {
	now := u.o.Now().UTC()
	have := Stamp{}
	if u.distrust {
		last.Pack = ""
	}
	if last.Pack != "" && u.sameSource() {
		have = Stamp{last.ETag, last.Changed}
	}
	answer, err := u.source.Zip(ctx, ecosystem, have)
	if err != nil {
		return part{}, err
	}
	same := last
	same.Checked, same.Error, same.ETag, same.Changed = now, "", answer.Stamp.ETag, answer.Stamp.Changed
	if answer.Unchanged {
		return part{feed: same}, nil
	}
	sum := sumOf(answer.Bytes)
	if last.Pack != "" && last.Zip == sum {
		return part{feed: same}, nil
	}
	s, err := stage(answer.Bytes, now)
	if err != nil {
		return part{}, err
	}
	if err := u.guard(ctx, last, s); err != nil {
		return part{}, err
	}
	pack, err := writePack(ctx, u.store, ecosystem, s.records)
	if err != nil {
		return part{}, err
	}
	return part{plimsoll.Feed{
		Ecosystem: ecosystem, Pack: pack, Records: len(s.records), Withdrawn: s.withdrawn, Skipped: s.skipped, SkippedID: s.skippedID,
		Newest: s.newest, Checked: now, Releases: releases(s.records), Zip: sum, ETag: answer.Stamp.ETag, Changed: answer.Stamp.Changed,
	}, s.records}, nil
}

func (u *Updater) sameSource() bool { return u.last.Generation().Source == u.source.Name() }

// guard refuses a feed that went back in time or lost many records, until an operator accepts it. Another source may hold
// less: that is the operator's word.
func (u *Updater) guard(ctx context.Context, last plimsoll.Feed, s staged) error {
	if u.o.Accept || last.Pack == "" || !u.sameSource() {
		return nil
	}
	if s.newest.Before(last.Newest) {
		return fmt.Errorf("%w: its newest record is of %s, older than the %s that we have; confirm with: plimsoll advisories update --accept",
			plimsoll.ErrInvalid, s.newest.Format(time.DateOnly), last.Newest.Format(time.DateOnly))
	}
	before, err := readPack(ctx, u.store, last.Ecosystem, last.Pack)
	if err != nil {
		return nil // nothing good to compare with, or to keep
	}
	now := make(map[string]bool, len(s.records))
	for i := range s.records {
		now[s.records[i].ID] = true
	}
	lost := 0
	for i := range before {
		if !now[before[i].ID] {
			lost++
		}
	}
	if lost > minLost && float64(lost) > maxLostShare*float64(len(before)) {
		return fmt.Errorf("%w: %d of %d records are gone or withdrawn at once, more than %.0f %%; confirm with: plimsoll advisories update --accept",
			plimsoll.ErrInvalid, lost, len(before), maxLostShare*100)
	}
	return nil
}

// take makes the parts the present state: the last generation under a new manifest when its packs are the same, else a new
// one.
func (u *Updater) take(ctx context.Context, parts []part) (changed bool, err error) {
	now := u.o.Now().UTC()
	g := plimsoll.Generation{Parent: u.last.Generation().ID, Created: now, Source: u.source.Name(), Feeds: make([]plimsoll.Feed, len(parts))}
	usable := false
	for i, p := range parts {
		g.Feeds[i] = p.feed
		usable = usable || p.feed.Pack != ""
	}
	last := u.last.Generation()
	switch {
	case samePacks(last.Feeds, g.Feeds):
		last.Feeds, last.Source = g.Feeds, g.Source
		u.last = u.last.With(last)
		return false, nil
	case !usable:
		u.last = u.last.With(g)
		return false, nil
	}
	x, err := u.index(ctx, g, parts)
	if err != nil {
		return false, err
	}
	if g.ID, err = u.write(ctx, g); err != nil {
		return false, err
	}
	u.last = x.With(g)
	return true, u.announce(ctx, g)
}

func samePacks(a, b []plimsoll.Feed) bool {
	packs := func(feeds []plimsoll.Feed) (out []string) {
		for _, f := range feeds {
			if f.Pack != "" {
				out = append(out, f.Ecosystem+"/"+f.Pack)
			}
		}
		return out
	}
	return slices.Equal(packs(a), packs(b))
}

// index compiles the parts; packs that did not change are read from the bucket. Where one cannot be read, the present state
// stays and the next update reads every feed from the source again.
func (u *Updater) index(ctx context.Context, g plimsoll.Generation, parts []part) (*Index, error) {
	all := make([][]plimsoll.Advisory, len(parts))
	for i, p := range parts {
		all[i] = p.records
	}
	err := openPacks(ctx, u.store, g.Feeds, all)
	u.distrust = err != nil && ctx.Err() == nil
	if err != nil {
		return nil, err
	}
	return compile(g, all), nil
}

// write writes the manifest under the time it was made. Two within a second: the later takes the next one.
func (u *Updater) write(ctx context.Context, g plimsoll.Generation) (string, error) {
	const tries = 10
	var err error
	for i := range tries {
		g.ID = g.Created.Add(time.Duration(i) * time.Second).Format(idLayout)
		err = blob.CreateJSON(ctx, u.store, blob.GenerationKey(g.ID), g)
		if err == nil {
			return g.ID, nil
		}
		if !errors.Is(err, blob.ErrExists) {
			break
		}
	}
	return "", fmt.Errorf("write generation: %w", err)
}

// idLayout is how a generation's time is written as its id.
const idLayout = "2006-01-02T150405Z"

func (u *Updater) announce(ctx context.Context, g plimsoll.Generation) error {
	records := 0
	for _, f := range g.Feeds {
		records += f.Records
	}
	_, err := u.store.Append(ctx, plimsoll.StreamAdvisories, "reporter", g.Created, []plimsoll.Change{{
		Kind: plimsoll.ChangeGeneration, Subject: g.ID, Text: fmt.Sprintf("%d records in %d feeds", records, len(g.Feeds)),
	}})
	if err != nil {
		return fmt.Errorf("announce generation %s: %w", g.ID, err)
	}
	u.o.Log.InfoContext(ctx, "a new generation of advisories stands", "generation", g.ID, "records", records)
	return nil
}
