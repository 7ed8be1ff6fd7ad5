// Package house keeps the bucket in order: backup and restore of what nothing can derive again, a check of everything in it,
// and the removal of what nobody needs any more.
//
// All of it works on the bucket alone, whatever else runs: objects are immutable, versioned, or changed by conditional writes,
// and the change log says what happened in between. The parts of Plimsoll are not asked.
package house

import (
	"context"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// kind is one part of the bucket: what its loss costs, and whether it is made again.
type kind struct {
	prefix    string
	derivable bool
	lost      string // what it costs that an object is lost or damaged
	mend      string // what to do
}

const fromBackup = "restore it from a backup"

// kinds are all parts of the bucket. A key that belongs to none of them is not ours.
var kinds = []kind{
	{blob.PrefixFacts, true, "the layer is read again", "nothing: the next scan of an image with it reads the layer"},
	{blob.PrefixAttempts, true, "a layer that failed is tried again", "nothing"},
	{blob.PrefixPlans, true, "a scan that was cut is done again", "nothing: the next sweep asks again"},
	{blob.PrefixImages, true, "the manifest is read again", "nothing: the next scan of the image reads it"},
	{blob.PrefixInventories, true, "the image has no verdict until it is assembled again; a past moment cannot show it", "run: plimsoll fsck --repair, then plimsoll sweep start"},
	{blob.PrefixPartial, true, "the image has no verdict until it is assembled again", "nothing: the next sweep asks again"},
	{blob.PrefixSnapshots, true, "a start takes longer", "nothing"},
	{blob.PrefixPosture, true, "the day's export is gone; the change log still tells of the day", "nothing: the next day is exported again"},
	{blob.PrefixGC, true, "what nobody needs is marked anew, a week later", "nothing"},
	{blob.PrefixRefs, false, "the tags of a repository, when they were first seen and what they held are unknown until a sweep", fromBackup + ", or start a sweep: first seen then begins today"},
	{blob.PrefixSweeps, false, "one night's counts are gone", fromBackup},
	{blob.PrefixChanges, false, "history stops there: the posture follows that stream no further", fromBackup},
	{blob.PrefixGenerations, false, "past moments are shown by the generation before", fromBackup + ", or run: plimsoll advisories update"},
	{blob.PrefixPacks, false, "generations that name it cannot be loaded", fromBackup + ", or run: plimsoll advisories update"},
	{blob.PrefixOwn, false, "one of your own advisories is gone", fromBackup + ", or add it again: plimsoll advisories add"},
	{blob.PrefixReports, false, "a report, or a part of one, cannot be shown or verified", fromBackup},
	{blob.PrefixPolicy, false, "moments judged by that policy cannot be shown", fromBackup},
	{"waivers/", false, "a decision is gone", fromBackup},
	{"vex/", false, "a statement is gone", fromBackup},
	{"audit/", false, "part of the audit log is gone", fromBackup},
	{"keys/", false, "fingerprints of the same secrets change", fromBackup},
	{"history/", false, "it is built again from the change log, as far as that and the inventories go", "nothing, or " + fromBackup},
	{blob.PrefixEvents, false, "one day's counts of a registry's push events are gone", fromBackup},
	{blob.PrefixInUse, false, "when some images were last seen in use is not known", "nothing: whoever tells it tells it again"},
}

// kindOf is the part of the bucket that a key belongs to; nil when it is none of ours.
func kindOf(key string) *kind {
	for i := range kinds {
		if strings.HasPrefix(key, kinds[i].prefix) {
			return &kinds[i]
		}
	}
	return nil
}

// Progress is told what is being done, for people who wait.
type Progress func(what string, objects int, bytes int64)

func (p Progress) tell(what string, objects int, bytes int64) {
	if p != nil {
		p(what, objects, bytes)
	}
}

// positions is where each stream of the change log ends now.
func positions(ctx context.Context, s *blob.Store) (map[string]int64, error) {
	streams, err := s.Streams(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, stream := range streams {
		if out[stream], err = s.Position(ctx, stream); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// checkKey refuses a key that no part of ours would write: a backup is a file, and anybody may have made it.
func checkKey(key string) error {
	if kindOf(key) == nil {
		return fmt.Errorf("key %.120q is no object of Plimsoll's", key)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment == "." || segment == ".." || len(segment) > maxSegment || strings.ContainsFunc(segment, odd) {
			return fmt.Errorf("key %.120q has a part that no key of Plimsoll's has", key)
		}
	}
	return nil
}

// maxSegment is the longest part of a key, in bytes (DESIGN §5).
const maxSegment = 128

// odd are characters that stand in no key.
func odd(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }
