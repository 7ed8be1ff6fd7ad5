package posture

import (
	"fmt"
	"maps"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
)

// judged is what one generation and policy say of one inventory; rows of several tags share it.
type judged struct {
	verdict  plimsoll.Verdict
	known    map[string]plimsoll.Knowledge
	counts   map[plimsoll.Severity]int
	fixable  int
	findings int
}

// judge forms the opinion of an image. A package that could not be decided makes its ecosystem's knowledge none, so that
// the verdict cannot be pass.
func (e *Engine) judge(s *state, im *image) judged {
	if j, ok := s.verdicts[im]; ok {
		return j
	}
	j := judged{known: map[string]plimsoll.Knowledge{}, counts: map[plimsoll.Severity]int{}}
	for _, eco := range im.ecosystems {
		j.known[eco] = s.known[eco]
	}
	for _, p := range im.places {
		if why := s.found[p.pkg].Undecided; why != "" {
			j.known[s.packages.packages[p.pkg].Ecosystem] = plimsoll.Knowledge{State: plimsoll.KnownNone, Reason: why}
		}
	}
	findings := im.findings(s.found)
	j.findings = len(findings)
	for _, f := range findings {
		j.counts[f.Severity]++
		if f.Fixed != "" {
			j.fixable++
		}
	}
	j.verdict = policy.Decide(e.cfg.Policy, policy.Input{Read: im.read, Known: j.known, Findings: findings})
	s.verdicts[im] = j
	return j
}

// form makes the rows of one tag: one an image, or one for the tag while its images are not known.
func (e *Engine) form(s *state, k refKey) []*Row {
	r := s.refs[k]
	all := images(r)
	switch {
	case len(all) == 0 && (r.Read.State == plimsoll.ReadNotApplicable || len(r.Platforms) > 0):
		return []*Row{e.notApplicable(s, k, r)}
	case len(all) == 0:
		return e.unresolved(s, k, r)
	}
	rows := make([]*Row, 0, len(all))
	for _, p := range all {
		rows = append(rows, e.platform(s, k, r, p))
	}
	return rows
}

// blank is a row with what the tag alone tells.
func (e *Engine) blank(k refKey, r plimsoll.Ref) *Row {
	return &Row{
		Reference: plimsoll.Reference{Registry: k.registry, Repository: k.repository, Tag: k.tag, Digest: r.Digest},
		Digest:    r.Digest, First: r.First, Moved: r.Moved, Active: e.active(r.Moved), ref: k,
		Known: map[string]plimsoll.Knowledge{}, Counts: map[plimsoll.Severity]int{},
	}
}

// active reports whether a tag moved lately. One whose move nobody saw counts: it may be in use.
func (e *Engine) active(moved time.Time) bool {
	return moved.IsZero() || e.cfg.Now().Sub(moved) <= time.Duration(e.cfg.ActiveDays)*24*time.Hour
}

// notApplicable is the row of a tag that holds no image: it is covered and has no verdict.
func (e *Engine) notApplicable(s *state, k refKey, r plimsoll.Ref) *Row {
	row := e.blank(k, r)
	row.Verdict = plimsoll.Verdict{Policy: e.cfg.Policy.Name, Violations: []plimsoll.Violation{}}
	read := plimsoll.Coverage{State: plimsoll.ReadNotApplicable, Reason: r.Read.Reason}
	if len(r.Platforms) > 0 && read.Reason == "" {
		read.Reason = r.Platforms[0].Kind
	}
	if r.Read.Short() {
		read = r.Read // not applicable once, and now it does not answer
	}
	e.cover(s, row, map[string]plimsoll.Coverage{"": read})
	return row
}

