// Package explain says why an image has a flaw, or has not: where the package stands, which instruction brought it, and what every
// record about the flaw says of it.
package explain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Image is the explanation of one flaw in one image.
type Image struct {
	Reference  string          `json:"reference"`
	Digest     plimsoll.Digest `json:"digest"`
	Platform   string          `json:"platform"`
	Generation string          `json:"generation"`
	InUse      *list.InUse     `json:"in_use"` // when the image was last seen in use; null: not known
	Flaw       string          `json:"flaw"`   // the name under which it is known
	Aliases    []string        `json:"aliases"`
	Word       match.Word      `json:"verdict"`
	Reason     string          `json:"reason"`
	// Places are the packages that a record about the flaw names, affected ones first; none when the image holds no such package.
	Places []Place `json:"places"`
}

// Place is one package of the image and what is said of it.
type Place struct {
	Name        string          `json:"name"`
	Version     string          `json:"version"`
	Source      string          `json:"source,omitempty"`
	Ecosystem   string          `json:"ecosystem"`
	PURL        string          `json:"purl"`
	Path        string          `json:"path"`
	Layer       int             `json:"layer"` // index, lowest 0
	LayerDigest plimsoll.Digest `json:"layer_digest"`
	Instruction string          `json:"instruction"` // that made the layer, as the image's history tells; empty when it does not
	match.Explanation
}

// Of explains a flaw, by any of its ids, in an image. What is not read or not known is never called clean.
func Of(v *posture.View, im *posture.Image, id string) Image {
	m := v.Matcher()
	row := im.Rows[0]
	concerned, subjects := m.Concerns(id)
	if out, ok := ended(v, im, id); ok {
		out.InUse = list.InUseOf(v, row)
		return out
	}
	nothing := m.Explain(plimsoll.Package{}, id)
	out := Image{
		Reference: list.Name(row), Digest: row.Digest, Platform: row.Platform.String(), Generation: v.Generation().ID,
		Flaw: nothing.Flaw, Aliases: nothing.Aliases, Places: []Place{}, InUse: list.InUseOf(v, row),
	}
	for _, p := range im.Inventory.Packages {
		if concerned(p) {
			out.Places = append(out.Places, place(m, im, p, id))
		}
	}
	slices.SortStableFunc(out.Places, func(a, b Place) int {
		return cmp.Or(weight(a.Word)-weight(b.Word), strings.Compare(a.Name, b.Name), strings.Compare(a.Path, b.Path))
	})
	out.conclude(row, subjects)
	return out
}

// ended explains an end of life: no record tells of it, and what it is about may be the distribution, which is no package.
func ended(v *posture.View, im *posture.Image, id string) (Image, bool) {
	row := im.Rows[0]
	out := Image{
		Reference: list.Name(row), Digest: row.Digest, Platform: row.Platform.String(), Generation: v.Generation().ID,
		Flaw: id, Aliases: []string{}, Word: match.Affected, Places: []Place{},
	}
	for _, f := range v.Findings(row) {
		if f.ID != id || f.Class != plimsoll.ClassEndOfLife {
			continue
		}
		out.Reason = f.Text
		x := Place{
			Name: f.Package, Version: f.Version, Ecosystem: f.Ecosystem, PURL: f.PURL, Path: f.Path, Layer: f.Layer,
			Explanation: match.Explanation{
				Flaw: id, Aliases: []string{}, Word: match.Affected, Reason: f.Text, Finding: &f, Evidence: []match.Evidence{},
				Ratings: []match.Rated{{Source: f.Source, By: "end of life", Severity: f.Severity, Counts: true}},
			},
		}
		x.at(im)
		out.Places = append(out.Places, x)
	}
	return out, len(out.Places) > 0
}

func place(m *match.Matcher, im *posture.Image, p plimsoll.Package, id string) Place {
	out := Place{
		Name: p.Name, Version: p.Version, Source: p.Source, Ecosystem: p.Ecosystem, PURL: p.PURL, Path: p.Path, Layer: p.Layer,
		Explanation: m.Explain(p, id),
	}
	out.at(im)
	return out
}

// at fills in what brought the layer.
func (x *Place) at(im *posture.Image) {
	if x.Layer >= 0 && x.Layer < len(im.Inventory.Layers) {
		x.LayerDigest, x.Instruction = im.Inventory.Layers[x.Layer].Digest, im.Inventory.Layers[x.Layer].CreatedBy
	}
	if x.Layer >= 0 && x.Layer < len(im.Image.Layers) {
		x.Instruction = cmp.Or(x.Instruction, im.Image.Layers[x.Layer].CreatedBy)
	}
}

func weight(w match.Word) int {
	switch w {
	case match.Affected:
		return 0
	case match.Unknown:
		return 1
	}
	return 2
}

// conclude says it of the whole image: the worst of its places, unless more may be there than was read or is known.
func (x *Image) conclude(row *posture.Row, subjects []string) {
	switch gap := gap(row); {
	case len(x.Places) > 0 && x.Places[0].Word == match.Affected:
		x.Word, x.Reason = match.Affected, fmt.Sprintf("%s: %s", x.Places[0].Name, x.Places[0].Reason)
	case len(x.Places) > 0 && x.Places[0].Word == match.Unknown:
		x.Word, x.Reason = match.Unknown, fmt.Sprintf("%s: %s", x.Places[0].Name, x.Places[0].Reason)
	case gap != "":
		x.Word, x.Reason = match.Unknown, gap
	case len(x.Places) > 0:
		x.Word, x.Reason = match.NotAffected, fmt.Sprintf("%s: %s", x.Places[0].Name, x.Places[0].Reason)
	case len(subjects) == 0:
		x.Word, x.Reason = match.Unknown, fmt.Sprintf("no record of generation %s is about %s: it is not published yet, or was withdrawn", cmp.Or(x.Generation, "none"), x.Flaw)
	default:
		x.Word, x.Reason = match.NotAffected, "package absent: the image holds none of "+few(subjects)
	}
}

// gap says why the image may have the flaw although nothing shows it; empty when all was read and is known.
func gap(row *posture.Row) string {
	c, ok := row.Analyzed(plimsoll.AnalyzerPackages)
	switch {
	case !ok:
		return "its packages were not read"
	case c.Short():
		return "its packages were not read whole: " + cmp.Or(c.Reason, string(c.State))
	}
	for _, ecosystem := range slices.Sorted(maps.Keys(row.Known)) {
		if k := row.Known[ecosystem]; k.State == plimsoll.KnownNone {
			return cmp.Or(k.Reason, "no advisory data for "+ecosystem)
		}
	}
	return ""
}

// maxSubjects bounds how many packages of records one sentence names.
const maxSubjects = 4

func few(subjects []string) string {
	if len(subjects) > maxSubjects {
		return strings.Join(subjects[:maxSubjects], ", ") + fmt.Sprintf(" and %d more", len(subjects)-maxSubjects)
	}
	return strings.Join(subjects, ", ")
}
