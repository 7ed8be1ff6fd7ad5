package history_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

const (
	vulnerable = "2.14.1"
	sound      = "2.17.1"
)

// log4j is a package that a record of [flaw] is about.
func log4j(version string) plimsoll.Package {
	return plimsoll.Package{Name: "log4j-core", Version: version, Ecosystem: "Maven", PURL: "pkg:maven/log4j-core@" + version, Path: "app/lib/log4j.jar"}
}

func lodash(version string) plimsoll.Package {
	return plimsoll.Package{Name: "lodash", Version: version, Ecosystem: "npm", PURL: "pkg:npm/lodash@" + version, Path: "app/package-lock.json"}
}

// flaw is a record: all of a package's versions below fixed have it.
func flaw(id, ecosystem, pkg, fixed string) plimsoll.Advisory {
	kind := "ECOSYSTEM"
	if ecosystem == "npm" {
		kind = "SEMVER"
	}
	return plimsoll.Advisory{
		ID: id, Summary: "a flaw", Published: posturetest.Start.AddDate(0, 0, -20), Modified: posturetest.Start,
		Severity: []plimsoll.Score{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"}},
		Affected: []plimsoll.Affected{{Ecosystem: ecosystem, Package: pkg, Ranges: []plimsoll.Range{{Type: kind, Events: []plimsoll.Event{{Introduced: "0"}, {Fixed: fixed}}}}}},
	}
}

// start is an empty world with a policy and advisories in force.
func start(t *testing.T) *posturetest.World {
	t.Helper()
	w := posturetest.Empty(t)
	w.Decide(w.Policy)
	w.Advise(flaw("CVE-2021-44228", "Maven", "log4j-core", "2.15.0"), flaw("CVE-2021-23337", "npm", "lodash", "4.17.21"))
	w.Fold()
	return w
}

// push puts a tag that points at a new image.
func push(w *posturetest.World, repository, tag string, packages ...plimsoll.Package) plimsoll.Ref {
	r := w.Image(tag, packages...)
	r.Moved, r.First = w.At, w.At
	w.Put("harbor", repository, r)
	w.Advance()
	return r
}

// happenings are what may befall a world, in any order.
type happenings struct {
	*posturetest.World
	t    *testing.T
	rand *rand.Rand
	tags map[[2]string]plimsoll.Ref
	n    int
}

// happen lets one thing happen, some time after the one before.
func (h *happenings) happen() {
	h.n++
	h.At = h.At.Add(time.Duration(1+h.rand.IntN(600)) * time.Minute)
	at := [2]string{fmt.Sprint("app", h.rand.IntN(3)), fmt.Sprint("v", h.rand.IntN(3))}
	old, known := h.tags[at]
	var next plimsoll.Ref
	switch h.rand.IntN(9) {
	case 0, 1, 2:
		next = h.Image(at[1], log4j([]string{vulnerable, sound}[h.rand.IntN(2)]), lodash(fmt.Sprint("4.17.", 18+h.rand.IntN(5))))
	case 3: // moved, and not read yet
		next = plimsoll.Ref{Tag: at[1], Digest: posturetest.Digest(fmt.Sprint("waiting ", h.n)), Read: plimsoll.Coverage{State: plimsoll.ReadWaiting}, LastGood: old.LastGood}
		if old.Read.State == plimsoll.ReadComplete {
			next.LastGood = old.Digest
		}
	case 4: // does not answer
		if !known {
			return
		}
		next = old
		next.Read = plimsoll.Failed("the tag does not answer: 503")
		if old.Read.State == plimsoll.ReadComplete {
			next.LastGood = old.Digest
		}
	case 5:
		if known {
			delete(h.tags, at)
			h.Gone("harbor", at[0], at[1])
		}
		return
	case 6:
		records := []plimsoll.Advisory{flaw("CVE-2021-44228", "Maven", "log4j-core", fmt.Sprint("2.1", 4+h.rand.IntN(5), ".0"))}
		if h.rand.IntN(2) == 0 {
			records = append(records, flaw("CVE-2021-23337", "npm", "lodash", fmt.Sprint("4.17.", 19+h.rand.IntN(4))))
		}
		h.Advise(append(records, flaw(fmt.Sprintf("CVE-2026-%04d", h.n), "npm", "lodash", "4.17.20"))...)
		return
	case 7:
		p := policy.Baseline()
		p.Version = 1 + h.n
		p.Rules = slices.Clone(p.Rules)
		if h.rand.IntN(2) == 0 {
			for i := range p.Rules {
				p.Rules[i].Then = plimsoll.VerdictWarn
			}
		}
		h.Decide(policy.Seal(p))
		return
	default:
		h.Registries[1].Exclude = []string{fmt.Sprint("old", h.n)}
		h.Decide(h.Policy)
		return
	}
	h.seen(&next, old, known)
	h.tags[at] = next
	h.Put("harbor", at[0], next)
}

func (h *happenings) seen(next *plimsoll.Ref, old plimsoll.Ref, known bool) {
	next.Observed, next.Moved, next.First = int64(1_000_000+h.n), h.At, h.At
	if known {
		next.First = old.First
		if old.Digest == next.Digest {
			next.Moved = old.Moved
		}
	}
}
