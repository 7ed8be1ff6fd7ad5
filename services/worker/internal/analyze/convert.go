package analyze

import (
	"cmp"
	"strings"

	"github.com/google/osv-scalibr/extractor"
	archivemeta "github.com/google/osv-scalibr/extractor/filesystem/language/java/archive/metadata"
	apkmeta "github.com/google/osv-scalibr/extractor/filesystem/os/apk/metadata"
	dpkgmeta "github.com/google/osv-scalibr/extractor/filesystem/os/dpkg/metadata"
	"github.com/google/osv-scalibr/purl"

	"github.com/plimsoll/plimsoll"
)

// The families of OS packages, which stand in for the ecosystem until assembly knows the distribution. They are the types of
// package URLs.
const (
	FamilyDeb  = purl.TypeDebian
	FamilyOpkg = purl.TypeOpkg
	FamilyApk  = purl.TypeApk
	FamilyRPM  = purl.TypeRPM
)

// convert makes our package of osv-scalibr's. Path and extractor are filled in by the caller.
func convert(p *extractor.Package) plimsoll.Package {
	out := plimsoll.Package{Name: p.Name, Version: p.Version}
	switch m := p.Metadata.(type) {
	case *dpkgmeta.Metadata:
		out.Ecosystem, out.Architecture = p.PURLType, m.Architecture
		out.Source, out.SourceVersion = unlessSame(m.SourceName, p.Name), unlessSame(m.SourceVersion, p.Version)
		if len(p.ExploitabilitySignals) > 0 {
			out.NotMatched = "transitional package"
		}
		return out
	case *apkmeta.Metadata:
		out.Ecosystem, out.Architecture, out.Source = FamilyApk, m.Architecture, unlessSame(m.OriginName, p.Name)
		return out
	case *archivemeta.Metadata:
		if m.GroupID != "" && m.ArtifactID != "" {
			out.Name = m.GroupID + ":" + m.ArtifactID
		}
	}
	if p.PURLType == purl.TypeGolang && p.Name == "go" {
		// The advisory database of Go names the standard library so.
		out.Name, p.Name = "stdlib", "stdlib"
	}
	out.Ecosystem = p.Ecosystem().String()
	if u := p.PURL(); u != nil {
		if p.PURLType == purl.TypeNPM {
			u.Qualifiers = nil // "source": where a lock file says it came from, which a package.json does not
		}
		out.PURL = u.String()
	}
	return out
}

func convertAll(ps []*extractor.Package) []plimsoll.Package {
	out := make([]plimsoll.Package, 0, len(ps))
	for _, p := range ps {
		out = append(out, convert(p))
	}
	return out
}

func unlessSame(s, as string) string {
	if s == as {
		return ""
	}
	return s
}

// comparePackages orders packages by everything that tells two apart.
func comparePackages(a, b plimsoll.Package) int {
	return cmp.Or(
		cmp.Compare(a.Ecosystem, b.Ecosystem), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version),
		cmp.Compare(a.Architecture, b.Architecture), cmp.Compare(a.Path, b.Path), cmp.Compare(a.PURL, b.PURL),
		cmp.Compare(a.Source, b.Source), cmp.Compare(a.SourceVersion, b.SourceVersion), cmp.Compare(a.Module, b.Module),
		strings.Compare(a.NotMatched, b.NotMatched),
	)
}
