package report

import (
	"fmt"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// open is what makes a finding the same one in two reports: the place it stands in, not the digest, which a rebuild changes.
type open struct{ ref, platform, id, pkg string }

func openOf(f Finding) open { return open{f.Ref, f.Platform, f.ID, f.Package} }

// changes compares with the report before. What is gone is closed only by proof; where the image is not read whole now it
// cannot be told, and stays open.
func changes(v *posture.View, m Model, former []stored) Changes {
	out := Changes{New: []Change{}, Closed: []Change{}, ListLimit: maxChanges}
	if len(former) == 0 {
		out.Reason = "this is the first report: there is none to compare with"
		return out
	}
	last := former[len(former)-1]
	if last.fault != "" {
		out.Reason = "the report before cannot be read: " + last.fault
		return out
	}
	if len(last.findings) == maxFindings || len(m.Findings) == maxFindings {
		out.Reason = fmt.Sprintf("more than %d findings: the list is cut, so a difference would not be true", maxFindings)
		return out
	}
	out.Known = true
	rows, short := map[[2]string]*posture.Row{}, map[string]bool{}
	for _, r := range v.Rows() {
		rows[[2]string{list.Name(r), r.Platform.String()}] = r
		if r.Coverage.Short() || r.Behind != "" { // one that was not resolved has no platform to be found by
			short[list.Name(r)] = true
		}
	}
	was := indexed(last.findings)
	is := indexed(m.Findings)
	for _, f := range unique(m.Findings) {
		if _, ok := was[openOf(f)]; !ok {
			out.appear(f, rows[[2]string{f.Ref, f.Platform}], last.manifest.Cutoff)
		}
	}
	for _, f := range unique(last.findings) {
		if _, ok := is[openOf(f)]; !ok {
			out.vanish(f, rows[[2]string{f.Ref, f.Platform}], short[f.Ref], m.Method.Generation)
		}
	}
	return out
}

func indexed(all []Finding) map[open]bool {
	out := make(map[open]bool, len(all))
	for _, f := range all {
		out[openOf(f)] = true
	}
	return out
}

// unique drops further places of the same package in the same image, in order.
func unique(all []Finding) []Finding {
	seen := make(map[open]bool, len(all))
	var out []Finding
	for _, f := range all {
		if !seen[openOf(f)] {
			seen[openOf(f)] = true
			out = append(out, f)
		}
	}
	return out
}

func (c *Changes) appear(f Finding, r *posture.Row, since time.Time) {
	c.NewCount++
	cause := "advisory"
	if r != nil && r.Moved.After(since) {
		cause = "push: the tag moved"
		if r.First.After(since) {
			cause = "push: the tag is new"
		}
	}
	if len(c.New) < maxChanges {
		c.New = append(c.New, change(f, cause, digestOf(r)))
	}
}

// vanish finds the proof that a finding is closed.
func (c *Changes) vanish(f Finding, r *posture.Row, short bool, generation string) {
	var proof string
	switch {
	case short:
		c.Untold++
		return
	case r == nil:
		proof = "the tag, or its platform, is not stored any more"
	case f.Asset != r.Reference.Registry+"/"+r.Reference.Repository+"@"+string(r.Digest):
		proof = "the new digest was read completely and does not hold it"
	default:
		proof = "the advisory data no longer says so (generation " + generation + ")"
	}
	c.Shut++
	if len(c.Closed) < maxChanges {
		c.Closed = append(c.Closed, change(f, proof, digestOf(r)))
	}
}

func digestOf(r *posture.Row) plimsoll.Digest {
	if r == nil {
		return ""
	}
	return r.Digest
}

func change(f Finding, cause string, d plimsoll.Digest) Change {
	return Change{Reference: f.Ref, Platform: f.Platform, Advisory: f.ID, Package: f.Package, Severity: f.Severity, Cause: cause, Digest: d}
}
