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
