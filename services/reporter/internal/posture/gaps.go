package posture

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// gapKey is one cause of missing coverage.
type gapKey struct {
	registry string
	read     plimsoll.Coverage
}

// unownedKey is one repository with images whose owner is not known.
type unownedKey struct{ registry, repository string }

// gapRows are the rows of one cause, with the lowest reference and the oldest move among them.
type gapRows struct {
	rows    map[*Row]bool
	example string
	since   time.Time
	old     bool // example and since are to be found again
}

// addGap counts a row among those of its cause, where it is short of coverage, and among those without an owner.
func (t *tally) addGap(r *Row, by int) {
	if r.Coverage.Short() {
		t.gather(gapKey{r.Reference.Registry, r.Coverage}, r, by)
	}
	if r.Owner == "" && r.Coverage.State != plimsoll.ReadNotApplicable {
		k := unownedKey{r.Reference.Registry, r.Reference.Repository}
		if t.unowned[k] += by; t.unowned[k] == 0 {
			delete(t.unowned, k)
		}
	}
}

func (t *tally) gather(k gapKey, r *Row, by int) {
	g := t.gaps[k]
	if g == nil {
		g = &gapRows{rows: map[*Row]bool{}}
		t.gaps[k] = g
	}
	if by > 0 {
		g.rows[r] = true
		if !g.old {
			g.learn(r)
		}
		return
	}
	delete(g.rows, r)
	if len(g.rows) == 0 {
		delete(t.gaps, k)
		return
	}
	g.old = g.old || untagged(r) == g.example || r.Moved.Equal(g.since)
}

// untagged is a row's reference without the digest.
func untagged(r *Row) string {
	ref := r.Reference
	ref.Digest = ""
	return ref.String()
}

func (g *gapRows) learn(r *Row) {
	if name := untagged(r); g.example == "" || name < g.example {
		g.example = name
	}
	if g.since.IsZero() || !r.Moved.IsZero() && r.Moved.Before(g.since) {
		g.since = r.Moved
	}
}

// settle finds example and date again where a row went that had them.
func (g *gapRows) settle() {
	if !g.old {
		return
	}
	g.example, g.since, g.old = "", time.Time{}, false
	for r := range g.rows {
		g.learn(r)
	}
}

// gaps are the causes of missing coverage, most images first.
func (s *state) gaps() []Gap {
	out := make([]Gap, 0, len(s.tally.gaps))
	for k, rows := range s.tally.gaps {
		rows.settle()
		g := Gap{
			Registry: k.registry, State: k.read.State, Reason: k.read.Reason, Images: len(rows.rows),
			Example: rows.example, Since: rows.since,
		}
		g.Advice, g.Retry = advice(k.registry, k.read)
		s.since(&g)
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b Gap) int {
		return cmp.Or(b.Images-a.Images, strings.Compare(a.Registry, b.Registry),
			strings.Compare(string(a.State), string(b.State)), strings.Compare(a.Reason, b.Reason))
	})
	return out
}

// unowned are the repositories with images whose owner is not known, most images first.
func (s *state) unowned() []Unowned {
	out := make([]Unowned, 0, len(s.tally.unowned))
	for k, n := range s.tally.unowned {
		out = append(out, Unowned{Registry: k.registry, Repository: k.repository, Images: n})
	}
	slices.SortFunc(out, func(a, b Unowned) int {
		return cmp.Or(b.Images-a.Images, strings.Compare(a.Registry, b.Registry), strings.Compare(a.Repository, b.Repository))
	})
	return out
}

// since takes the date that a sweep noted for the cause; else it stays the oldest move of a tag that has it.
func (s *state) since(g *Gap) {
	newest := s.newest(g.Registry)
	if newest == nil {
		return
	}
	for _, c := range newest.Causes {
		if c.Reason == g.Reason && c.State == g.State && !c.Since.IsZero() {
			g.Since = c.Since
		}
	}
}

// Words for whether a gap closes by itself.
const (
	RetryAuto   = "auto"    // the next sweep tries again
	RetryByHand = "by hand" // somebody has to ask for it
	RetryNever  = "never"   // trying again gives the same
)

// advices say what to do about a cause, by a word of its reason; the first that fits.
var advices = []struct{ word, retry, text string }{
	{NotConfigured, RetryByHand, "Its images are kept, as they were read last. Configure it again, or purge them: plimsoll registry forget %s"},
	{"quarantine", RetryByHand, "The layer failed three times. Look at its reason, then retry this cause."},
	{"access denied", RetryAuto, "Check the registry's credentials: plimsoll registry check"},
	{"401", RetryAuto, "Check the registry's credentials: plimsoll registry check"},
	{"403", RetryAuto, "Check the registry's credentials: plimsoll registry check"},
	{"certificate", RetryAuto, "Give the registry's own authority as ca_file: plimsoll registry check"},
	{"does not answer", RetryAuto, "The registry lists the tag and gives no manifest for it. Look at the registry; the next sweep tries again."},
	{"no such tag", RetryAuto, "Nothing: the tag goes with the next complete listing without it."},
	{"unavailable", RetryAuto, "Nothing: it is tried again. If it lasts, run: plimsoll registry check"},
	{"unsupported", RetryNever, "This format is not read yet. Rebuild the image in a supported one, or accept the gap."},
	{"limit", RetryNever, "A bound on what is read from outside was hit; the reason names it."},
	{"integrity", RetryAuto, "The bytes do not match their digest. Push the image again, and look at the registry's storage."},
	{"listing", RetryAuto, "Start a sweep and look at why it does not end: plimsoll sweep status"},
	{"recipe", RetryAuto, "Nothing: the next sweep reads it by the new recipe."},
}

// advice is what to do about a cause, and whether it is retried.
func advice(registry string, c plimsoll.Coverage) (text, retry string) {
	reason := strings.ToLower(c.Reason)
	for _, a := range advices {
		if strings.Contains(reason, a.word) {
			return strings.ReplaceAll(a.text, "%s", registry), a.retry
		}
	}
	switch c.State {
	case plimsoll.ReadWaiting:
		return "Nothing: it is in the queue.", RetryAuto
	case plimsoll.ReadPartial: // by its bytes: the same bytes give the same
		return "Look at the image's coverage: what could not be read of it stands there with its reason.", RetryNever
	}
	return "Look at the image's coverage; the next sweep tries again.", RetryAuto
}
