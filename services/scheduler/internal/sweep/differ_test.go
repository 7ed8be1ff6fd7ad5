package sweep

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// The moments of these tests: a ref was observed, then the sweep began, then the repository was listed.
var (
	seenBefore = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	began      = time.Date(2026, 11, 25, 1, 0, 0, 0, time.UTC)
	listed     = began.Add(time.Minute)
	later      = began.Add(time.Hour)
	under      = rules{recipe: "new", sweep: began, now: listed, wants: func(string, string) bool { return true }}
)

func digest(s string) plimsoll.Digest { return plimsoll.DigestOf([]byte(s)) }

// ref is a tag that was read completely by the present recipe.
func ref(tag, content string) plimsoll.Ref {
	return plimsoll.Ref{
		Tag: tag, Digest: digest(content), Recipe: "new", Read: plimsoll.Complete(),
		Observed: seenBefore.UnixNano(), First: seenBefore, Moved: seenBefore,
		Platforms: []plimsoll.RefPlatform{{
			Platform: plimsoll.Platform{OS: "linux", Architecture: "amd64"}, Digest: digest(content),
			Read: map[string]plimsoll.Coverage{"packages": plimsoll.Complete(), "tree": plimsoll.Complete()},
		}},
	}
}

func with(r plimsoll.Ref, change func(*plimsoll.Ref)) plimsoll.Ref {
	change(&r)
	return r
}

func seen(tag, content string) answer {
	return answer{tag: tag, digest: digest(content), at: listed.UnixNano()}
}

func TestDiffer(t *testing.T) {
	t.Parallel()
	denied := fmt.Errorf("HEAD: %w: HTTP 403", plimsoll.ErrDenied)
	unanswered := plimsoll.Failed("the tag does not answer: access denied")
	tests := []struct {
		name    string
		refs    []plimsoll.Ref
		answers []answer
		writes  map[string]plimsoll.Coverage // tag → read
		removed []string
		kinds   []plimsoll.ChangeKind
		asks    []string // tags
		counts  plimsoll.SweepCount
	}{
		{
			name: "unchanged", refs: []plimsoll.Ref{ref("1", "a")}, answers: []answer{seen("1", "a")},
			counts: plimsoll.SweepCount{Listed: 1, Unchanged: 1},
		},
		{
			name: "new tag", answers: []answer{seen("1", "a")},
			writes: map[string]plimsoll.Coverage{"1": {State: plimsoll.ReadWaiting}},
			kinds:  []plimsoll.ChangeKind{plimsoll.ChangeTag}, asks: []string{"1"},
			counts: plimsoll.SweepCount{Listed: 1, Enqueued: 1},
		},
		{
			name: "moved tag", refs: []plimsoll.Ref{ref("1", "a")}, answers: []answer{seen("1", "b")},
			writes: map[string]plimsoll.Coverage{"1": {State: plimsoll.ReadWaiting}},
			kinds:  []plimsoll.ChangeKind{plimsoll.ChangeTag}, asks: []string{"1"},
			counts: plimsoll.SweepCount{Listed: 1, Enqueued: 1},
		},
		{
			name: "another recipe", refs: []plimsoll.Ref{with(ref("1", "a"), func(r *plimsoll.Ref) { r.Recipe = "old" })},
			answers: []answer{seen("1", "a")}, asks: []string{"1"},
			counts: plimsoll.SweepCount{Listed: 1, Enqueued: 1},
		},
		{
			name: "observed later by a push", refs: []plimsoll.Ref{with(ref("1", "b"), func(r *plimsoll.Ref) { r.Observed = later.UnixNano() })},
			answers: []answer{seen("1", "a")}, counts: plimsoll.SweepCount{Listed: 1, Unchanged: 1},
		},
		{
			name: "missing once", refs: []plimsoll.Ref{ref("1", "a")},
			writes: map[string]plimsoll.Coverage{"1": plimsoll.Complete()},
		},
		{
			name:    "missing twice",
			refs:    []plimsoll.Ref{with(ref("1", "a"), func(r *plimsoll.Ref) { r.Missing = 1 })},
			removed: []string{"1"}, kinds: []plimsoll.ChangeKind{plimsoll.ChangeGone}, counts: plimsoll.SweepCount{Gone: 1},
		},
		{
			name: "missing twice, but seen since the sweep began",
			refs: []plimsoll.Ref{with(ref("1", "a"), func(r *plimsoll.Ref) { r.Missing, r.Observed = 1, listed.UnixNano() })},
		},
		{
			name: "back after missing once", refs: []plimsoll.Ref{with(ref("1", "a"), func(r *plimsoll.Ref) { r.Missing = 1 })},
			answers: []answer{seen("1", "a")}, writes: map[string]plimsoll.Coverage{"1": plimsoll.Complete()},
			counts: plimsoll.SweepCount{Listed: 1, Unchanged: 1},
		},
		{
			name: "does not answer", refs: []plimsoll.Ref{ref("1", "a")}, answers: []answer{{tag: "1", at: listed.UnixNano(), err: denied}},
			writes: map[string]plimsoll.Coverage{"1": unanswered}, kinds: []plimsoll.ChangeKind{plimsoll.ChangeCoverage},
			counts: plimsoll.SweepCount{Listed: 1, Failed: 1},
		},
		{
			name: "never answered", answers: []answer{{tag: "1", at: listed.UnixNano(), err: denied}},
			writes: map[string]plimsoll.Coverage{"1": unanswered}, kinds: []plimsoll.ChangeKind{plimsoll.ChangeCoverage},
			counts: plimsoll.SweepCount{Listed: 1, Failed: 1},
		},
		{
			name:    "still does not answer",
			refs:    []plimsoll.Ref{with(ref("1", "a"), func(r *plimsoll.Ref) { r.Read = unanswered })},
			answers: []answer{{tag: "1", at: listed.UnixNano(), err: denied}}, counts: plimsoll.SweepCount{Listed: 1, Failed: 1},
		},
		{
			name: "two tags, one moves", refs: []plimsoll.Ref{ref("1", "a"), ref("2", "b")},
			answers: []answer{seen("1", "a"), seen("2", "c")},
			writes:  map[string]plimsoll.Coverage{"2": {State: plimsoll.ReadWaiting}},
			kinds:   []plimsoll.ChangeKind{plimsoll.ChangeTag}, asks: []string{"2"},
			counts: plimsoll.SweepCount{Listed: 2, Unchanged: 1, Enqueued: 1},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := differ(listing{repository: "team/app", began: listed, tags: test.answers}, test.refs, under)
			writes := map[string]plimsoll.Coverage{}
			for tag, ref := range d.write {
				writes[tag] = ref.Read
			}
			var kinds []plimsoll.ChangeKind
			for _, c := range d.changes {
				kinds = append(kinds, c.Kind)
			}
			var asks []string
			for _, target := range d.targets {
				asks = append(asks, target.GetTag())
			}
			if test.writes == nil {
				test.writes = map[string]plimsoll.Coverage{}
			}
			for what, diff := range map[string]string{
				"writes":  cmp.Diff(test.writes, writes),
				"removed": cmp.Diff(test.removed, slices.Sorted(maps.Keys(d.remove))),
				"changes": cmp.Diff(test.kinds, kinds),
				"asks":    cmp.Diff(test.asks, asks),
				"counts":  cmp.Diff(test.counts, d.counts),
			} {
				if diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
		})
	}
}

