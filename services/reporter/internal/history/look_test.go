package history_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// short is the tag with its image read in part.
func short(r plimsoll.Ref) plimsoll.Ref {
	r.Read = plimsoll.Coverage{State: plimsoll.ReadPartial, Reason: "unsupported"}
	for i := range r.Platforms {
		r.Platforms[i].Read = map[string]plimsoll.Coverage{plimsoll.AnalyzerPackages: r.Read}
	}
	return r
}

// ranged is a flaw in the versions of log4j-core from one to below another.
func ranged(id, from, fixed string, aliases ...string) plimsoll.Advisory {
	a := flaw(id, "Maven", "log4j-core", fixed)
	a.Affected[0].Ranges[0].Events[0].Introduced = from
	a.Aliases = aliases
	return a
}

// tale is a world in which things happen to the tags of shop/orders an hour apart.
type tale struct {
	*posturetest.World
	t *testing.T
	n int64
}

func (w *tale) put(tag string, r plimsoll.Ref) {
	w.n++
	w.At = w.At.Add(time.Hour)
	r.Tag, r.Observed, r.Moved = tag, 1000+w.n, w.At
	w.Put("harbor", "shop/orders", r)
	w.Advance()
}

func (w *tale) records(all ...plimsoll.Advisory) {
	w.Advise(append(all, flaw("CVE-2021-23337", "npm", "lodash", "4.17.21"), ranged("CVE-2000-0001", "0", "0.1"))...)
}

func (w *tale) holds(version string) plimsoll.Ref { return w.Image("1", log4j(version)) }

func (w *tale) save() {
	w.t.Helper()
	if err := w.Findings.Save(w.t.Context(), w.Store); err != nil {
		w.t.Fatal(err)
	}
}

// restart is a tracker that begins with what is stored.
func (w *tale) restart() (loaded bool, err error) {
	w.t.Helper()
	w.Findings = history.NewTracker()
	loaded, err = w.Findings.Load(w.t.Context(), w.Store)
	if cerr := w.Findings.CatchUp(w.t.Context(), w.Config(), w.Engine.View()); cerr != nil {
		w.t.Fatal(cerr)
	}
	return loaded, err
}

// TestProofs: what proves that a finding is gone, and what does not.
func TestProofs(t *testing.T) {
	t.Parallel()
	old, other, renamed := ranged("CVE-2026-0001", "2.12.0", "2.15.0"), ranged("GHSA-aaaa-bbbb-cccc", "0", "2.12.0"), ranged("GHSA-aaaa-bbbb-cccc", "0", "2.12.0", "CVE-2026-0001")
	unreadable := plimsoll.Ref{Digest: posturetest.Digest("x"), Read: plimsoll.Failed("404")}
	for name, tt := range map[string]struct {
		do   func(w *tale)
		want string
	}{
		"read in part proves nothing": {func(w *tale) {
			w.put("1", w.holds(vulnerable))
			w.put("1", short(w.holds(sound)))
		}, "CVE-2021-44228 | 1h0m0s to now"},
		"a crash does not make it open for ever": {func(w *tale) {
			w.put("1", w.holds(vulnerable))
			w.put("1", short(w.holds(sound)))
			w.save()
			head, err := w.Store.Get(w.t.Context(), history.HeadKey)
			if err != nil {
				w.t.Fatal(err)
			}
			w.put("1", w.holds(sound))
			w.save()
			if err := w.Store.Put(w.t.Context(), history.HeadKey, head.Bytes); err != nil { // it was not written yet
				w.t.Fatal(err)
			}
			if _, err := w.restart(); err != nil {
				w.t.Fatal(err)
			}
		}, "CVE-2021-44228 | 1h0m0s to 3h0m0s: fixed by 1"},
		"another reads it no more than this one does": {func(w *tale) {
			w.put("1", w.holds(vulnerable))
			w.put("2", w.holds(vulnerable))
			w.put("2", unreadable)
			w.put("1", w.holds(sound))
		}, "CVE-2021-44228 | 1h0m0s to now"},
		"what is taken over keeps what cannot be looked at": {func(w *tale) {
			w.records(old, other)
			w.put("1", w.holds(vulnerable))
			w.put("2", w.holds("2.10.0"))
			w.records(old, renamed) // and before anybody looks, the other tag does not answer any more
			w.put("2", unreadable)
			w.put("1", w.holds(sound))
		}, "CVE-2026-0001 | 1h0m0s to now"},
		"what was proved under another name stays so": {func(w *tale) {
			w.records(old, other)
			w.put("2", w.holds("2.10.0"))
			w.put("2", w.holds(sound))
			w.put("1", w.holds(vulnerable))
			w.records(old, renamed)
			w.Advance()
		}, "CVE-2026-0001 | 1h0m0s to 2h0m0s: fixed by 2 | 3h0m0s to now"},
		"of two images of a platform the one that held it tells": {func(w *tale) {
			a, b := w.holds(sound), w.holds(vulnerable)
			b.Platforms = append(b.Platforms, a.Platforms...)
			w.put("1", b)
			w.At = w.At.Add(time.Hour)
			w.records()
			w.Advance()
		}, "CVE-2021-44228 | 1h0m0s to 2h0m0s: advisory withdrawn by 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &tale{World: start(t), t: t}
			tt.do(w)
			var got []string
			for _, part := range strings.Split(story(w.World), " | ") {
				if i := strings.LastIndex(part, " by "); i >= 0 { // without the digest
					part = part[:i] + strings.Join(strings.SplitN(part[i:], " ", 4)[:3], " ")
				}
				got = append(got, part)
			}
			if text := strings.Join(got, " | "); text != tt.want {
				t.Errorf("%s\nwant %s", text, tt.want)
			}
		})
	}
}

