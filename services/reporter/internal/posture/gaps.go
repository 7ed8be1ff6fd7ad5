package posture

import (
	"cmp"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// gaps groups rows that are short of coverage by registry, state and reason.
func (s *state) gaps(rows []*Row) []Gap {
	type key struct {
		registry string
		read     plimsoll.Coverage
	}
	all := map[key]*Gap{}
	for _, r := range rows {
		if !r.Coverage.Short() {
			continue
		}
		k := key{r.ref.registry, r.Coverage}
		g := all[k]
		if g == nil {
			g = &Gap{Registry: k.registry, State: k.read.State, Reason: k.read.Reason, Advice: advice(k.read)}
			all[k] = g
		}
		g.Images++
		ref := r.Reference
		ref.Digest = ""
		if name := ref.String(); g.Example == "" || name < g.Example {
			g.Example = name
		}
		if g.Since.IsZero() || !r.Moved.IsZero() && r.Moved.Before(g.Since) {
			g.Since = r.Moved
		}
	}
	out := make([]Gap, 0, len(all))
	for _, g := range all {
		s.since(g)
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b Gap) int {
		return cmp.Or(b.Images-a.Images, strings.Compare(a.Registry, b.Registry),
			strings.Compare(string(a.State), string(b.State)), strings.Compare(a.Reason, b.Reason))
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

// advices say what to do about a cause, by a word of its reason; the first that fits.
var advices = []struct{ word, text string }{
	{"quarantine", "The layer failed three times. Look at its reason, then run: plimsoll sweep retry"},
	{"access denied", "Check the registry's credentials: plimsoll registry check"},
	{"401", "Check the registry's credentials: plimsoll registry check"},
	{"403", "Check the registry's credentials: plimsoll registry check"},
	{"certificate", "Give the registry's own authority as ca_file: plimsoll registry check"},
	{"does not answer", "The registry lists the tag and gives no manifest for it. Look at the registry; the next sweep tries again."},
	{"no such tag", "Nothing: the tag goes with the next complete listing without it."},
	{"unavailable", "Nothing: it is tried again. If it lasts, run: plimsoll registry check"},
	{"unsupported", "This format is not read yet. Rebuild the image in a supported one, or accept the gap."},
	{"limit", "A bound on what is read from outside was hit; the reason names it."},
	{"integrity", "The bytes do not match their digest. Push the image again, and look at the registry's storage."},
	{"listing", "Start a sweep and look at why it does not end: plimsoll sweep status"},
	{"recipe", "Nothing: the next sweep reads it by the new recipe."},
}

func advice(c plimsoll.Coverage) string {
	reason := strings.ToLower(c.Reason)
	for _, a := range advices {
		if strings.Contains(reason, a.word) {
			return a.text
		}
	}
	if c.State == plimsoll.ReadWaiting {
		return "Nothing: it is in the queue."
	}
	return "Look at the image's coverage; the next sweep tries again."
}
