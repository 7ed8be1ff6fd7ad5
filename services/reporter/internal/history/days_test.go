package history_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// counted are a moment's stored images, and those of their findings that were first seen within a day.
func counted(m *posture.Moment) map[string]history.Numbers {
	fresh := 0
	for _, r := range m.View.Rows() {
		for f := range m.View.Each(r) {
			if m.At.Sub(m.View.First(r, f)) <= 24*time.Hour {
				fresh++
			}
		}
	}
	return map[string]history.Numbers{"": {Short: new(len(m.View.Rows())), Fresh: &fresh}}
}

// TestDays: each day's numbers are those of its first instant, the same when they are made day by day, by another run, or all at
// once from the change log; a day before the log began is not known.
func TestDays(t *testing.T) {
	t.Parallel()
	w := start(t)
	begin := w.At
	days := history.NewDays(w.Config(), w.Findings, counted)
	fill := func(d *history.Days) {
		t.Helper()
		if err := d.Fill(t.Context(), w.At); err != nil {
			t.Fatal(err)
		}
	}
	fill(days)
	if got := days.Until("", w.At); got != nil {
		t.Errorf("before the first day ended %d are known", len(got))
	}
	for n := range 6 {
		push(w, "shop/orders", string(rune('a'+n)), log4j(vulnerable), lodash("4.17.20"))
		if n == 2 {
			w.Gone("harbor", "shop/orders", "a")
			w.Advance()
		}
		w.At = begin.AddDate(0, 0, n+1)
		if n != 3 { // nobody ran on that day
			fill(days)
		}
	}
	var images, fresh []int
	for _, d := range days.Until("", w.At) {
		if d.Numbers == (history.Numbers{}) {
			if len(images) > 0 {
				t.Errorf("%s is not known", d.Time)
			}
			continue
		}
		images, fresh = append(images, *d.Numbers.Short), append(fresh, *d.Numbers.Fresh)
	}
	if want := []int{1, 2, 2, 3, 4, 5}; !slices.Equal(images, want) {
		t.Errorf("images day by day %v, want %v", images, want)
	}
	if want := []int{2, 0, 0, 0, 0, 0}; !slices.Equal(fresh, want) {
		t.Errorf("new findings day by day %v, want %v: a flaw is new once in a repository", fresh, want)
	}
	if got := days.Until("nowhere", w.At); got != nil {
		t.Errorf("of a registry that was not there: %v", got)
	}
	if got := days.Until("", w.At.Truncate(24*time.Hour).Add(10*time.Minute)); !got[len(got)-1].Time.Equal(w.At.Truncate(24*time.Hour).AddDate(0, 0, -1)) {
		t.Errorf("a day of ten minutes is shown: %s", got[len(got)-1].Time)
	}

	other := history.NewDays(w.Config(), w.Findings, func(*posture.Moment) map[string]history.Numbers {
		t.Error("a day that is written is counted again")
		return nil
	})
	fill(other)
	if diff := cmp.Diff(days.Until("", w.At), other.Until("", w.At)); diff != "" {
		t.Errorf("another run reads other numbers (-first +other):\n%s", diff)
	}
	if err := w.Store.Delete(t.Context(), blob.DaysKey); err != nil {
		t.Fatal(err)
	}
	anew := history.NewDays(w.Config(), w.Findings, counted)
	fill(anew)
	if diff := cmp.Diff(days.Until("", w.At), anew.Until("", w.At)); diff != "" {
		t.Errorf("the change log tells other numbers (-day by day +all at once):\n%s", diff)
	}
}

// TestDaysWaitForFindings: while it is not known when findings were first seen no day is made, and damage is made anew.
func TestDaysWaitForFindings(t *testing.T) {
	t.Parallel()
	w := start(t)
	push(w, "shop/orders", "1", log4j(vulnerable))
	w.At = w.At.AddDate(0, 0, 1)
	behind := history.NewTracker()
	days := history.NewDays(w.Config(), behind, counted)
	if err := days.Fill(t.Context(), w.At); !errors.Is(err, plimsoll.ErrUnavailable) || days.Until("", w.At) != nil {
		t.Errorf("numbers of findings that are not followed yet: %v", err)
	}
	if err := behind.CatchUp(t.Context(), w.Config(), w.Engine.View()); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.Put(t.Context(), blob.DaysKey, []byte("[")); err != nil {
		t.Fatal(err)
	}
	for _, x := range []*history.Days{days, history.NewDays(w.Config(), behind, counted)} {
		if err := x.Fill(t.Context(), w.At); err != nil || x.Until("", w.At) == nil {
			t.Errorf("no day is made where what was written is damaged: %v", err)
		}
		if err := w.Store.Put(t.Context(), blob.DaysKey, []byte("[")); err != nil {
			t.Fatal(err)
		}
	}
}
