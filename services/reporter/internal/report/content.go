package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// maxPrinted is how many secrets and files stand in the page; the annex holds more.
const maxPrinted = 200

// content counts what stored images hold besides packages, and lists secrets by their fingerprints and suspect files.
func content(v *posture.View) Content {
	rows := all().With("applicable", "yes").Rows(v)
	c := Content{States: contentStates(rows), Counts: contentCounts(rows), Files: []FileLine{}}
	c.Secrets = secretLines(rows)
	c.Unique = len(c.Secrets)
	c.Secrets = c.Secrets[:min(maxContent, len(c.Secrets))]
	for _, r := range rows {
		for _, f := range r.Suspects() {
			c.Files = append(c.Files, FileLine{list.Name(r), r.Platform.String(), f.Path, f.Notes, f.Owner, f.SHA256, f.Layer, r.Active})
		}
		c.Suspect += r.Content.AlteredFiles + r.Content.UnownedSetUID
		if n := r.Content; n.Secrets+n.HiddenSecrets > len(r.Secrets()) || n.AlteredFiles+n.UnownedSetUID > len(r.Suspects()) {
			c.Cut++
		}
	}
	slices.SortStableFunc(c.Files, func(a, b FileLine) int {
		return cmp.Or(cmp.Compare(a.Ref, b.Ref), cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Path, b.Path))
	})
	c.Files = c.Files[:min(maxContent, len(c.Files))]
	return c
}

func contentStates(rows []*posture.Row) []ContentState {
	out := []ContentState{{Analyzer: plimsoll.AnalyzerSecrets}, {Analyzer: plimsoll.AnalyzerFiles}}
	for i := range out {
		for _, r := range rows {
			switch c, ok := r.Analyzed(out[i].Analyzer); {
			case !ok && list.Unread(r):
				out[i].Short++
			case !ok:
				out[i].Off++
			case c.State == plimsoll.ReadComplete:
				out[i].Whole++
			default:
				out[i].Short++
			}
		}
	}
	return out
}

func contentCounts(rows []*posture.Row) []ContentCount {
	var out []ContentCount
	for _, x := range []struct {
		what string
		of   func(plimsoll.Content) int
	}{
		{"secrets that a container can read", func(c plimsoll.Content) int { return c.Secrets }},
		{"hidden secrets", func(c plimsoll.Content) int { return c.HiddenSecrets }},
		{"altered files", func(c plimsoll.Content) int { return c.AlteredFiles }},
		{"files of no package with more rights than their caller's (set-uid, set-gid, capabilities)", func(c plimsoll.Content) int { return c.UnownedSetUID }},
		{"executable files of no package", func(c plimsoll.Content) int { return c.UnownedFiles }},
		{"hidden packages", func(c plimsoll.Content) int { return c.Removed }},
	} {
		n := ContentCount{What: x.what}
		for _, r := range rows {
			held := x.of(r.Content)
			if held == 0 {
				continue
			}
			n.Places += held
			n.Stored++
			if r.Active {
				n.Active++
			}
		}
		out = append(out, n)
	}
	return out
}

// secretLines joins the secrets of all rows by their fingerprints: one value has one in all of a bucket.
func secretLines(rows []*posture.Row) []SecretLine {
	type key struct{ rule, fingerprint string }
	found := map[key]*SecretLine{}
	for _, r := range rows {
		here := map[key]bool{} // whether a container can read it
		for _, x := range r.Secrets() {
			k := key{x.Rule, x.Fingerprint}
			if line := found[k]; line == nil || line.Example > list.Name(r) {
				found[k] = example(found[k], r, x)
			}
			here[k] = here[k] || !x.Hidden
		}
		for k, visible := range here {
			found[k].Images++
			if visible {
				found[k].Visible++
			}
		}
	}
	out := make([]SecretLine, 0, len(found))
	for _, line := range found {
		out = append(out, *line)
	}
	slices.SortFunc(out, func(a, b SecretLine) int {
		return cmp.Or(cmp.Compare(b.Visible, a.Visible), cmp.Compare(b.Images, a.Images), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return out
}

// example is a line with this place as its example; the counts of the line before stay.
func example(line *SecretLine, r *posture.Row, x plimsoll.Secret) *SecretLine {
	out := SecretLine{Rule: x.Rule, Fingerprint: x.Fingerprint, Last4: x.Last4, Example: list.Name(r), Path: list.Place(x), Layer: x.Layer}
	if line != nil {
		out.Images, out.Visible = line.Images, line.Visible
	}
	return &out
}

// layerName counts from 1, as everything printed does.
func layerName(index int) string {
	if index == plimsoll.LayerConfig {
		return "configuration"
	}
	return fmt.Sprintf("layer %d", index+1)
}

func noteText(notes []plimsoll.FileNote) string {
	return list.Visible(list.Notes(plimsoll.File{Notes: notes}))
}

// contentRow is one row of content.csv.
type contentRow struct{ kind, what, reference, platform, path, layer, identity, images, readable string }

var contentColumns = []list.Column[contentRow]{
	{Name: "kind", Cell: func(r contentRow) string { return r.kind }},
	{Name: "rule or notes", Cell: func(r contentRow) string { return r.what }},
	{Name: "reference", Cell: func(r contentRow) string { return r.reference }},
	{Name: "platform", Cell: func(r contentRow) string { return r.platform }},
	{Name: "path", Cell: func(r contentRow) string { return r.path }},
	{Name: "layer", Cell: func(r contentRow) string { return r.layer }},
	{Name: "fingerprint or sha256", Cell: func(r contentRow) string { return r.identity }},
	{Name: "images", Cell: func(r contentRow) string { return r.images }},
	{Name: "readable in", Cell: func(r contentRow) string { return r.readable }},
}

func allContent(c Content) (out []contentRow) {
	for _, s := range c.Secrets {
		out = append(out, contentRow{"secret", s.Rule, s.Example, "", s.Path, strconv.Itoa(s.Layer), s.Fingerprint, strconv.Itoa(s.Images), strconv.Itoa(s.Visible)})
	}
	for _, f := range c.Files {
		notes := make([]string, len(f.Notes))
		for i, n := range f.Notes {
			notes[i] = string(n)
		}
		out = append(out, contentRow{"file", strings.Join(notes, ", "), f.Ref, f.Platform, f.Path, strconv.Itoa(f.Layer), f.SHA256, "1", ""})
	}
	return out
}
