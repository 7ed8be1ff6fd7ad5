package sweep

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/discover"
)

// told is a registry whose listing tells digests and times. A HEAD fails the test.
type told struct {
	t      *testing.T
	tags   map[string][]discover.Tag
	missed []discover.Missed
}

func (r *told) Repositories(context.Context, string, int) (page discover.Page, err error) {
	for name := range r.tags {
		page.Repositories = append(page.Repositories, name)
	}
	page.Missed = r.missed
	return page, nil
}

func (r *told) Tags(_ context.Context, repository, _ string) ([]discover.Tag, string, error) {
	return slices.Clone(r.tags[repository]), "", nil
}

func (r *told) Head(_ context.Context, repository, tag string) (registry.Descriptor, error) {
	r.t.Errorf("HEAD of %s:%s, whose digest the listing tells", repository, tag)
	return registry.Descriptor{}, plimsoll.ErrUnavailable
}

func (r *told) Manifest(context.Context, string, string) (registry.Descriptor, []byte, error) {
	r.t.Error("a sweep reads no manifest")
	return registry.Descriptor{}, nil, plimsoll.ErrUnavailable
}

func (r *told) Throttled() int64      { return 0 }
func (r *told) Waited() time.Duration { return 0 }

func (r *told) Credentials(_ context.Context, now time.Time) []plimsoll.Credential {
	return []plimsoll.Credential{plimsoll.NewCredential(plimsoll.CredentialAccount, "robot$plimsoll", now.Add(time.Hour), now)}
}

func tag(name, content string, pushed time.Time) discover.Tag {
	return discover.Tag{Name: name, Digest: plimsoll.DigestOf([]byte(content)), Pushed: pushed}
}

// TestTold: digests that the listing tells need no HEAD; what moved is queued, what did not is unchanged.
func TestTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := &told{t: t, tags: map[string][]discover.Tag{"team/app": {tag("1", "a", time.Time{}), tag("2", "b", time.Time{})}}}
	b.sweeper = b.over(r)
	if s := b.sweep(); s.State != plimsoll.SweepGreen || s.Counts.Enqueued != 2 || s.Counts.Complete != 2 {
		t.Errorf("first sweep %s: %+v", s.State, s.Counts)
	}
	if s := b.sweep(); s.Counts.Unchanged != 2 || s.Counts.Requests != 0 || len(s.Credentials) != 1 || s.Credentials[0].State != plimsoll.CredentialEnding {
		t.Errorf("second sweep: %+v, credentials %+v", s.Counts, s.Credentials)
	}
	r.tags["team/app"][0] = tag("1", "c", time.Time{})
	if s := b.sweep(); s.Counts.Unchanged != 1 || s.Counts.Enqueued != 1 {
		t.Errorf("after a push: %+v", s.Counts)
	}
	if refs := b.refs("team/app"); refs[0].Digest != plimsoll.DigestOf([]byte("c")) {
		t.Errorf("refs %+v", refs)
	}
}

// TestTwoDigests: a tag that moved between two pages has two digests, so a HEAD decides; here it fails and is told.
func TestTwoDigests(t *testing.T) {
	t.Parallel()
	got := once([]discover.Tag{tag("1", "a", time.Time{}), tag("2", "b", time.Time{}), tag("1", "c", time.Time{}), tag("2", "b", time.Time{})})
	if len(got) != 2 || got[0].Digest != "" || got[1].Digest == "" {
		t.Errorf("%+v", got)
	}
}

