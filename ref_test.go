package plimsoll

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMovedAway: what a tag held stays known, newest first and bounded; what was not read leaves no trace.
func TestMovedAway(t *testing.T) {
	t.Parallel()
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	image := func(name string) RefPlatform { return RefPlatform{Digest: DigestOf([]byte(name))} }
	read := Ref{
		Recipe: "r", Moved: at(2), Platforms: []RefPlatform{image("a"), {Digest: DigestOf([]byte("sbom")), Kind: "attestation"}},
		Former: []FormerImage{{Digest: DigestOf([]byte("older")), From: at(1), Until: at(2)}},
	}
	want := []FormerImage{{Digest: DigestOf([]byte("a")), From: at(2), Until: at(3)}, read.Former[0]}
	if d := cmp.Diff(want, read.MovedAway(at(3))); d != "" {
		t.Errorf("former images (-want +got):\n%s", d)
	}
	read.Recipe = ""
	if d := cmp.Diff(want[1:], read.MovedAway(at(3))); d != "" {
		t.Errorf("former images of a tag that was not read (-want +got):\n%s", d)
	}
	r := Ref{Recipe: "r"}
	for i := range maxFormer + 5 {
		r.Platforms = []RefPlatform{image(fmt.Sprint(i))}
		r.Former = r.MovedAway(at(1).AddDate(0, 0, i))
	}
	if len(r.Former) != maxFormer || r.Former[0].Digest != image(fmt.Sprint(maxFormer+4)).Digest {
		t.Errorf("%d former images, the first %s", len(r.Former), r.Former[0].Digest)
	}
}

// TestAfter: of two states of a tag the newer observation wins, but what was read of a digest is not forgotten for a word that it
// waits.
func TestAfter(t *testing.T) {
	t.Parallel()
	ref := func(name string, seen int64, recipe Recipe, state ReadState) Ref {
		return Ref{Tag: "1", Digest: DigestOf([]byte(name)), Observed: seen, Recipe: recipe, Read: Coverage{State: state}}
	}
	read, waits := ref("a", 5, "r", ReadComplete), ref("a", 7, "", ReadWaiting)
	later := func(r Ref, seen int64) Ref { r.Observed = seen; return r }
	tests := map[string]struct{ was, is, want Ref }{
		"newer":                             {ref("a", 5, "r", ReadComplete), ref("b", 7, "", ReadWaiting), ref("b", 7, "", ReadWaiting)},
		"older":                             {ref("b", 7, "", ReadWaiting), ref("a", 5, "r", ReadComplete), ref("b", 7, "", ReadWaiting)},
		"told again":                        {read, read, read},
		"read, then seen again":             {read, waits, later(read, 7)},
		"seen again, then read":             {waits, read, later(read, 7)},
		"an artifact, then seen again":      {ref("a", 5, "r", ReadNotApplicable), waits, ref("a", 7, "r", ReadNotApplicable)},
		"read in part, then seen again":     {ref("a", 5, "r", ReadPartial), waits, waits},
		"read, then it does not answer":     {read, ref("a", 7, "", ReadFailed), ref("a", 7, "", ReadFailed)},
		"read by another recipe, and later": {read, ref("a", 7, "s", ReadComplete), ref("a", 7, "s", ReadComplete)},
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.is.After(tt.was)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
