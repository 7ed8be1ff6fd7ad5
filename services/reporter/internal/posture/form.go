package posture

import (
	"fmt"
	"maps"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
)

// form makes the rows of one tag: one an image, or one for the tag while its images are not known.
func (e *Engine) form(s *state, t *tag) []*Row {
	r := t.ref
	all := images(r)
	switch {
	case len(all) == 0 && (r.Read.State == plimsoll.ReadNotApplicable || len(r.Platforms) > 0):
		return []*Row{e.notApplicable(s, t)}
	case len(all) == 0:
		return e.unresolved(s, t)
	}
	rows := make([]*Row, 0, len(all))
	for _, p := range all {
		rows = append(rows, e.platform(s, t, p))
	}
	return rows
}

// blank is a row with what the tag alone tells.
func (e *Engine) blank(s *state, t *tag) *Row {
	r := t.ref
	return &Row{
		Reference: plimsoll.Reference{Registry: t.key.registry, Repository: t.key.repository, Tag: t.key.tag, Digest: r.Digest},
		ref:       t.key,
		Digest:    r.Digest, First: r.First, Moved: r.Moved, Active: e.active(e.moved(t), s.clock), Owner: e.owner(t, nil),
		Known: noKnowledge, Counts: noCounts,
	}
}

// What rows of which nothing was read share; nobody changes them.
var (
	noKnowledge = map[string]plimsoll.Knowledge{}
	noCounts    = map[plimsoll.Severity]int{}
)

// notApplicable is the row of a tag that holds no image: it is covered and has no verdict.
func (e *Engine) notApplicable(s *state, t *tag) *Row {
	row, r := e.blank(s, t), t.ref
	row.Verdict = plimsoll.Verdict{Policy: e.cfg.Policy.Name, Violations: []plimsoll.Violation{}}
	read := plimsoll.Coverage{State: plimsoll.ReadNotApplicable, Reason: r.Read.Reason}
	if len(r.Platforms) > 0 && read.Reason == "" {
		read.Reason = r.Platforms[0].Kind
	}
	if r.Read.Short() {
		read = r.Read // not applicable once, and now it does not answer
	}
	e.cover(s, t, row, map[string]plimsoll.Coverage{"": read})
	return row
}

// unresolved are the rows of a tag whose images are not known: the last good ones, or one without anything.
func (e *Engine) unresolved(s *state, t *tag) []*Row {
	var rows []*Row
	for _, d := range s.good(t.ref) {
		if im, _ := s.held(wanted{digest: d}); im != nil {
			row := e.blank(s, t)
			row.Behind = t.ref.Digest
			e.show(s, t, row, im)
			e.cover(s, t, row, map[string]plimsoll.Coverage{"": t.ref.Read})
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		row := e.blank(s, t)
		e.cover(s, t, row, map[string]plimsoll.Coverage{"": t.ref.Read})
		e.nothing(row)
		rows = append(rows, row)
	}
	return rows
}

// held is what was found for a wanted inventory.
func (s *state) held(w wanted) (*image, error) {
	if x := s.slots[w]; x != nil {
		return x.image, x.err
	}
	return nil, nil
}

// platform is the row of one image. While it is not read to the end, the last good image of its platform stays; without
// one, what a partial inventory holds is shown and cannot pass.
func (e *Engine) platform(s *state, t *tag, p plimsoll.RefPlatform) *Row {
	row, r := e.blank(s, t), t.ref
	row.Digest, row.Platform = p.Digest, p.Platform
	read := p.Read
	if len(read) == 0 {
		read = map[string]plimsoll.Coverage{"": r.Read}
	}
	var here *image
	var err error
	if fresh(r, p) || p.Partial {
		here, err = s.held(own(r, p))
	}
	switch last := s.lastGood(r, p); {
	case fresh(r, p) && here != nil:
		e.show(s, t, row, here)
	case fresh(r, p) && p.Read[""].State == plimsoll.ReadFailed:
		// It was refused when it was resolved, and the reason stands there: no inventory was made.
	case fresh(r, p):
		read = map[string]plimsoll.Coverage{"": lost(err)}
	case last != nil:
		e.show(s, t, row, last)
		if last.source.digest != p.Digest {
			row.Behind = r.Digest
		}
	case here != nil:
		e.show(s, t, row, here)
	}
	e.cover(s, t, row, read)
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
	for _, d := range all {
		im, _ := s.held(wanted{digest: d})
		if im != nil && (d == p.Digest || im.platform == p.Platform || len(all) == 1 && len(images(r)) == 1) {
			return im
		}
	}
	return nil
}

// show puts what is known of an image into a row.
func (e *Engine) show(s *state, t *tag, row *Row, im *image) {
	j := e.judge(s, im)
	row.image, row.stack, row.Digest, row.Platform, row.Release = im, im.stack, im.source.digest, im.platform, im.release
	row.Verdict, row.Known, row.Counts = j.verdict, j.known, j.counts
	row.Fixable, row.Exploited, row.Findings, row.Packages = j.fixable, j.exploited, j.findings, im.packages
	row.Content, row.Size, row.Layers, row.Owner = im.content, im.size, im.layers, e.owner(t, im)
}

// nothing is the verdict of a row of which nothing was read.
func (e *Engine) nothing(row *Row) {
	row.Verdict = policy.Decide(e.cfg.Policy, policy.Input{Read: row.Read})
}

// cover says how far the row was read; what was complete is stale when its listing or recipe is too old.
func (e *Engine) cover(s *state, t *tag, row *Row, read map[string]plimsoll.Coverage) {
	if why := s.fresh[t.key.registry].why(t.ref); why != "" {
		read = maps.Clone(read)
		for name, c := range read {
			if c.State == plimsoll.ReadComplete {
				read[name] = plimsoll.Coverage{State: plimsoll.ReadStale, Reason: why}
			}
		}
	}
	row.Read = s.known.read(read)
	row.Coverage = plimsoll.WorstCoverage(maps.Values(row.Read))
}
