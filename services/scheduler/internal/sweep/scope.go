package sweep

import (
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/discover"
)

// scope is what a registry's settings leave out of one repository.
type scope struct {
	counts plimsoll.LeftOut
	out    map[string]bool // tags left out by newest_tags and moved_within: they exist, so they are not missing
}

// cut keeps the tags that the settings want: by the patterns, by when they were pushed before the sweep began, and the newest of
// those.
func (s *scope) cut(r Registry, repository string, tags []discover.Tag, began time.Time) []discover.Tag {
	s.out = map[string]bool{}
	wanted := slices.DeleteFunc(slices.Clone(tags), func(t discover.Tag) bool { return !r.wants(repository, t.Name) })
	s.counts.Patterns = len(tags) - len(wanted)
	if within := r.Conf.MovedWithin; within > 0 {
		since := began.Add(-within)
		wanted = slices.DeleteFunc(wanted, func(t discover.Tag) bool {
			old := !t.Pushed.IsZero() && t.Pushed.Before(since)
			if old {
				s.out[t.Name] = true
				s.counts.Moved++
			}
			return old
		})
	}
	newest := slices.Clone(discover.Newest(wanted, r.Conf.NewestTags))
	s.counts.Newest = len(wanted) - len(newest)
	if s.counts.Newest == 0 {
		return wanted
	}
	kept := map[string]bool{}
	for _, t := range newest {
		kept[t.Name] = true
	}
	return slices.DeleteFunc(wanted, func(t discover.Tag) bool {
		s.out[t.Name] = !kept[t.Name]
		return !kept[t.Name]
	})
}
