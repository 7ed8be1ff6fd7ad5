package history

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

const (
	// timelineDays is how far back a timeline looks: the advisories of each day are compiled.
	timelineDays = 14
	// TimelineSpan is the same as a duration.
	TimelineSpan = timelineDays * 24 * time.Hour
	// MaxTurns is how many turns a timeline lists, the latest: more than people read.
	MaxTurns = 50
	// maxTagChanges is how many changes of the tag itself a timeline goes through, the latest: each may read an inventory.
	maxTagChanges = 100
)

// Timeline is how one platform of a tag stood over time, and why that changed.
type Timeline struct {
	Reference plimsoll.Reference `json:"-"` // registry, repository and tag
	Platform  string             `json:"-"`
	From      time.Time          `json:"from"` // [TimelineSpan] before To, or later where the tag itself changed often
	To        time.Time          `json:"to"`
	Turns     []Turn             `json:"turns"` // the latest first, at most [MaxTurns]
	Total     int                `json:"total"` // of Turns, without the limit
	First     TagState           `json:"first"` // at From
	Last      TagState           `json:"last"`  // at To
}

// Turn is one moment at which verdict, coverage or a count of findings became another.
type Turn struct {
	Time   time.Time     `json:"time"`
	Cause  posture.Cause `json:"cause"`
	What   string        `json:"what"` // the event, in words
	Actor  string        `json:"actor"`
	Before TagState      `json:"before"`
	After  TagState      `json:"after"`
}

// TagState is how a tag stands on one platform. Where it has no such image its coverage is empty.
type TagState struct {
	Verdict  plimsoll.VerdictState `json:"verdict"`
	Coverage plimsoll.ReadState    `json:"coverage"`
	Reason   string                `json:"reason"` // of the coverage
	Digest   plimsoll.Digest       `json:"digest"` // of the image that the verdict is about
	// Counts are findings by severity; nil where nothing was read.
	Counts map[plimsoll.Severity]int `json:"counts"`
	Unsure string                    `json:"unsure"` // why a count of zero does not mean that there is none; empty where it does
}

// same reports whether two states say the same of verdict, coverage and counts.
func (s TagState) same(o TagState) bool {
	return s.Verdict == o.Verdict && s.Coverage == o.Coverage && (s.Counts == nil) == (o.Counts == nil) && maps.Equal(s.Counts, o.Counts)
}

// There reports whether the tag has an image of the platform, or is one that is not resolved yet.
func (s TagState) There() bool { return s.Coverage != "" }

// StateOf is what a timeline says of a row.
func StateOf(r *posture.Row) TagState {
	s := TagState{
		Verdict: r.Verdict.State, Coverage: r.Coverage.State, Reason: r.Coverage.Reason, Digest: r.Digest, Unsure: plimsoll.Unsure(r.Coverage, r.Known),
	}
	if _, _, _, held := r.Reading(); held {
		s.Counts = map[plimsoll.Severity]int{}
		for _, severity := range plimsoll.Severities {
			s.Counts[severity] = r.Counts[severity]
		}
	}
	return s
}

// stateIn is how a tag stands in a view that has no other: by the row of the platform, else by one whose platform is not known.
func stateIn(v *posture.View, platform string) (s TagState) {
	for _, r := range v.Rows() {
		switch r.Platform.String() {
		case platform:
			return StateOf(r)
		case "":
			s = StateOf(r)
		}
	}
	return s
}

// TimelineOf tells how a platform of a tag stood until a moment, by folding what of the change log concerns the tag (see
// [posture.NewTagWalker]). Nothing is kept for it: it costs the reading of the log of the tag's registry, for each day of
// [TimelineSpan] the advisories of that day, and the inventories that the tag named, at most [maxTagChanges]. That is seconds
// where the log holds 100,000 images (BenchmarkTimeline), so that pages ask [Timelines]. Each change has one cause; advisories
// count by the last generation of each day.
func TimelineOf(ctx context.Context, cfg posture.Config, ref plimsoll.Reference, platform string, until time.Time) (*Timeline, error) {
	t, err := timelineOf(ctx, cfg, ref, platform, until)
	if err != nil {
		return nil, fmt.Errorf("history of %s until %s: %w", ref, until.UTC().Format(time.RFC3339), err)
	}
	return t, nil
}

func timelineOf(ctx context.Context, cfg posture.Config, ref plimsoll.Reference, platform string, until time.Time) (*Timeline, error) {
	w, err := posture.NewTagWalker(ctx, cfg, ref, until)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	t := &Timeline{Reference: ref, Platform: platform, From: until.Add(-TimelineSpan).UTC(), To: until.UTC(), Turns: []Turn{}}
	if since := w.Since(maxTagChanges); since.After(t.From) {
		t.From = since.UTC()
	}
	start, err := w.To(ctx, t.From)
	switch {
	case err == nil:
		t.First = stateIn(start.View, platform)
	case !errors.Is(err, plimsoll.ErrNotFound): // not begun yet: nothing stood
		return nil, err
	}
	t.Last = t.First
	at := place{ref.Registry, ref.Repository, ref.Tag, platform}
	err = w.Steps(ctx, until, func(s posture.Step) error {
		now := stateIn(s.After, platform)
		if now.same(t.Last) {
			t.Last = now
			return nil
		}
		x := Turn{Cause: s.Cause, Before: t.Last, After: now}
		x.Time, x.What, x.Actor = occasion(s, at)
		t.Turns, t.Last = append(t.Turns, x), now
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(t.Turns)
	t.Total = len(t.Turns)
	t.Turns = t.Turns[:min(len(t.Turns), MaxTurns)]
	return t, nil
}
