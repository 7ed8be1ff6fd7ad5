package exchange

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/plimsoll/plimsoll"
)

// WriteCycloneDX writes a bill of materials in CycloneDX 1.6: a container component an image, its packages within, and the
// findings as vulnerabilities. What was not read stands in properties and as an incomplete composition.
func WriteCycloneDX(w io.Writer, d Document) error {
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: d.At.UTC().Format("2006-01-02T15:04:05Z"),
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: d.Tool.Name, Version: d.Tool.Version}}},
		Component: &cdx.Component{Type: cdx.ComponentTypeApplication, Name: d.Name, BOMRef: "scope"},
		Properties: &[]cdx.Property{
			{Name: "plimsoll:generation", Value: d.Data.Generation}, {Name: "plimsoll:policy", Value: d.Policy.Name + " v" + strconv.Itoa(d.Policy.Version)},
		},
	}
	images, compositions := []cdx.Component{}, []cdx.Composition{}
	found := vulnerabilities{at: map[string]int{}}
	for im, err := range d.Images {
		if err != nil {
			return err
		}
		c := container(im)
		images = append(images, c)
		compositions = append(compositions, composition(im, c.BOMRef))
		found.add(im, c.BOMRef)
	}
	bom.Components, bom.Compositions, bom.Vulnerabilities = &images, &compositions, &found.all
	if err := cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("cyclonedx: %w", err)
	}
	return nil
}

func container(im Image) cdx.Component {
	c := cdx.Component{
		Type: cdx.ComponentTypeContainer, BOMRef: im.Reference + "@" + string(im.Digest), Name: im.Reference, Version: string(im.Digest),
		Properties: &[]cdx.Property{{Name: "plimsoll:platform", Value: im.Platform}, {Name: "plimsoll:verdict", Value: im.Verdict}},
	}
	for _, name := range sortedKeys(im.Read) {
		*c.Properties = append(*c.Properties, cdx.Property{Name: "plimsoll:read:" + name, Value: string(im.Read[name].State) + " " + im.Read[name].Reason})
	}
	packages := []cdx.Component{}
	for i, p := range im.Packages {
		packages = append(packages, cdx.Component{
			Type: cdx.ComponentTypeLibrary, BOMRef: packageRef(c.BOMRef, i), Name: p.Name, Version: p.Version, PackageURL: p.PURL,
			Properties: &[]cdx.Property{{Name: "plimsoll:layer", Value: strconv.Itoa(p.Layer)}, {Name: "plimsoll:path", Value: p.Path}},
		})
	}
	c.Components = &packages
	return c
}

func packageRef(image string, i int) string { return image + "#" + strconv.Itoa(i) }

// composition says whether an image's list of packages is whole (CycloneDX: aggregate).
func composition(im Image, ref string) cdx.Composition {
	refs := []cdx.BOMReference{cdx.BOMReference(ref)}
	aggregate := cdx.CompositionAggregateComplete
	for _, c := range im.Read {
		if c.Short() {
			aggregate = cdx.CompositionAggregateIncomplete
		}
	}
	return cdx.Composition{Aggregate: aggregate, Assemblies: &refs}
}

// vulnerabilities joins the findings of all images by id.
type vulnerabilities struct {
	all []cdx.Vulnerability
	at  map[string]int
}

func (v *vulnerabilities) add(im Image, ref string) {
	index := map[string]string{}
	for i, p := range im.Packages {
		index[p.PURL+"\x00"+p.Path] = packageRef(ref, i)
	}
	for _, f := range im.Findings {
		i, ok := v.at[f.ID]
		if !ok {
			i = len(v.all)
			v.at[f.ID] = i
			v.all = append(v.all, vulnerability(f))
		}
		target, ok := index[f.PURL+"\x00"+f.Path]
		if !ok {
			target = ref
		}
		*v.all[i].Affects = append(*v.all[i].Affects, cdx.Affects{Ref: target})
	}
}

func vulnerability(f plimsoll.Finding) cdx.Vulnerability {
	rating := cdx.VulnerabilityRating{Severity: cdxSeverity(f.Severity), Method: cdx.ScoringMethodOther}
	if f.Score > 0 {
		score := f.Score
		rating.Score = &score
	}
	refs := []cdx.VulnerabilityReference{}
	for _, a := range f.Aliases {
		refs = append(refs, cdx.VulnerabilityReference{ID: a, Source: &cdx.Source{Name: "OSV"}})
	}
	sum := sha256.Sum256([]byte(f.ID))
	out := cdx.Vulnerability{
		BOMRef: fmt.Sprintf("advisory-%x", sum[:8]), ID: f.ID, Source: &cdx.Source{Name: "OSV"},
		Ratings: &[]cdx.VulnerabilityRating{rating}, References: &refs, Affects: &[]cdx.Affects{},
	}
	addExploitation(&out, f)
	if f.Fixed != "" {
		out.Recommendation = "fixed in " + f.Fixed
	}
	return out
}

// addExploitation adds EPSS as a rating, and what else is said of exploitation as properties.
func addExploitation(out *cdx.Vulnerability, f plimsoll.Finding) {
	e := f.Enrichment
	if e == nil {
		return
	}
	if score, ok := f.EPSS(); ok {
		*out.Ratings = append(*out.Ratings, cdx.VulnerabilityRating{Source: &cdx.Source{Name: "FIRST EPSS"}, Score: &score, Method: cdx.ScoringMethodOther})
	}
	all := []cdx.Property{{Name: "plimsoll:exploited", Value: strconv.FormatBool(e.Exploited())}}
	if !e.KEV.Added.IsZero() {
		all = append(all, cdx.Property{Name: "plimsoll:kev:added", Value: e.KEV.Added.Format(time.DateOnly)},
			cdx.Property{Name: "plimsoll:kev:ransomware", Value: strconv.FormatBool(e.KEV.Ransomware)})
	}
	if e.SSVC.Exploitation != "" {
		all = append(all, cdx.Property{Name: "plimsoll:ssvc:exploitation", Value: e.SSVC.Exploitation})
	}
	out.Properties = &all
}

func cdxSeverity(s plimsoll.Severity) cdx.Severity {
	if s == plimsoll.SeverityNotRated {
		return cdx.SeverityUnknown
	}
	return cdx.Severity(s)
}
