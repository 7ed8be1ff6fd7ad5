package discover

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestNewestByName: without times, higher versions first, words before all versions.
func TestNewestByName(t *testing.T) {
	t.Parallel()
	want := strings.Fields("stable latest 10.0.0 v2.10.1 2.9 1.10 1.09a 1.9 1.9-rc2 1.9-rc1 1.2.3 1.2")
	var tags []Tag
	for _, name := range want {
		tags = append(tags, Tag{Name: name})
	}
	slices.Reverse(tags)
	for n := 1; n <= len(want); n++ {
		got := tagNames(Newest(tags, n))
		kept := slices.Sorted(slices.Values(got))
		wanted := slices.Sorted(slices.Values(want[:n]))
		if !slices.Equal(kept, wanted) {
			t.Errorf("newest %d: %v, want %v", n, kept, wanted)
		}
	}
}

// TestNewestByTime: the last pushed first, and a tag without a time is never left out for one that has it.
func TestNewestByTime(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return pushed.AddDate(0, 0, n) }
	tags := []Tag{{Name: "9", Pushed: day(1)}, {Name: "1", Pushed: day(3)}, {Name: "untold"}, {Name: "5", Pushed: day(2)}}
	if got := tagNames(Newest(tags, 2)); !slices.Equal(got, []string{"untold", "1"}) {
		t.Errorf("newest 2: %v", got)
	}
	if got := Newest(tags, 0); len(got) != 4 {
		t.Errorf("no bound: %v", got)
	}
}
