package exchange

import (
	"fmt"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/plimsoll/plimsoll"
)

// content is one thing in an image that is no finding of an advisory: a secret, a file.
type content struct {
	rule, about string // SARIF's rule id, and what the rule says
	level       string
	text        string // of this one
	path        string // empty: in the configuration
	line        int    // 0: not known
	name        string // what tells it from others, the same from scan to scan
}

// contentOf are the secrets of an image, its altered files and those that no package brought and that run with more rights
// than their caller's. Other files stand in the scan document alone: most are what a distribution installs.
func contentOf(im Image) (out []content) {
	for _, s := range im.Secrets {
		out = append(out, secretContent(im, s))
	}
	for _, f := range im.Files {
		file := plimsoll.File{Notes: f.Notes}
		if file.Has(plimsoll.NoteAltered) {
			out = append(out, content{
				rule: "file/altered", about: "A file's content is not what its package installed.", level: "warning", path: f.Path,
				text: fmt.Sprintf("%s of %s, layer %d, is not what package %s installed", f.Path, im.Reference, f.Layer+1, f.Owner),
				name: f.Path + "|" + f.SHA256,
			})
		}
		if file.Foreign() {
			out = append(out, content{
				rule: "file/unowned-set-uid", about: "A file that no package brought runs with more rights than its caller's.", level: "warning", path: f.Path,
				text: fmt.Sprintf("%s of %s, layer %d, belongs to no package and runs with more rights than its caller's (mode %s)",
					f.Path, im.Reference, f.Layer+1, strings.TrimSpace(f.Mode+" "+f.Capabilities)),
				name: f.Path + "|" + f.SHA256,
			})
		}
	}
	return slices.Clip(out)
}

// secretContent is a secret. One that was removed is a warning: a container does not see it, but whoever may pull the image
// does.
func secretContent(im Image, s Secret) content {
	out := content{
		rule: "secret/" + s.Rule, about: "The image holds a credential (" + s.Rule + ").", level: "error", path: s.Path, line: s.Line,
		name: s.Path + "|" + s.Fingerprint,
	}
	where := fmt.Sprintf("layer %d", s.Layer+1)
	if s.Layer == plimsoll.LayerConfig {
		where, out.path = "its configuration ("+s.Path+")", ""
	}
	out.text = fmt.Sprintf("%s ending …%s in %s, %s", s.Rule, s.Last4, im.Reference, where)
	if s.Hidden {
		out.level = "warning"
		out.text += fmt.Sprintf("; hidden in layer %d, still downloadable", s.HiddenIn+1)
	}
	return out
}

func (c content) result(im Image, rule int) *sarif.Result {
	at := sarif.NewLocation().AddLogicalLocation(sarif.NewLogicalLocation().WithFullyQualifiedName(im.Reference + " " + c.rule).WithKind("module"))
	if c.path != "" {
		place := sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewSimpleArtifactLocation(uriPath(c.path)))
		if c.line > 0 {
			place.WithRegion(sarif.NewRegion().WithStartLine(c.line))
		}
		at.WithPhysicalLocation(place)
	}
	return sarif.NewRuleResult(c.rule).WithRuleIndex(rule).WithLevel(c.level).WithMessage(sarif.NewTextMessage(c.text)).AddLocation(at).
		WithPartialFingerprints(map[string]string{"plimsoll/v1": im.Reference + "|" + im.Platform + "|" + c.rule + "|" + c.name})
}
