package list

import (
	"time"

	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Words for whether an image is in use. InUseNo is of one that was seen in use, and not within the active days; of one that nobody
// told of it is not known.
const (
	InUseYes     = "yes"
	InUseNo      = "no"
	InUseUnknown = "not known"
)

// InUseWord is the word for a row.
func InUseWord(v *posture.View, r *posture.Row, now time.Time) string {
	switch in, known := v.InUseNow(r, now); {
	case !known:
		return InUseUnknown
	case in:
		return InUseYes
	}
	return InUseNo
}

// InUse is when an image was last seen in use, as the API writes it.
type InUse struct {
	Last    time.Time            `json:"last"`
	Sources map[string]time.Time `json:"sources"` // when each last saw it
}

// InUseOf is when a row's image was last seen in use; nil where nobody told.
func InUseOf(v *posture.View, r *posture.Row) *InUse {
	u, ok := v.InUse(r)
	if !ok {
		return nil
	}
	return &InUse{u.Last, u.Sources}
}

// InUseColumn is the images list's column of when an image was last seen in use.
func InUseColumn(v *posture.View) Column[*posture.Row] {
	return Column[*posture.Row]{"in use", func(r *posture.Row) string {
		if u, ok := v.InUse(r); ok {
			return stamp(u.Last)
		}
		return InUseUnknown
	}}
}
