package pages

import (
	"maps"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// useCell is whether an image is in use, by what somebody told.
type useCell struct {
	Word    string    // of list.InUseWord
	Last    time.Time // when it was last seen; zero where nobody told
	Sources []string  // who saw it
}

func useOf(v *posture.View, r *posture.Row, now time.Time) useCell {
	u, _ := v.InUse(r)
	return useCell{list.InUseWord(v, r, now), u.Last, slices.Sorted(maps.Keys(u.Sources))}
}
