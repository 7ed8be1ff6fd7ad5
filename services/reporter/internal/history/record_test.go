package history_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// recorded are the changes of a stream, as one line each.
func recorded(t *testing.T, w *posturetest.World, stream string) (out []string) {
	t.Helper()
	for batch, err := range w.Store.Changes(t.Context(), stream, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range batch.Changes {
			out = append(out, string(c.Kind)+" "+c.Text)
		}
	}
	return out
}

// TestRecord: what is in force is said once, and again when it is another one.
func TestRecord(t *testing.T) {
	t.Parallel()
	w := posturetest.Empty(t)
	p, s := w.Policy, history.SettingsOf(w.Registries, 30, 48*time.Hour)
	other, fewer := p, history.SettingsOf(w.Registries[:1], 7, 48*time.Hour)
	other.Digest, other.Version = plimsoll.DigestOf([]byte("other")), 8
	fewer.Registries[0].Exclude = []string{"old/**"}
	for _, x := range []struct {
		p plimsoll.Policy
		s plimsoll.Settings
	}{{p, s}, {p, s}, {other, s}, {other, fewer}, {p, fewer}, {p, fewer}} {
		if err := history.Record(t.Context(), w.Store, w.At, x.p, x.s); err != nil {
			t.Fatal(err)
		}
	}
	own := fmt.Sprintf("policy baseline v%d", p.Version)
	want := []string{
		"scope harbor added; ecr-prod added; active days 30; feeds stale after 48h0m0s", own, "policy baseline v8",
		"scope harbor changed; ecr-prod removed; active days 7", own,
	}
	if got := recorded(t, w, plimsoll.StreamDecisions); !slices.Equal(got, want) {
		t.Errorf("recorded\n%q\nwant\n%q", got, want)
	}
}

// TestFeedLog: a look that brings nothing new is recorded once an hour, one that does at once.
func TestFeedLog(t *testing.T) {
	t.Parallel()
	w := posturetest.Empty(t)
	l := history.NewFeedLog(w.Store)
	g := plimsoll.Generation{ID: "g1", Source: "mirror", Feeds: []plimsoll.Feed{{Ecosystem: "npm"}}}
	look := func(after time.Duration, fault string) {
		w.At = w.At.Add(after)
		g.Feeds = []plimsoll.Feed{{Ecosystem: "npm", Checked: w.At, Error: fault}}
		if err := l.Checked(t.Context(), w.At, g); err != nil {
			t.Fatal(err)
		}
	}
	for range 13 {
		look(10*time.Minute, "")
	}
	if n := len(recorded(t, w, plimsoll.StreamAdvisories)); n != 3 {
		t.Errorf("%d looks in two hours are recorded, want 3", n)
	}
	look(time.Minute, "404")
	look(time.Minute, "404")
	look(time.Minute, "")
	if n := len(recorded(t, w, plimsoll.StreamAdvisories)); n != 5 {
		t.Errorf("%d looks are recorded, want 5: a fault came and went", n)
	}
}

func TestParseMoment(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-10-01": "2026-10-01T00:00:00Z", "2026-10-01T08:30:00Z": "2026-10-01T08:30:00Z", "2026-10-01T08:30:00+02:00": "2026-10-01T06:30:00Z",
		" 2026-10-01T08:30 ": "2026-10-01T08:30:00Z", "2026-10-01T08:30+02:00": "2026-10-01T06:30:00Z",
	} {
		if got, err := history.ParseMoment(text); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "2026-13-01", "01.10.2026", "2026-10-01T25:00:00Z"} {
		if _, err := history.ParseMoment(text); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("%q: %v, want invalid", text, err)
		}
	}
}

// TestReplaysAreHeld: the last few moments are kept, and a moment that cannot be is an error each time.
func TestReplaysAreHeld(t *testing.T) {
	t.Parallel()
	w := start(t)
	r := history.NewReplays(w.Config())
	begin := w.At
	push(w, "shop/orders", "1", log4j(vulnerable))
	w.At = w.At.Add(time.Hour)
	at := func(d time.Duration) any {
		m, err := r.At(t.Context(), begin.Add(d))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	first := at(0)
	for i := range 3 {
		at(time.Duration(i+1) * time.Minute)
	}
	if at(0) != first {
		t.Error("a moment that is held is computed again")
	}
	at(5 * time.Minute)
	at(6 * time.Minute)
	at(7 * time.Minute)
	at(8 * time.Minute)
	if at(0) == first {
		t.Error("more moments are held than the bound says")
	}
	if _, err := r.At(t.Context(), begin.Add(-time.Hour)); !errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("before the log: %v", err)
	}
}