func TestMovedTagKeepsTheLastGood(t *testing.T) {
	t.Parallel()
	d := differ(listing{tags: []answer{seen("1", "b")}}, []plimsoll.Ref{ref("1", "a")}, under)
	got := d.write["1"]
	if got.LastGood != digest("a") || got.Digest != digest("b") || got.Recipe != "" || got.Platforms != nil || !got.First.Equal(seenBefore) {
		t.Errorf("moved ref %+v: want digest b, last good a, no recipe and platforms, first kept", got)
	}
	// It moves again before it was read: a stays the last good one.
	d = differ(listing{tags: []answer{{tag: "1", digest: digest("c"), at: later.UnixNano()}}}, []plimsoll.Ref{got}, under)
	if again := d.write["1"]; again.LastGood != digest("a") {
		t.Errorf("last good %s, want a", again.LastGood.Short())
	}
}

// A tag that answers again has its coverage back, without a scan.
func TestAnswersAgain(t *testing.T) {
	t.Parallel()
	attestation := plimsoll.RefPlatform{Digest: digest("x"), Kind: "attestation", Read: map[string]plimsoll.Coverage{"": {State: plimsoll.ReadNotApplicable, Reason: "attestation"}}}
	before := with(ref("1", "a"), func(r *plimsoll.Ref) { r.Platforms = append(r.Platforms, attestation) })
	down := differ(listing{tags: []answer{{tag: "1", at: listed.UnixNano(), err: plimsoll.ErrUnavailable}}}, []plimsoll.Ref{before}, under).write["1"]
	if down.Read.State != plimsoll.ReadFailed || down.LastGood != before.Digest || down.Recipe != before.Recipe {
		t.Errorf("a tag that does not answer: %+v, want failed with the last good one and the recipe kept", down)
	}
	d := differ(listing{tags: []answer{{tag: "1", digest: before.Digest, at: later.UnixNano()}}}, []plimsoll.Ref{down}, under)
	want := before
	want.Observed = later.UnixNano()
	if diff := cmp.Diff(want, d.write["1"]); diff != "" {
		t.Errorf("after it answers again (-want +got):\n%s", diff)
	}
	if len(d.targets) != 0 || d.counts.Unchanged != 1 {
		t.Errorf("%d targets, counts %+v, want no scan", len(d.targets), d.counts)
	}
}

