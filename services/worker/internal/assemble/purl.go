package assemble

import (
	"strconv"
	"strings"

	"github.com/google/osv-scalibr/binary/proto/metadata"
	"github.com/google/osv-scalibr/extractor"
	apkmeta "github.com/google/osv-scalibr/extractor/filesystem/os/apk/metadata"
	dpkgmeta "github.com/google/osv-scalibr/extractor/filesystem/os/dpkg/metadata"
	rpmmeta "github.com/google/osv-scalibr/extractor/filesystem/os/rpm/metadata"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
)

// placed gives an OS package of layer facts what only the image knows: its ecosystem with release, and its package URL with the
// distribution.
func placed(p plimsoll.Package, r plimsoll.OSRelease) plimsoll.Package {
	family := p.Ecosystem
	if _, os := families[family]; !os {
		return p
	}
	p.Ecosystem = ecosystem(family, r)
	x := extractor.Package{Name: p.Name, Version: p.Version, PURLType: family, Metadata: describePackage(&p, family, r)}
	if family == analyze.FamilyRPM {
		x.Version = withoutEpoch(p.Version) // it becomes a qualifier
	}
	if u := x.PURL(); u != nil {
		p.PURL = u.String()
	}
	if p.NotMatched == "" && (p.Source == "linux" || p.Source == "" && p.Name == "linux") {
		p.NotMatched = "kernel sources: a container runs on its host's kernel"
	}
	return p
}

func describePackage(p *plimsoll.Package, family string, r plimsoll.OSRelease) metadata.Protoable {
	switch family {
	case analyze.FamilyApk:
		return &apkmeta.Metadata{PackageName: p.Name, OriginName: p.Source, OSID: r.ID, OSVersionID: r.VersionID, Architecture: p.Architecture}
	case analyze.FamilyRPM:
		epoch, _ := strconv.Atoi(epochOf(p.Version))
		return &rpmmeta.Metadata{
			PackageName: p.Name, Epoch: epoch, OSID: r.ID, OSVersionID: r.VersionID, Architecture: p.Architecture,
			SourceRPM: sourceRPM(p),
		}
	default:
		return &dpkgmeta.Metadata{
			PackageName: p.Name, SourceName: p.Source, SourceVersion: p.SourceVersion, PackageVersion: p.Version,
			OSID: r.ID, OSVersionCodename: r.VersionCodename, OSVersionID: r.VersionID, Architecture: p.Architecture,
		}
	}
}

func sourceRPM(p *plimsoll.Package) string {
	if p.Source == "" {
		return ""
	}
	version := p.SourceVersion
	if version == "" {
		version = withoutEpoch(p.Version)
	}
	return p.Source + "-" + version + ".src.rpm"
}

func withoutEpoch(v string) string {
	if _, rest, ok := strings.Cut(v, ":"); ok {
		return rest
	}
	return v
}

func epochOf(v string) string {
	epoch, _, ok := strings.Cut(v, ":")
	if !ok {
		return ""
	}
	return epoch
}