// TestLostShard: a part that is gone from the bucket is noticed, and all is made anew.
func TestLostShard(t *testing.T) {
	t.Parallel()
	w := &tale{World: start(t), t: t}
	w.put("1", w.holds(vulnerable))
	w.save()
	w.At = w.At.Add(time.Hour)
	push(w.World, "shop/other", "1", lodash("4.17.20"))
	w.save()
	want := all(w.Findings)
	n := 0
	for x, err := range w.Store.List(t.Context(), blob.PrefixHistory, "") {
		if err != nil {
			t.Fatal(err)
		}
		if x.Key != history.HeadKey {
			n++
			if err := w.Store.Delete(t.Context(), x.Key); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n == 0 {
		t.Fatal("nothing was written")
	}
	loaded, err := w.restart()
	if loaded || err == nil {
		t.Errorf("a lost part is not noticed: %t, %v", loaded, err)
	}
	if diff := cmp.Diff(want, all(w.Findings)); diff != "" {
		t.Errorf("(-before +anew):\n%s", diff)
	}
}

// TestGenerationGone: what stood by advisories that are no longer kept is not closed by older ones that stand in for them.
func TestGenerationGone(t *testing.T) {
	t.Parallel()
	w := &tale{World: start(t), t: t}
	old := flaw("CVE-2021-44228", "Maven", "log4j-core", "2.15.0")
	w.records(old)
	w.put("1", w.holds(vulnerable))
	w.At = w.At.Add(time.Hour)
	w.records(old, ranged("CVE-2026-0001", "0", "2.15.0"))
	w.Advance()
	w.save()
	want, gone := story(w.World), w.Engine.View().Generation().ID
	w.put("2", w.holds(sound)) // by the same advisories
	w.At = w.At.Add(time.Hour)
	w.records(old, ranged("CVE-2026-0001", "0", "2.15.0"), ranged("CVE-2026-0002", "0", "2.1"))
	w.Advance()
	if err := w.Store.Delete(t.Context(), blob.PrefixGenerations+gone); err != nil {
		t.Fatal(err)
	}
	w.Findings = history.NewTracker()
	if _, err := w.Findings.Load(t.Context(), w.Store); err != nil {
		t.Fatal(err)
	}
	if err := w.Findings.CatchUp(t.Context(), w.Config(), w.Engine.View()); err == nil || !strings.Contains(err.Error(), "no longer kept") {
		t.Errorf("that advisories of then are gone is not told: %v", err)
	}
	if got := story(w.World); got != want || !strings.Contains(got, "CVE-2026-0001") {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// wild is what [happenings] leave out: images read in part, tags that go back, several images of a platform, failures that
// forget what was good, and names that come and go.
type wild struct {
	*happenings
	past []plimsoll.Ref
}

func (h *wild) image(tag string) plimsoll.Ref {
	return h.Image(tag, log4j([]string{"2.10.0", vulnerable, sound}[h.rand.IntN(3)]), lodash(fmt.Sprint("4.17.", 18+h.rand.IntN(5))))
}

func (h *wild) happen() {
	h.n++
	h.At = h.At.Add(time.Duration(1+h.rand.IntN(600)) * time.Minute)
	at := [2]string{"app", fmt.Sprint("v", h.rand.IntN(3))}
	old, known := h.tags[at]
	var next plimsoll.Ref
	switch h.rand.IntN(8) {
	case 0, 1:
		next = h.image(at[1])
		for range h.rand.IntN(3) {
			next.Platforms = append(next.Platforms, h.image(at[1]).Platforms...)
			next.Digest = posturetest.Digest(fmt.Sprint("index", h.n))
		}
		if h.rand.IntN(3) == 0 {
			next = short(next)
		}
		h.past = append(h.past, next)
	case 2:
		if len(h.past) == 0 {
			return
		}
		next = h.past[h.rand.IntN(len(h.past))]
		next.Tag = at[1]
		if h.rand.IntN(3) == 0 {
			next.Platforms = append([]plimsoll.RefPlatform(nil), next.Platforms...)
			next = short(next)
		}
	case 3:
		next = plimsoll.Ref{Tag: at[1], Digest: posturetest.Digest(fmt.Sprint("waiting ", h.n)), Read: plimsoll.Coverage{State: plimsoll.ReadWaiting}, LastGood: old.LastGood}
		if old.Read.State == plimsoll.ReadComplete && h.rand.IntN(2) == 0 {
			next.LastGood = old.Digest
		}
	case 4:
		if !known {
			return
		}
		next = old
		next.Read, next.LastGood = plimsoll.Failed("503"), ""
		if h.rand.IntN(2) == 0 {
			next.Platforms, next.Recipe = nil, ""
		}
	case 5:
		if known {
			delete(h.tags, at)
			h.Gone("harbor", at[0], at[1])
		}
		return
	default:
		h.rename()
		return
	}
	h.seen(&next, old, known)
	h.tags[at] = next
	h.Put("harbor", at[0], next)
}

// rename puts records in force that call each other by their names, or do not any more.
func (h *wild) rename() {
	ids := []string{"CVE-2026-0001", "GHSA-aaaa-bbbb-cccc", "CVE-2026-0002"}
	records := []plimsoll.Advisory{ranged("CVE-2000-0001", "0", "0.1"), flaw("CVE-2021-23337", "npm", "lodash", fmt.Sprint("4.17.", 19+h.rand.IntN(4)))}
	for i, id := range ids {
		if h.rand.IntN(4) == 0 {
			continue
		}
		var aliases []string
		if h.rand.IntN(2) == 0 {
			aliases = []string{ids[(i+1+h.rand.IntN(2))%3]}
		}
		records = append(records, ranged(id, []string{"0", "2.12.0"}[h.rand.IntN(2)], []string{"2.12.0", "2.15.0"}[h.rand.IntN(2)], aliases...))
	}
	h.Advise(records...)
}

// TestLooksEqual compares a tracker that looks at what came and went with one that looks at everything each time. One or a few
// things happen between two looks; now and then the first ends, sometimes before its head was written, and looks from there.
func TestLooksEqual(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := &wild{happenings: &happenings{World: start(t), t: t, rand: rand.New(rand.NewPCG(seed, 11)), tags: map[[2]string]plimsoll.Ref{}}}
			tracker, whole := h.Findings, history.NewTracker()
			for step := range 40 {
				h.happen()
				for range h.rand.IntN(1 + int(seed)%3) {
					h.happen()
				}
				if _, err := h.Engine.Advance(t.Context()); err != nil {
					t.Fatal(err)
				}
				v := h.Engine.View()
				tracker.Observe(v)
				whole.Doubt()
				whole.Observe(v)
				if diff := cmp.Diff(all(whole), all(tracker)); diff != "" {
					t.Fatalf("step %d (-whole +followed):\n%s", step, diff)
				}
				if h.rand.IntN(6) == 0 {
					tracker = h.crash(tracker, v)
				}
			}
		})
	}
}

// crash ends a tracker that was saved, perhaps between its parts and its head, and gives the next one as it comes to be from
// what is stored.
func (h *wild) crash(tracker *history.Tracker, v *posture.View) *history.Tracker {
	h.t.Helper()
	before, err := h.Store.Get(h.t.Context(), history.HeadKey)
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		h.t.Fatal(err)
	}
	had := all(tracker)
	if err := tracker.Save(h.t.Context(), h.Store); err != nil {
		h.t.Fatal(err)
	}
	if len(before.Bytes) > 0 && h.rand.IntN(2) == 0 {
		saved, err := h.Store.Get(h.t.Context(), history.HeadKey)
		if err != nil {
			h.t.Fatal(err)
		}
		if err := h.Store.Put(h.t.Context(), history.HeadKey, before.Bytes); err != nil {
			h.t.Fatal(err)
		}
		if _, err := history.NewTracker().Load(h.t.Context(), h.Store); err != nil {
			h.t.Errorf("what the head before names cannot be read: %v", err)
		}
		if err := h.Store.Put(h.t.Context(), history.HeadKey, saved.Bytes); err != nil {
			h.t.Fatal(err)
		}
	}
	next := history.NewTracker()
	if _, err := next.Load(h.t.Context(), h.Store); err != nil {
		h.t.Fatal(err)
	}
	next.Observe(v)
	if diff := cmp.Diff(had, all(next)); diff != "" {
		h.t.Errorf("after a start (-before +after):\n%s", diff)
	}
	return next
}
