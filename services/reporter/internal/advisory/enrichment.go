package advisory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
)

// Beside the ecosystems a source may offer feeds about exploitation, in a folder "enrichment", each one file (see
// [enrich.Kind.Files]). They are kept in generations like the others, and stand in [plimsoll.Generation.Enrichment].

// Enriching is a source that may offer feeds about exploitation.
type Enriching interface {
	// Enrichment reads one feed, at most [enrich.MaxFile] bytes; an error wraps [plimsoll.ErrNotFound] when the source has none.
	Enrichment(ctx context.Context, kind enrich.Kind, have Stamp) (Answer, error)
}

const enrichmentFolder = "enrichment"

func (f folder) Enrichment(ctx context.Context, kind enrich.Kind, _ Stamp) (Answer, error) {
	for _, name := range kind.Files() {
		if ctx.Err() != nil {
			return Answer{}, context.Cause(ctx)
		}
		b, err := f.read(enrichmentFolder+"/"+name, enrich.MaxFile)
		if errors.Is(err, fs.ErrNotExist) && f.beside != nil {
			b, err = readFrom(f.beside, name, enrich.MaxFile)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return Answer{Bytes: b}, err
		}
	}
	return Answer{}, fmt.Errorf("%s: %w in %s", kind, plimsoll.ErrNotFound, f.name)
}

func (w *web) Enrichment(ctx context.Context, kind enrich.Kind, have Stamp) (answer Answer, err error) {
	for _, name := range kind.Files() {
		answer, err = w.get(ctx, enrichmentFolder+"/"+name, enrich.MaxFile, have)
		if !errors.Is(err, plimsoll.ErrNotFound) {
			return answer, err
		}
	}
	return answer, err
}

// At is one file by itself, at a URL or a path: for feeds that are published apart from the advisories.
func At(location string, o WebOptions) (func(ctx context.Context, have Stamp) (Answer, error), error) {
	if at := strings.LastIndexByte(location, '/'); isWeb(location) && at > 0 {
		source, err := Web(location[:at], o)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, have Stamp) (Answer, error) {
			return source.(*web).get(ctx, location[at+1:], enrich.MaxFile, have) //nolint:forcetypeassert // Web gives nothing else
		}, nil
	}
	return func(ctx context.Context, _ Stamp) (Answer, error) {
		if ctx.Err() != nil {
			return Answer{}, context.Cause(ctx)
		}
		b, err := readLimited(location, enrich.MaxFile)
		return Answer{Bytes: b}, err
	}, nil
}

// enrichments brings the feeds about exploitation to their present state. A kind that nobody configured and that was never
// offered is none; one that cannot be read now keeps what it had and says why. down is why the source cannot be asked.
func (u *Updater) enrichments(ctx context.Context, down error) (feeds []plimsoll.Feed, tables []table) {
	for _, kind := range enrich.Kinds {
		last, had := u.lastEnrichment(kind)
		before := u.last.tableOf(kind)
		var feed plimsoll.Feed
		var now *enrich.Table
		err, wanted := down, u.o.Enrichment[kind] != nil
		if err == nil || wanted {
			feed, now, err = u.tryEnrichment(ctx, kind, last, before)
		}
		switch {
		case err != nil && !had && !wanted:
			continue
		case err != nil:
			feed, now = last, before
			feed.Ecosystem, feed.Error = string(kind), strings.TrimSpace(err.Error())
		}
		feeds = append(feeds, feed)
		if now != nil {
			tables = append(tables, table{now, feed.Pack})
		}
	}
	return feeds, tables
}

func (u *Updater) lastEnrichment(kind enrich.Kind) (plimsoll.Feed, bool) {
	for _, f := range u.last.generation.Enrichment {
		if f.Ecosystem == string(kind) {
			return f, true
		}
	}
	return plimsoll.Feed{Ecosystem: string(kind)}, false
}

func (u *Updater) tryEnrichment(ctx context.Context, kind enrich.Kind, last plimsoll.Feed, before *enrich.Table) (plimsoll.Feed, *enrich.Table, error) {
	now := u.o.Now().UTC()
	have := Stamp{}
	if before != nil && u.sameSource() && last.Reader == readerVersion {
		have = Stamp{last.ETag, last.Changed}
	}
	answer, err := u.askEnrichment(ctx, kind, have)
	if err != nil {
		return last, nil, err
	}
	same := last
	same.Checked, same.Error, same.ETag, same.Changed = now, "", answer.Stamp.ETag, answer.Stamp.Changed
	if answer.Unchanged {
		return same, before, nil
	}
	sum := sumOf(answer.Bytes)
	if before != nil && last.Zip == sum && last.Reader == readerVersion {
		return same, before, nil
	}
	read, err := enrich.Parse(kind, answer.Bytes)
	if err != nil {
		return last, nil, err
	}
	if err := u.guardEnrichment(last, read); err != nil {
		return last, nil, err
	}
	if same.Pack, err = writeEnrichment(ctx, u.store, kind, read); err != nil {
		return last, nil, err
	}
	if same.Since.IsZero() || same.Pack != last.Pack {
		same.Since = now
	}
	same.Records, same.Skipped, same.SkippedID = len(read.Rows), read.Skipped, read.Named
	same.Newest, same.Zip, same.Reader = read.Date, sum, readerVersion
	return same, enrich.Compile(kind, read), nil
}