// TestLeftOut counts what the scope leaves out, by cause, and lets what was known go after two sweeps, because of the scope.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	at := func(days int) time.Time { return b.clock.AddDate(0, 0, -days) }
	r := &told{t: t, tags: map[string][]discover.Tag{
		"team/app": {tag("1", "a", at(40)), tag("2", "b", at(20)), tag("3", "c", at(10)), tag("4", "d", at(5)), tag("5-dev", "e", at(1)), tag("6", "f", time.Time{})},
		"other/x":  {tag("1", "a", at(1))},
	}}
	b.sweeper = b.over(r)
	b.sweep()
	b.conf.Include, b.conf.Exclude = []string{"team/**"}, []string{"**:*-dev"}
	b.conf.MovedWithin, b.conf.NewestTags = 30*24*time.Hour, 2
	b.sweeper = b.over(r)
	want := plimsoll.LeftOut{Repositories: 1, Patterns: 1, Moved: 1, Newest: 2}
	before := b.sweep()
	if diff := cmp.Diff(want, before.Counts.LeftOut); diff != "" || before.Counts.Listed != 2 || before.Counts.Gone != 0 {
		t.Errorf("listed %d, gone %d, left out (-want +got):\n%s", before.Counts.Listed, before.Counts.Gone, diff)
	}
	after := b.sweep()
	if diff := cmp.Diff(want, after.Counts.LeftOut); diff != "" || after.Counts.Gone != 5 || after.State != plimsoll.SweepGreen {
		t.Errorf("%s, gone %d, left out (-want +got):\n%s", after.State, after.Counts.Gone, diff)
	}
	var kept []string
	for _, ref := range b.refs("team/app") {
		kept = append(kept, ref.Tag)
	}
	if !slices.Equal(kept, []string{"4", "6"}) { // the one without a time counts as new
		t.Errorf("kept %v", kept)
	}
	for batch, err := range b.store.Changes(t.Context(), b.id, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range batch.Changes {
			if c.Kind == plimsoll.ChangeGone && c.Text != plimsoll.GoneOutOfScope {
				t.Errorf("%s:%s is gone because %q: want the scope as the cause", c.Repository, c.Tag, c.Text)
			}
		}
	}
}

// TestMissedPart is F19 for a part of a registry: nothing below it is gone, however often, and the sweep is red and says so.
func TestMissedPart(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := &told{t: t, tags: map[string][]discover.Tag{"shop/app": {tag("1", "a", time.Time{})}, "team/app": {tag("1", "b", time.Time{})}}}
	b.sweeper = b.over(r)
	b.sweep()
	delete(r.tags, "shop/app")
	r.missed = []discover.Missed{{Name: "shop", Err: fmt.Errorf("repositories of project shop: HTTP 403: %w", plimsoll.ErrDenied)}}
	for range 3 {
		s := b.sweep()
		if s.State != plimsoll.SweepRed || s.Counts.Gone != 0 || !strings.Contains(s.Error, "shop") || len(s.Causes) != 1 || s.Causes[0].Example != "shop/**" {
			t.Errorf("%s, gone %d, %q, causes %+v; want red for shop", s.State, s.Counts.Gone, s.Error, s.Causes)
		}
	}
	if refs := b.refs("shop/app"); len(refs) != 1 || refs[0].Missing != 0 {
		t.Errorf("refs of the part %+v: want them untouched", refs)
	}
	r.missed = nil
	b.sweep()
	if s := b.sweep(); s.State != plimsoll.SweepGreen || s.Counts.Gone != 1 {
		t.Errorf("after two complete listings without it: %s, gone %d", s.State, s.Counts.Gone)
	}
}

// TestScopeOfImages: other platforms or labels have everything resolved again, once, and what they leave out is counted.
func TestScopeOfImages(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := &told{t: t, tags: map[string][]discover.Tag{"team/app": {tag("1", "a", time.Time{})}}}
	b.sweeper = b.over(r)
	b.sweep()
	b.conf.Platforms = []string{"linux/amd64"}
	b.sweeper = b.over(r)
	if s := b.sweep(); s.Counts.Enqueued != 1 || s.State != plimsoll.SweepRed { // the answer of the bench does not know the scope
		t.Errorf("%s, %+v; want the tag asked again", s.State, s.Counts)
	}
	_, err := b.store.MergeRefs(t.Context(), b.id, "team/app", func(tags map[string]plimsoll.Ref) []string {
		ref := tags["1"]
		ref.Scope, ref.Observed = b.conf.Scope(), ref.Observed+1
		ref.Platforms = append(ref.Platforms, plimsoll.RefPlatform{Digest: plimsoll.DigestOf([]byte("arm")), Kind: plimsoll.OutOfPlatforms + "linux/arm64",
			Read: map[string]plimsoll.Coverage{"": {State: plimsoll.ReadNotApplicable, Reason: plimsoll.OutOfPlatforms + "linux/arm64"}}})
		tags["1"] = ref
		return []string{"1"}
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := b.sweep(); s.Counts.Enqueued != 0 || s.State != plimsoll.SweepGreen || s.Counts.LeftOut.Platforms != 1 {
		t.Errorf("%s, %+v; want nothing asked and one platform left out", s.State, s.Counts)
	}
}

// A sweep of a registry that is away says how its credentials stand all the same, and does not fail for it.
func TestCredentialsOfARegistryAway(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.registry.Close()
	s := b.sweep()
	if s.State != plimsoll.SweepFailed || len(s.Credentials) == 0 {
		t.Errorf("%s, credentials %+v", s.State, s.Credentials)
	}
}
