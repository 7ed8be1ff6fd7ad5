package report

import (
	"time"

	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// use counts what was told of images being in use; nil when nobody told of any.
func use(v *posture.View) *Use {
	var in []*posture.Row
	var out Use
	for _, r := range all().With("applicable", "yes").Rows(v) {
		switch list.InUseWord(v, r, v.At()) {
		case list.InUseYes:
			in = append(in, r)
		case list.InUseNo:
			out.Not++
		default:
			out.Unknown++
		}
	}
	if len(in)+out.Not == 0 {
		return nil
	}
	out.Verdicts = list.Verdicts(in)
	return &out
}

// anyInUse is whether any of the images is in use. That none is can only be said when it is known of each.
func anyInUse(v *posture.View, rows []*posture.Row, now time.Time) string {
	word := list.InUseNo
	for _, r := range rows {
		switch list.InUseWord(v, r, now) {
		case list.InUseYes:
			return list.InUseYes
		case list.InUseUnknown:
			word = list.InUseUnknown
		}
	}
	return word
}
