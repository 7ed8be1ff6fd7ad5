package exchange

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Document is one scan document before it is written: its head, and the images one by one.
type Document struct {
	Tool   Tool
	Data   Data
	Policy Policy
	Images iter.Seq2[Image, error]
	At     time.Time // when the verdicts were formed; in the forms that demand a date
	Name   string    // what was asked for
}

// Tool names what wrote the document.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Data says which advisories the verdicts were formed by.
type Data struct {
	Generation string `json:"generation"`
	Feeds      []Feed `json:"feeds"`
	Enrichment []Feed `json:"enrichment"` // about exploitation: without any, nothing is said of it
}

// Feed is one ecosystem's part of the data.
type Feed struct {
	Ecosystem string    `json:"ecosystem"`
	Records   int       `json:"records"`
	Newest    time.Time `json:"newest,omitzero"`
	Checked   time.Time `json:"checked"`
	Error     string    `json:"error"`
}

// Policy names the policy that was applied.
type Policy struct {
	Name    string          `json:"name"`
	Version int             `json:"version"`
	Digest  plimsoll.Digest `json:"digest"`
}

// Image is one image of the document (DESIGN: command line, scan).
type Image struct {
	Reference  string                        `json:"reference"`
	Digest     plimsoll.Digest               `json:"digest"`
	Platform   string                        `json:"platform"`
	Verdict    string                        `json:"verdict"` // a verdict, or "not applicable" for what is no image
	Violations []plimsoll.Violation          `json:"violations"`
	Reasons    []string                      `json:"reasons"` // why the verdict is unknown
	Read       map[string]plimsoll.Coverage  `json:"read"`
	Known      map[string]plimsoll.Knowledge `json:"known"`
	Base       []Base                        `json:"base"`
	Packages   []Package                     `json:"packages"`
	Hidden     []HiddenPackage               `json:"hidden"`
	Files      []File                        `json:"files"`
	Secrets    []Secret                      `json:"secrets"`
	Findings   []plimsoll.Finding            `json:"findings"`
}

// Base is one link of the chain below an image, the lowest first: layers 0 to before Layers are its own, by the diff IDs
// that we computed.
type Base struct {
	Reference string          `json:"reference"`
	Digest    plimsoll.Digest `json:"digest"`
	Layers    int             `json:"layers"`
}

// Package is one package of an image.
type Package struct {
	PURL      string `json:"purl"`
	Name      string `json:"name"`
	Version   string `json:"version"`
	Source    string `json:"source"`
	Ecosystem string `json:"ecosystem"`
	Layer     int    `json:"layer"`
	Path      string `json:"path"`
}

// HiddenPackage is a package that an upper layer removed: not installed, still downloadable.
type HiddenPackage struct {
	Package
	HiddenIn int `json:"hidden_in"` // index of the layer that removed it
}

// File is one file that is worth a look.
type File struct {
	Path         string              `json:"path"`
	Notes        []plimsoll.FileNote `json:"notes"`
	Owner        string              `json:"owner"`
	Layer        int                 `json:"layer"`
	Mode         string              `json:"mode"` // octal, with set-uid, set-gid and sticky
	Capabilities string              `json:"capabilities"`
	Kind         plimsoll.FileKind   `json:"kind"`
	Size         int64               `json:"size"`
	SHA256       string              `json:"sha256"`
}

// Secret is one secret, without its value.
type Secret struct {
	Rule        string `json:"rule"`
	Path        string `json:"path"`
	Line        int    `json:"line"` // 0: in the configuration
	Layer       int    `json:"layer"`
	Last4       string `json:"last4"`
	Fingerprint string `json:"fingerprint"`
	Hidden      bool   `json:"hidden"`
	HiddenIn    int    `json:"hidden_in,omitempty"` // index of the layer that removed it, which is never the lowest
}

// NotApplicable stands for the verdict of what is no image at all.
const NotApplicable = "not applicable"

// Of makes the document of rows, which it sorts by reference and platform. host gives the host that people write for a
// registry's id. What is no image (a signature beside an image) is left out where its tag holds an image too.
func Of(v *posture.View, rows []*posture.Row, name, version string, host func(id string) string) Document {
	g, p := v.Generation(), v.Policy()
	d := Document{
		Tool: Tool{"plimsoll", version}, Data: Data{Generation: g.ID, Feeds: []Feed{}, Enrichment: []Feed{}},
		Policy: Policy{p.Name, p.Version, p.Digest}, At: v.At(), Name: name,
	}
	for _, f := range g.Feeds {
		d.Data.Feeds = append(d.Data.Feeds, Feed{f.Ecosystem, f.Records, f.Newest, f.Checked, f.Error})
	}
	for _, f := range g.Enrichment {
		d.Data.Enrichment = append(d.Data.Enrichment, Feed{f.Ecosystem, f.Records, f.Newest, f.Checked, f.Error})
	}
	sorted := sortRows(rows)
	d.Images = func(yield func(Image, error) bool) {
		for _, r := range sorted {
			if !yield(imageOf(v, r, host)) {
				return
			}
		}
	}
	return d
}

