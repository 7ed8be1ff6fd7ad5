package history

import (
	"slices"
	"testing"
	"time"
)

// TestCourse: a point a day, each as it was known that day: a finding counts from its first sight to its proof, but not while it
// was out of sight.
func TestCourse(t *testing.T) {
	t.Parallel()
	at := func(days int) time.Time { return time.Date(2026, 11, 1+days, 12, 0, 0, 0, time.UTC) }
	tracker := NewTracker()
	for name, e := range map[string]entry{
		"a": {id: "CVE-1", first: at(0), more: &more{closed: &Closure{Time: at(3)}}},
		"b": {id: "OLD-1", aliases: []string{"CVE-1"}, first: at(1), more: &more{away: []Away{{at(2), at(4)}}}},
		"c": {id: "CVE-2", first: at(0)},
	} {
		e.pkg = "openssl"
		tracker.repos[repoKey{"dev", name}] = &repo{entries: []entry{e}}
	}
	var got []int
	for _, p := range tracker.Course("", []string{"openssl"}, []string{"CVE-1"}, at(5)) {
		got = append(got, p.Open)
	}
	if want := []int{1, 2, 1, 0, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("day by day %v, want %v", got, want)
	}
	if got := tracker.Course("prod", []string{"openssl"}, []string{"CVE-1"}, at(5)); got != nil {
		t.Errorf("of another registry: %v", got)
	}
	if got := tracker.Course("", []string{"openssl"}, []string{"CVE-1"}, at(400)); len(got) > maxPoints || !got[len(got)-1].Time.Equal(at(400)) {
		t.Errorf("%d points until %v", len(got), got[len(got)-1].Time)
	}
}

// TestOutOfSight: a finding whose tag went and came back keeps its clock, and the time between is remembered.
func TestOutOfSight(t *testing.T) {
	t.Parallel()
	at := func(h int) time.Time { return time.Date(2026, 11, 1, h, 0, 0, 0, time.UTC) }
	e := entry{id: "CVE-1", first: at(0)}
	for i := range maxAway + 10 {
		e.close(Closure{Time: at(2*i + 1), Proof: ProofTagGone})
		e.reopen(at(2*i + 2))
	}
	f := e.finding(repoKey{})
	if len(f.Spans) != 1 || !f.Open() || len(f.Away) != maxAway || f.Away[maxAway-1].Until != at(2*(maxAway+9)+2) {
		t.Errorf("%d spans, %d times away, the last until %v", len(f.Spans), len(f.Away), f.Away[len(f.Away)-1].Until)
	}
	if last := f.Away[maxAway-1]; f.StoodAt(last.From) || !f.StoodAt(last.Until) {
		t.Error("it stood while it was away, or did not when it was back")
	}
}
