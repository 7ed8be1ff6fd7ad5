package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Config is what reports are made from.
type Config struct {
	Store        *blob.Store
	View         func() *posture.View // nil before the first fold
	Registries   []plimsoll.Registry
	Organisation string
	Zone         string // IANA name; empty: UTC
	Generator    string // name and version of the program
	// History are all findings over time, and Moved says why the posture moved between two moments. Without them the sections
	// that need them say so.
	History func() iter.Seq[*history.Finding]
	Moved   func(ctx context.Context, from, to time.Time, registry string) (*history.Moved, error)

	StaleAfter time.Duration
	Now        func() time.Time
}

// Writer makes, lists and reads reports. It is safe for concurrent use, also by several processes over one bucket.
type Writer struct {
	Config
	zone *time.Location
}

// New checks the zone.
func New(c Config) (*Writer, error) {
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return nil, fmt.Errorf("reporter.report_zone %q: %w: want an IANA name like Europe/Berlin", c.Zone, plimsoll.ErrInvalid)
	}
	return &Writer{Config: c, zone: zone}, nil
}

const (
	manifestName = "manifest.json"
	modelName    = "report.json"
	// announceAfter is how long after a manifest was made another writer waits before it says so in the change log: its
	// maker does that at once, unless it died in between.
	announceAfter = time.Minute
)

func key(period, name string) string { return blob.PrefixReports + period + "/" + name }

// stored is a report as read back, reduced to what the next one needs.
type stored struct {
	manifest Manifest
	trend    TrendWeek
	due      DueWeek
}

// WriteReport makes the report of a period once (workflows.Reporter). A second call finds the manifest and does nothing. A
// week that is not over is refused, because its report could never be completed.
func (w *Writer) WriteReport(ctx context.Context, period string, cutoff time.Time) error {
	_, _, err := w.Make(ctx, period, cutoff)
	return err
}

// Make is [Writer.WriteReport] that also gives the manifest, and whether this call made it. A zero cutoff is the week's end.
func (w *Writer) Make(ctx context.Context, period string, cutoff time.Time) (Manifest, bool, error) {
	week, err := ParseWeek(period, w.zone)
	if err != nil {
		return Manifest{}, false, fmt.Errorf("report: %w", err)
	}
	if cutoff.IsZero() {
		cutoff = week.To
	}
	if w.Now().Before(week.To) || cutoff.Before(week.To) {
		return Manifest{}, false, fmt.Errorf("report %s: %w: the week ends at %s; ask for a draft, or for %s", period, plimsoll.ErrInvalid, instant(week.To), LastWeek(w.Now().In(w.zone)).Name)
	}
	if m, err := w.Manifest(ctx, period); !errors.Is(err, plimsoll.ErrNotFound) {
		if err == nil && w.Now().Sub(m.Made) > announceAfter {
			err = w.announce(ctx, m)
		}
		return m, false, err
	}
	return w.make(ctx, week, cutoff)
}

func (w *Writer) make(ctx context.Context, week Week, cutoff time.Time) (Manifest, bool, error) {
	model, err := w.model(ctx, week, cutoff)
	if err != nil {
		return Manifest{}, false, err
	}
	m := Manifest{
		Period: week.Name, Revision: model.Front.Revision, Cutoff: model.Front.Cutoff, Zone: model.Front.Zone, Made: model.Front.Made,
		Sentence: model.Page.Sentence, Previous: string(model.Front.Previous.Digest), Generator: model.Front.Generator,
	}
	for _, f := range files(model) {
		b, err := w.createFile(ctx, week.Name, f)
		if err != nil {
			return Manifest{}, false, fmt.Errorf("report %s: %w", week.Name, err)
		}
		m.Files = append(m.Files, File{f.name, f.kind, len(b), plimsoll.DigestOf(b)})
	}
	return w.seal(ctx, m)
}

// model creates the model, or takes the one that another run has created: from then on all files follow from it.
func (w *Writer) model(ctx context.Context, week Week, cutoff time.Time) (Model, error) {
	m, err := blob.ReadJSON[Model](ctx, w.Store, key(week.Name, modelName))
	if err == nil || !errors.Is(err, plimsoll.ErrNotFound) {
		return m, wrap(week.Name, err)
	}
	v := w.View()
	if v == nil {
		return m, fmt.Errorf("report %s: %w: the first fold of the posture has not ended", week.Name, plimsoll.ErrUnavailable)
	}
	former, err := w.former(ctx, week.Name)
	if err != nil {
		return m, wrap(week.Name, err)
	}
	m = w.build(ctx, v, week, cutoff, former)
	b, err := json.Marshal(m)
	if err != nil {
		return m, wrap(week.Name, err)
	}
	if err := w.Store.Create(ctx, key(week.Name, modelName), b); err != nil && !errors.Is(err, blob.ErrExists) {
		return m, wrap(week.Name, err)
	}
	m, err = blob.ReadJSON[Model](ctx, w.Store, key(week.Name, modelName))
	return m, wrap(week.Name, err)
}

func wrap(period string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("report %s: %w", period, err)
}

// output is one file before it is stored.
type output struct {
	name, kind string
	write      func(*bytes.Buffer) error
}

// createFile stores one file, or takes the stored one, so that the manifest always names what is there.
func (w *Writer) createFile(ctx context.Context, period string, f output) ([]byte, error) {
	if f.write == nil { // the model itself, stored already
		o, err := w.Store.Get(ctx, key(period, f.name))
		return o.Bytes, err
	}
	var out bytes.Buffer
	if err := f.write(&out); err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	err := w.Store.Create(ctx, key(period, f.name), out.Bytes())
	if errors.Is(err, blob.ErrExists) {
		o, err := w.Store.Get(ctx, key(period, f.name))
		return o.Bytes, err
	}
	return out.Bytes(), err
}

