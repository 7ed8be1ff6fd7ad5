package advisory

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// TestRetention runs a generation every eight hours over 450 days of a fake clock: all of the last week stay, one a day for
// 400 days, and the one that a report names, with the packs that they need.
func TestRetention(t *testing.T) {
	t.Parallel()
	var ids []string
	now := start
	for at := start.Add(-450 * 24 * time.Hour); !at.After(now); at = at.Add(8 * time.Hour) {
		ids = append(ids, at.UTC().Format(idLayout))
	}
	named := map[string]bool{ids[3]: true}
	stay := kept(ids, named, now)
	days := map[string]int{}
	for _, id := range ids {
		at, err := time.Parse(idLayout, id)
		if err != nil {
			t.Fatal(err)
		}
		if stay[id] {
			days[id[:10]]++
		}
		if age := now.Sub(at); age <= keepAll && !stay[id] {
			t.Errorf("%s is %s old and goes", id, age)
		}
	}
	for d := 0; d <= 450; d++ {
		day := now.Add(-time.Duration(d) * 24 * time.Hour).Format(time.DateOnly)
		switch n := days[day]; {
		case d < 7 && n < 2, d > 7 && d <= 399 && n != 1, d > 401 && n > 0 && day != ids[3][:10]:
			t.Errorf("%s, %d days ago: %d generations stay", day, d, n)
		}
	}
	if !stay[ids[3]] || !stay[ids[len(ids)-1]] || !kept([]string{ids[0]}, nil, now)[ids[0]] {
		t.Error("the one that a report names, or the newest, goes")
	}
}

// TestTidy: generations that go take their packs along, and what stays can still be read, whatever it shares.
func TestTidy(t *testing.T) {
	t.Parallel()
	s, at := newStore(t), start.AddDate(-2, 0, 0)
	folder := folderOf(map[string][]byte{"npm": feedOf(t, 1, nil), "crates.io": feedOf(t, 1, nil)})
	u := updater(t, s, folder, &at)
	var ids []string
	for i := range 6 {
		folder["npm/all.zip"].Data = feedOf(t, 2+i, nil)
		x, changed, err := u.Update(t.Context())
		if err != nil || !changed {
			t.Fatal(changed, err)
		}
		ids = append(ids, x.Generation().ID)
		at = at.Add(time.Hour)
	}
	// Two years and more later than the objects were written, by the store's clock too.
	now := time.Now().AddDate(2, 0, 0)
	removed, err := Tidy(t.Context(), s, map[string]bool{ids[2]: true}, now)
	if err != nil || removed != 4+4 {
		t.Errorf("%d objects removed, %v; want four generations and their four packs", removed, err)
	}
	for i, id := range ids {
		_, err := Load(t.Context(), s, "", id)
		if want := i == 2 || i == 5; (err == nil) != want {
			t.Errorf("generation %d: %v, want it there: %v", i, err, want)
		}
	}
	if again, err := Tidy(t.Context(), s, map[string]bool{ids[2]: true}, now); again != 0 || err != nil {
		t.Errorf("again: %d removed, %v", again, err)
	}
	// A pack without a generation stays for a day: its generation may be on its way.
	key := blob.PackKey("npm", fmt.Sprintf("%064d", 7))
	if err := s.Put(t.Context(), key, []byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	if n, err := Tidy(t.Context(), s, nil, time.Now()); err != nil || slices.Contains(ids, fmt.Sprint(n)) {
		t.Error(n, err)
	}
	if there, err := s.Head(t.Context(), key); err != nil || !there {
		t.Errorf("a young pack is gone: %v", err)
	}
}
