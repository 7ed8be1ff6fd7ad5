package advisory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
)

// Updater makes generations from a source. It is used by one caller at a time.
type Updater struct {
	store  *blob.Store
	source Source
	o      Options
	last   *Index // nil until the first Update
	// distrust says that a pack of the last generation was not there when it was needed: every feed is then read anew.
	distrust bool
	// accept takes feeds that lost more than the guard allows or went back in time.
	accept bool
}

// Options say how an [Updater] works.
type Options struct {
	Log *slog.Logger
	Now func() time.Time // default time.Now
	// Enrichment are feeds about exploitation that are asked elsewhere than at the source (see [At]).
	Enrichment map[enrich.Kind]func(ctx context.Context, have Stamp) (Answer, error)
	// AllowOlder takes a bundle that knows less than what stands, as an operator has confirmed.
	AllowOlder bool
	// Cache keeps compiled indexes; the empty one keeps none.
	Cache Cache
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
	lastErr := u.catchUp(ctx)
	parts, source, err := u.look(ctx)
	if ctx.Err() != nil {
		return u.last, false, errors.Join(lastErr, context.Cause(ctx))
	}
	enrichment, tables := u.enrichments(ctx, err)
	g := plimsoll.Generation{Source: source, Enrichment: enrichment}
	own := u.own(ctx)
	if ctx.Err() != nil {
		return u.last, false, errors.Join(lastErr, context.Cause(ctx))
	}
	g.Own = own.feed
	changed, terr := u.take(ctx, g, parts, own, tables)
	if err == nil { // else every feed says it
		err = feedErrors(u.last.Generation())
	}
	return u.last, changed, errors.Join(lastErr, err, terr)
}

// look reads the source, feed by feed. One that cannot be asked for its feeds leaves all of them as they were, with the reason.
func (u *Updater) look(ctx context.Context) (parts []part, source string, err error) {
	var names []string
	if err = u.refuseOlder(); err == nil {
		names, err = u.source.Ecosystems(ctx)
	}
	if err == nil {
		return u.read(ctx, names), u.source.Name(), nil
	}
	last := u.last.Generation()
	for _, f := range last.Feeds {
		if _, nowhere := u.source.(none); !nowhere { // else nothing could have been read
			f.Error = err.Error()
		}
		parts = append(parts, part{feed: f})
	}
	return parts, last.Source, err
}

// Accept is an Update that an operator has confirmed: feeds are taken that lost more than the guard allows, or went back in
// time. The next Update is guarded again.
func (u *Updater) Accept(ctx context.Context) (x *Index, changed bool, err error) {
	u.accept = true
	defer func() { u.accept = false }()
	return u.Update(ctx)
}

// Own is an Update of our own records alone: no feed is asked. Its error is about them.
func (u *Updater) Own(ctx context.Context) (x *Index, changed bool, err error) {
	if err := u.catchUp(ctx); err != nil && u.last.generation.ID == "" {
		return u.last, false, err
	}
	own := u.own(ctx)
	if ctx.Err() != nil {
		return u.last, false, context.Cause(ctx)
	}
	last := u.last.generation
	parts := make([]part, len(last.Feeds))
	for i, f := range last.Feeds {
		parts[i].feed = f
	}
	g := plimsoll.Generation{Source: last.Source, Own: own.feed, Enrichment: last.Enrichment}
	changed, err = u.take(ctx, g, parts, own, u.last.tables)
	if err == nil && own.feed.Error != "" {
		err = fmt.Errorf("our own advisories: %s", own.feed.Error)
	}
	return u.last, changed, err
}

// catchUp takes the bucket's newest generation where another process has written one since.
func (u *Updater) catchUp(ctx context.Context) error {
	if u.last == nil {
		_, err := u.Last(ctx)
		return err
	}
	for _, err := range u.store.List(ctx, blob.PrefixGenerations, blob.GenerationKey(u.last.generation.ID)) {
		if err != nil {
			return fmt.Errorf("list generations: %w", err)
		}
		x, err := Latest(ctx, u.store, u.o.Cache)
		if x.generation.ID > u.last.generation.ID {
			u.last = x
		}
		return err
	}
	return nil
}

// Last is the generation that stands, without a look at the source: the bucket's newest before the first Update. The index is
// never nil; an error beside it says what could not be read.
func (u *Updater) Last(ctx context.Context) (*Index, error) {
	if u.last != nil {
		return u.last, nil
	}
	x, err := Latest(ctx, u.store, u.o.Cache)
	u.last = x
	if err != nil {
		return x, fmt.Errorf("last generation: %w", err)
	}
	return x, nil
}

func feedErrors(g plimsoll.Generation) error {
	var all []error
	for _, f := range slices.Concat(g.Feeds, []plimsoll.Feed{g.Own}, g.Enrichment) {
		if f.Error != "" {
			all = append(all, fmt.Errorf("advisories of %s: %s", f.Ecosystem, f.Error))
		}
	}
	return errors.Join(all...)
}

// part is one feed of the generation in the making; segment is nil when its pack is the last one's.
type part struct {
	feed    plimsoll.Feed
	segment *segment
}