// seal creates the manifest, last. Whoever creates it has made the report and says so in the change log.
func (w *Writer) seal(ctx context.Context, m Manifest) (Manifest, bool, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, false, wrap(m.Period, err)
	}
	err = w.Store.Create(ctx, key(m.Period, manifestName), b)
	if errors.Is(err, blob.ErrExists) {
		m, err = w.Manifest(ctx, m.Period)
		return m, false, err
	}
	if err != nil {
		return m, false, wrap(m.Period, err)
	}
	m.Digest = plimsoll.DigestOf(b)
	return m, true, w.announce(ctx, m)
}

// announce appends to the change log that the report was made, unless the log says so already.
func (w *Writer) announce(ctx context.Context, m Manifest) error {
	for batch, err := range w.Store.Changes(ctx, plimsoll.StreamDecisions, 0) {
		if err != nil {
			return wrap(m.Period, err)
		}
		for _, c := range batch.Changes {
			if c.Kind == plimsoll.ChangeReport && c.Subject == m.Period && c.Digest == m.Digest {
				return nil
			}
		}
	}
	change := plimsoll.Change{Kind: plimsoll.ChangeReport, Subject: m.Period, Digest: m.Digest, Text: fmt.Sprintf("revision %d: %s", m.Revision, m.Sentence)}
	_, err := w.Store.Append(ctx, plimsoll.StreamDecisions, "report", w.Now(), []plimsoll.Change{change})
	return wrap(m.Period, err)
}

// Manifest reads the manifest of a period; ErrNotFound when there is no report.
func (w *Writer) Manifest(ctx context.Context, period string) (Manifest, error) {
	if _, err := ParseWeek(period, w.zone); err != nil {
		return Manifest{}, err
	}
	o, err := w.Store.Get(ctx, key(period, manifestName))
	if err != nil {
		return Manifest{}, wrap(period, err)
	}
	var m Manifest
	if err := json.Unmarshal(o.Bytes, &m); err != nil || m.Period != period {
		return Manifest{}, fmt.Errorf("report %s: %w: its manifest is not one (%v)", period, plimsoll.ErrIntegrity, err)
	}
	m.Digest = plimsoll.DigestOf(o.Bytes)
	return m, nil
}

// List is every report, newest first.
func (w *Writer) List(ctx context.Context) ([]Manifest, error) {
	out := []Manifest{}
	for folder, err := range w.Store.Folders(ctx, blob.PrefixReports) {
		if err != nil {
			return nil, fmt.Errorf("list reports: %w", err)
		}
		period := strings.TrimSuffix(strings.TrimPrefix(folder, blob.PrefixReports), "/")
		m, err := w.Manifest(ctx, period)
		if errors.Is(err, plimsoll.ErrNotFound) {
			continue // being made
		}
		if err != nil {
			return nil, fmt.Errorf("list reports: %w", err)
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Manifest) int { return strings.Compare(b.Period, a.Period) })
	return out, nil
}

// Read is one file of a report, checked against its manifest. The manifest itself is a file too.
func (w *Writer) Read(ctx context.Context, period, name string) (File, []byte, error) {
	m, err := w.Manifest(ctx, period)
	if err != nil {
		return File{}, nil, err
	}
	files := slices.Concat(m.Files, []File{{manifestName, "application/json", 0, m.Digest}})
	i := slices.IndexFunc(files, func(f File) bool { return f.Name == name })
	if i < 0 {
		return File{}, nil, fmt.Errorf("report %s: %w: it has no file %.60q", period, plimsoll.ErrNotFound, name)
	}
	o, err := w.Store.Get(ctx, key(period, name))
	if err != nil {
		return File{}, nil, wrap(period, err)
	}
	if plimsoll.DigestOf(o.Bytes) != files[i].Digest {
		return File{}, nil, fmt.Errorf("report %s: %s: %w: it differs from the manifest", period, name, plimsoll.ErrIntegrity)
	}
	return files[i], o.Bytes, nil
}

// Draft is the model of the running week, not kept.
func (w *Writer) Draft(ctx context.Context) (Model, error) {
	v := w.View()
	if v == nil {
		return Model{}, fmt.Errorf("report draft: %w: the first fold of the posture has not ended", plimsoll.ErrUnavailable)
	}
	now := w.Now().In(w.zone)
	week := WeekOf(now)
	former, err := w.former(ctx, week.Name)
	if err != nil {
		return Model{}, wrap("draft", err)
	}
	m := w.build(ctx, v, week, now, former)
	m.Front.Draft = true
	return m, nil
}

// former reads the reports before a period, oldest first, at most a quarter of them. One whose model cannot be read has its
// period and no numbers.
func (w *Writer) former(ctx context.Context, period string) ([]stored, error) {
	all, err := w.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []stored
	for _, m := range all { // newest first
		if m.Period >= period || len(out) == trendWeeks {
			continue
		}
		s := stored{manifest: m, trend: TrendWeek{Period: m.Period}, due: DueWeek{Period: m.Period}}
		model, err := blob.ReadJSON[Model](ctx, w.Store, key(m.Period, modelName))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			s.trend = TrendWeek{m.Period, model.Page.Active, model.Page.Covered, model.Page.Listed}
			if n := len(model.Ranking.Trend); n > 0 {
				s.due = model.Ranking.Trend[n-1]
			}
		}
		out = append(out, s)
	}
	slices.Reverse(out)
	return out, nil
}

// Last is the name of the week that ended last.
func (w *Writer) Last() string { return LastWeek(w.Now().In(w.zone)).Name }