func (u *Updater) askEnrichment(ctx context.Context, kind enrich.Kind, have Stamp) (Answer, error) {
	if ask := u.o.Enrichment[kind]; ask != nil {
		return ask(ctx, have)
	}
	if source, can := u.source.(Enriching); can {
		return source.Enrichment(ctx, kind, have)
	}
	return Answer{}, fmt.Errorf("%s: %w in this source", kind, plimsoll.ErrNotFound)
}

// guardEnrichment refuses a feed that went back in time or lost many rows, until an operator accepts it.
func (u *Updater) guardEnrichment(last plimsoll.Feed, read enrich.Read) error {
	switch lost := last.Records - len(read.Rows); {
	case u.accept || u.o.AllowOlder || last.Pack == "" || !u.sameSource():
		return nil
	case read.Date.Before(last.Newest):
		return backInTime(read.Date, last.Newest)
	case lost > minLost && float64(lost) > maxLostShare*float64(last.Records):
		return fmt.Errorf("%w: it has %d CVEs less than the %d that we have, more than %.0f %%; confirm with: plimsoll advisories update --accept",
			plimsoll.ErrInvalid, lost, last.Records, maxLostShare*100)
	}
	return nil
}

// An enrichment pack is a line with the feed's date, then one JSON line a CVE, sorted.

type packHead struct {
	Kind enrich.Kind `json:"kind"`
	Date time.Time   `json:"date"`
}

func writeEnrichment(ctx context.Context, s *blob.Store, kind enrich.Kind, read enrich.Read) (sum string, err error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	if err := enc.Encode(packHead{kind, read.Date}); err != nil {
		return "", fmt.Errorf("pack %s: %w", kind, err)
	}
	for i := range read.Rows {
		if err := enc.Encode(&read.Rows[i]); err != nil {
			return "", fmt.Errorf("pack %s: %w", kind, err)
		}
	}
	return putPack(ctx, s, blob.EnrichmentPack(string(kind)), buf.Bytes())
}

func readEnrichment(ctx context.Context, s *blob.Store, f plimsoll.Feed) (*enrich.Table, error) {
	b, err := getPack(ctx, s, blob.EnrichmentPack(f.Ecosystem), f.Pack)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	var head packHead
	err = dec.Decode(&head)
	read := enrich.Read{Date: head.Date}
	for err == nil && dec.More() {
		var row enrich.Row
		err = dec.Decode(&row)
		read.Rows = append(read.Rows, row)
	}
	if err == nil && (string(head.Kind) != f.Ecosystem || !slices.Contains(enrich.Kinds, head.Kind)) {
		err = fmt.Errorf("it holds %.40q", head.Kind)
	}
	if err != nil {
		return nil, fmt.Errorf("pack of %s: %w: %w", f.Ecosystem, plimsoll.ErrIntegrity, err)
	}
	return enrich.Compile(head.Kind, read), nil
}

// compileEnrichment makes the tables of a generation. Those at hand are not read again.
func compileEnrichment(ctx context.Context, s *blob.Store, g plimsoll.Generation, have []table) ([]table, error) {
	var out []table
	for _, f := range g.Enrichment {
		if f.Pack == "" {
			continue
		}
		if i := slices.IndexFunc(have, func(t table) bool { return string(t.Kind()) == f.Ecosystem && t.pack == f.Pack }); i >= 0 {
			out = append(out, have[i])
			continue
		}
		t, err := readEnrichment(ctx, s, f)
		if err != nil {
			return nil, err
		}
		out = append(out, table{t, f.Pack})
	}
	return out, nil
}

// table is an enrichment feed in an index.
type table struct {
	*enrich.Table
	pack string
}

// Enrichment is what the feeds about exploitation say of a flaw; false when they say nothing, as of every flaw that is no CVE.
func (x *Index) Enrichment(flaw string) (e plimsoll.Enrichment, ok bool) {
	for _, t := range x.tables {
		t.Fill(flaw, &e)
	}
	return e, e != plimsoll.Enrichment{}
}