// read looks at every feed, as many at once as there are cores: each holds one zip and its records in memory.
func (u *Updater) read(ctx context.Context, names []string) []part {
	last := u.last.Generation()
	if last.Source == u.source.Name() {
		for _, f := range last.Feeds { // a feed that is no longer offered keeps what it had, and says so
			names = append(names, f.Ecosystem)
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	parts := make([]part, len(names))
	eachCore(len(names), func(i int) { parts[i] = u.feed(ctx, names[i]) })
	return parts
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
	if u.distrust || last.Reader != readerVersion {
		last.Pack, last.Listed = "", time.Time{}
	}
	if p, ok, err := u.increment(ctx, ecosystem, last); ok || err != nil {
		return p, err
	}
	now := u.o.Now().UTC()
	have := Stamp{}
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
	if err := u.guard(last, s); err != nil {
		return part{}, err
	}
	// What the list says after the zip was made is found by its date.
	same.Zip, same.Listed, same.ListETag, same.ListChanged = sum, s.newest, "", ""
	return u.pack(ctx, ecosystem, s, same)
}

// pack writes a feed's records as a pack and compiles them. as is what else is known of the feed.
func (u *Updater) pack(ctx context.Context, ecosystem string, s staged, as plimsoll.Feed) (part, error) {
	pack, err := writePack(ctx, u.store, ecosystem, s.records)
	if err != nil {
		return part{}, err
	}
	compiled, err := compileSegment(ecosystem, pack, s.records, only(ecosystem))
	if err != nil {
		return part{}, err
	}
	if pack != as.Pack || as.Since.IsZero() {
		as.Since = u.o.Now().UTC()
	}
	as.Ecosystem, as.Pack, as.Reader = ecosystem, pack, readerVersion
	as.Records, as.Withdrawn, as.Skipped, as.SkippedID = len(s.records), s.withdrawn, s.skipped, s.skippedID
	as.Newest, as.Releases = s.newest, releases(s.records)
	return part{as, compiled}, nil
}

func (u *Updater) sameSource() bool { return u.last.Generation().Source == u.source.Name() }

// guard refuses a feed that went back in time or lost many records, until an operator accepts it. Another source may hold
// less: that is the operator's word.
func (u *Updater) guard(last plimsoll.Feed, s staged) error {
	if u.accept || u.o.AllowOlder || last.Pack == "" || !u.sameSource() {
		return nil
	}
	if s.newest.Before(last.Newest) {
		return backInTime(s.newest, last.Newest)
	}
	before := segmentAt(u.last.segments, last)
	if before == nil {
		return nil // nothing good to compare with, or to keep
	}
	now := make(map[string]time.Time, len(s.records))
	for i := range s.records {
		now[s.records[i].ID] = s.records[i].Modified
	}
	lost, older := 0, 0
	for i := range before.len() {
		switch at, still := now[string(before.id(i))]; {
		case !still:
			lost++
		case at.Before(before.modified(i)):
			older++
		}
	}
	tooMany := func(n int) bool { return n > minLost && float64(n) > maxLostShare*float64(before.len()) }
	const confirm = "more than %.0f %%; confirm with: plimsoll advisories update --accept"
	if tooMany(lost) {
		return fmt.Errorf("%w: %d of %d records are gone or withdrawn at once, "+confirm, plimsoll.ErrInvalid, lost, before.len(), maxLostShare*100)
	}
	if tooMany(older) {
		return fmt.Errorf("%w: %d of %d records are older than the forms that we have, "+confirm, plimsoll.ErrInvalid, older, before.len(), maxLostShare*100)
	}
	return nil
}

func backInTime(newest, had time.Time) error {
	return fmt.Errorf("%w: its newest record is of %s, older than the %s that we have; confirm with: plimsoll advisories update --accept",
		plimsoll.ErrInvalid, newest.Format(time.DateTime), had.Format(time.DateTime))
}

// take makes the parts and what g says beside them the present state: the last generation under a new manifest when its packs
// are the same, else a new one.
func (u *Updater) take(ctx context.Context, g plimsoll.Generation, parts []part, own part, tables []table) (changed bool, err error) {
	g.Parent, g.Created = u.last.Generation().ID, u.o.Now().UTC()
	for _, p := range parts {
		g.Feeds = append(g.Feeds, p.feed)
	}
	last := u.last.Generation()
	switch {
	case samePacks(last, g):
		last.Feeds, last.Own, last.Enrichment, last.Source = g.Feeds, g.Own, g.Enrichment, g.Source
		u.last = u.last.With(last)
		return false, nil
	case len(g.Packs()) == 0:
		u.last = u.last.With(g)
		return false, nil
	}
	x, err := u.index(ctx, g, append(parts, own), tables)
	if err != nil {
		return false, err
	}
	if g.ID, err = u.write(ctx, g); err != nil {
		return false, err
	}
	u.last = x.With(g)
	if err := u.o.Cache.keep(u.last); err != nil {
		u.o.Log.WarnContext(ctx, "compiled advisories are not kept: the next start compiles them again", "error", err)
	}
	return true, u.announce(ctx, g)
}

func samePacks(a, b plimsoll.Generation) bool {
	return slices.EqualFunc(a.Packs(), b.Packs(), func(a, b plimsoll.Feed) bool { return a.Ecosystem == b.Ecosystem && a.Pack == b.Pack })
}

// index compiles the parts; of feeds that did not change the segments at hand are taken, or else their packs are read. Where
// one cannot be read, the present state stays and the next update reads every feed from the source again.
func (u *Updater) index(ctx context.Context, g plimsoll.Generation, parts []part, tables []table) (*Index, error) {
	have := slices.Clone(u.last.segments)
	for _, p := range parts {
		if p.segment != nil {
			have = append(have, p.segment)
		}
	}
	x, err := compile(ctx, u.store, g, have, tables)
	u.distrust = err != nil && ctx.Err() == nil
	return x, err
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