// unresolved are the rows of a tag whose images are not known: the last good ones, or one without anything.
func (e *Engine) unresolved(s *state, k refKey, r plimsoll.Ref) []*Row {
	var rows []*Row
	for _, p := range s.good(r) {
		if im := s.images[wanted{digest: p.Digest}].image; im != nil {
			row := e.blank(k, r)
			row.Behind = r.Digest
			e.show(s, row, im)
			e.cover(s, row, map[string]plimsoll.Coverage{"": r.Read})
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		row := e.blank(k, r)
		e.cover(s, row, map[string]plimsoll.Coverage{"": r.Read})
		e.nothing(row)
		rows = append(rows, row)
	}
	return rows
}

// platform is the row of one image. While it is not read to the end, the last good image of its platform stays; without
// one, what a partial inventory holds is shown and cannot pass.
func (e *Engine) platform(s *state, k refKey, r plimsoll.Ref, p plimsoll.RefPlatform) *Row {
	row := e.blank(k, r)
	row.Digest, row.Platform = p.Digest, p.Platform
	read := maps.Clone(p.Read)
	if len(read) == 0 {
		read = map[string]plimsoll.Coverage{"": r.Read}
	}
	here := s.images[own(r, p)]
	switch last := s.lastGood(r, p); {
	case fresh(r, p) && here.image != nil:
		e.show(s, row, here.image)
	case fresh(r, p):
		read = map[string]plimsoll.Coverage{"": lost(here.err)}
		e.cover(s, row, read)
		e.nothing(row)
		return row
	case last != nil:
		e.show(s, row, last)
		if last.source.digest != p.Digest {
			row.Behind = r.Digest
		}
	case here.image != nil:
		e.show(s, row, here.image)
	}
	e.cover(s, row, read)
	if row.image == nil {
		e.nothing(row)
	}
	return row
}

// lost is the coverage of an image whose inventory should be there and cannot be read.
func lost(err error) plimsoll.Coverage {
	if err == nil {
		return plimsoll.Coverage{State: plimsoll.ReadWaiting}
	}
	return plimsoll.Failed(fmt.Sprintf("its inventory cannot be used: %v", err))
}

// lastGood is the image that stands in for one that is not read to the end: of the same platform, or the only one.
func (s *state) lastGood(r plimsoll.Ref, p plimsoll.RefPlatform) *image {
	all := s.good(r)
	for _, g := range all {
		im := s.images[wanted{digest: g.Digest}].image
		if im != nil && (g.Digest == p.Digest || im.platform == p.Platform || len(all) == 1 && len(images(r)) == 1) {
			return im
		}
	}
	return nil
}

// show puts what is known of an image into a row.
func (e *Engine) show(s *state, row *Row, im *image) {
	j := e.judge(s, im)
	row.image, row.Digest, row.Platform, row.Release = im, im.source.digest, im.platform, im.release
	row.Verdict, row.Known, row.Counts = j.verdict, j.known, j.counts
	row.Fixable, row.Findings, row.Packages = j.fixable, j.findings, len(im.places)
	row.Size, row.Layers = im.size, im.layers
}

// nothing is the verdict of a row of which nothing was read.
func (e *Engine) nothing(row *Row) {
	row.Verdict = policy.Decide(e.cfg.Policy, policy.Input{Read: row.Read})
}

// cover says how far the row was read; what was complete is stale when its listing or recipe is too old.
func (e *Engine) cover(s *state, row *Row, read map[string]plimsoll.Coverage) {
	if why := s.staleness(row, s.refs[row.ref]); why != "" {
		read = maps.Clone(read)
		for name, c := range read {
			if c.State == plimsoll.ReadComplete {
				read[name] = plimsoll.Coverage{State: plimsoll.ReadStale, Reason: why}
			}
		}
	}
	row.Read = read
	row.Coverage = plimsoll.WorstCoverage(maps.Values(read))
}

// staleness is why a row that was complete is stale now; empty when it is not (DESIGN §3).
func (s *state) staleness(row *Row, r plimsoll.Ref) string {
	if why := s.stale[row.ref.registry]; why != "" {
		return why
	}
	newest := s.newest(row.ref.registry)
	if newest == nil || newest.Recipe == "" || r.Recipe == "" || r.Recipe == newest.Recipe || r.Read.State == plimsoll.ReadNotApplicable {
		return ""
	}
	for _, x := range s.sweeps[row.ref.registry][1:] {
		if x.Recipe == r.Recipe {
			return "read by a recipe that has been replaced"
		}
	}
	return "" // a recipe that no older sweep had is newer than the newest sweep: a push after an upgrade
}