// A page that is done twice counts a missing tag once.
func TestMissingCountsOnceASweep(t *testing.T) {
	t.Parallel()
	l := listing{repository: "team/app", began: listed}
	first := differ(l, []plimsoll.Ref{ref("1", "a")}, under)
	second := differ(l, []plimsoll.Ref{first.write["1"]}, under)
	if len(second.write)+len(second.remove)+len(second.changes) != 0 {
		t.Errorf("the same sweep again: %+v, want no difference", second)
	}
	next := under
	next.sweep = began.Add(24 * time.Hour)
	third := differ(listing{began: next.sweep.Add(time.Minute)}, []plimsoll.Ref{first.write["1"]}, next)
	if len(third.remove) != 1 {
		t.Errorf("the next sweep: %+v, want the tag removed", third)
	}
}

func TestPack(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 63, 64, 65, 1000} {
		for _, length := range []int{1, 20, 128} {
			var targets []*scanv1.Target
			for i := range n {
				targets = append(targets, &scanv1.Target{
					Tag: fmt.Sprintf("%0*d", length, i), Digest: string(digest(fmt.Sprint(i))), Observed: listed.UnixNano(),
				})
			}
			pattern := &scanv1.ScanRequest{
				Lane: scanv1.Lane_LANE_SWEEP, Registry: strings.Repeat("r", 64), Repository: strings.Repeat("p", plimsoll.MaxRepository),
				Epoch: "20261125T010000Z", Recipe: "0123456789abcdef", Actor: "sweep", AskedUnixNano: listed.UnixNano(),
			}
			var tags []string
			for r := range pack(pattern, targets) {
				if size := proto.Size(r); size > scanv1.MaxRequestBytes || len(r.GetTargets()) > scanv1.MaxTargets {
					t.Errorf("%d tags of %d bytes: a request of %d bytes and %d targets", n, length, size, len(r.GetTargets()))
				}
				for _, target := range r.GetTargets() {
					tags = append(tags, target.GetTag())
				}
			}
			if len(tags) != n {
				t.Errorf("%d tags of %d bytes: %d packed", n, length, len(tags))
			}
		}
	}
}

func TestResumed(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d"}
	m := new(mark)
	m.advance("b", 2, plimsoll.SweepCount{Listed: 7})
	tests := []struct {
		word string
		rest []string
		want int // listed so far
	}{
		{"", names, 0},
		{"not JSON", names, 0},
		{`{"after":"z","counts":{"listed":9}}`, names, 0}, // no such repository any more
		{m.word(), []string{"c", "d"}, 7},
	}
	for _, test := range tests {
		got, rest := resumed(test.word, names)
		if diff := cmp.Diff(test.rest, rest); diff != "" || got.Counts.Listed != test.want {
			t.Errorf("resumed(%q): listed %d, want %d; rest (-want +got):\n%s", test.word, got.Counts.Listed, test.want, diff)
		}
	}
}

func TestGiven(t *testing.T) {
	t.Parallel()
	var all []string
	for i := range 2*repositoriesAPage + 1 {
		all = append(all, fmt.Sprintf("r%04d", 2*repositoriesAPage-i))
	}
	all = append(all, "r0000") // twice
	var got []string
	pages := 0
	for cursor := ""; ; pages++ {
		names, next := given(all, cursor)
		got = append(got, names...)
		if next == "" {
			break
		}
		cursor = next
	}
	if len(got) != 2*repositoriesAPage+1 || !slices.IsSorted(got) || pages != 2 {
		t.Errorf("%d names in %d pages, sorted %v, want each name once", len(got), pages+1, slices.IsSorted(got))
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		fmt.Errorf("x: %w", plimsoll.ErrDenied):      "access denied",
		fmt.Errorf("x: %w", plimsoll.ErrUnavailable): "registry unavailable",
		errors.New("x"): "error",
	} {
		if got := kindOf(err); got != want {
			t.Errorf("kindOf(%v) = %q, want %q", err, got, want)
		}
	}
}