func sortRows(rows []*posture.Row) []*posture.Row {
	holds := map[string]bool{}
	for _, r := range rows {
		if r.Coverage.State != plimsoll.ReadNotApplicable {
			holds[tagOf(r)] = true
		}
	}
	out := slices.DeleteFunc(slices.Clone(rows), func(r *posture.Row) bool {
		return r.Coverage.State == plimsoll.ReadNotApplicable && holds[tagOf(r)]
	})
	slices.SortFunc(out, func(a, b *posture.Row) int {
		return cmp.Or(cmp.Compare(tagOf(a), tagOf(b)), cmp.Compare(a.Platform.String(), b.Platform.String()), cmp.Compare(a.Digest, b.Digest))
	})
	return out
}

func tagOf(r *posture.Row) string {
	return r.Reference.Registry + "\x00" + r.Reference.Repository + "\x00" + r.Reference.Tag
}

func imageOf(v *posture.View, r *posture.Row, host func(string) string) (Image, error) {
	ref := r.Reference
	ref.Registry = host(ref.Registry)
	if ref.Tag != "" {
		ref.Digest = ""
	}
	out := Image{
		Base: []Base{}, Reference: ref.String(), Digest: r.Digest, Platform: r.Platform.String(), Verdict: string(r.Verdict.State),
		Violations: some(r.Verdict.Violations), Reasons: some(r.Verdict.Reasons), Read: r.Read, Known: r.Known,
		Packages: []Package{}, Hidden: []HiddenPackage{}, Files: []File{}, Secrets: []Secret{}, Findings: []plimsoll.Finding{},
	}
	if out.Verdict == "" {
		out.Verdict = NotApplicable
	}
	if len(out.Read) == 0 { // not resolved yet: what is known stands for the image as a whole
		out.Read = map[string]plimsoll.Coverage{"image": r.Coverage}
	}
	if out.Known == nil {
		out.Known = map[string]plimsoll.Knowledge{}
	}
	for _, b := range v.BasesOf(r) {
		at := b.Name().Reference
		digest := at.Digest
		at.Registry = host(at.Registry)
		if at.Tag != "" {
			at.Digest = ""
		}
		out.Base = append(out.Base, Base{at.String(), digest, b.Layers})
	}
	for _, f := range v.Findings(r) {
		f.Aliases, f.Matched = some(f.Aliases), some(f.Matched)
		out.Findings = append(out.Findings, f)
	}
	return out, out.addInventory(v, r)
}

// addInventory reads the inventory. A row that has packages whose inventory cannot be read is an error: an empty list would
// look like an empty image.
func (out *Image) addInventory(v *posture.View, r *posture.Row) error {
	im, ok := v.Image(r.Digest)
	if !ok && (r.Packages > 0 || r.Content != plimsoll.Content{}) {
		return fmt.Errorf("scan document: image %s: %w: its inventory cannot be read from the bucket", r.Digest, plimsoll.ErrUnavailable)
	}
	if !ok {
		return nil
	}
	for _, p := range im.Inventory.Packages {
		out.Packages = append(out.Packages, packageAt(p))
	}
	slices.SortFunc(out.Packages, comparePackages)
	out.addContent(im.Inventory)
	return nil
}

// addContent takes what stands beside the packages, each in the order that its list has everywhere.
func (out *Image) addContent(inv plimsoll.Inventory) {
	for _, p := range inv.Hidden {
		out.Hidden = append(out.Hidden, HiddenPackage{packageAt(p), p.HiddenIn})
	}
	slices.SortFunc(out.Hidden, func(a, b HiddenPackage) int {
		return cmp.Or(comparePackages(a.Package, b.Package), cmp.Compare(a.HiddenIn, b.HiddenIn))
	})
	for f := range list.FilesOf(inv, "", "").All() {
		out.Files = append(out.Files, File{f.Path, some(f.Notes), f.Owner, f.Layer, list.Mode(f), f.Capabilities, f.Kind, f.Size, f.SHA256})
	}
	for s := range list.SecretsOf(inv, "", "").All() {
		out.Secrets = append(out.Secrets, Secret{s.Rule, s.Path, s.Line, s.Layer, s.Last4, s.Fingerprint, s.Hidden, s.HiddenIn})
	}
}

func packageAt(p plimsoll.Package) Package {
	return Package{p.PURL, p.Name, p.Version, p.Source, p.Ecosystem, p.Layer, p.Path}
}

func comparePackages(a, b Package) int {
	return cmp.Or(cmp.Compare(a.Ecosystem, b.Ecosystem), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version),
		cmp.Compare(a.Path, b.Path), cmp.Compare(a.PURL, b.PURL), cmp.Compare(a.Layer, b.Layer))
}

// some makes an absent slice an empty one, so that JSON says [] and never null.
func some[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
