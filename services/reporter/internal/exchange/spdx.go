package exchange

import (
	"crypto/sha256"
	"fmt"
	"io"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/plimsoll/plimsoll"
)

// unstated is what SPDX says where nothing is known (7.7, 7.13).
const unstated = "NOASSERTION"

// WriteSPDX writes a bill of materials as SPDX 2.3 JSON: a package an image, which contains the packages found in it. It has
// no place for findings; what was not read stands in the image's comment.
func WriteSPDX(w io.Writer, d Document) error {
	doc := &v2_3.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: d.Name,
		CreationInfo: &v2_3.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: d.Tool.Name + "-" + d.Tool.Version}},
			Created:  d.At.UTC().Format("2006-01-02T15:04:05Z"),
		},
	}
	digests := sha256.New()
	for im, err := range d.Images {
		if err != nil {
			return err
		}
		fmt.Fprintln(digests, im.Reference, im.Digest)
		addImage(doc, im)
	}
	doc.DocumentNamespace = fmt.Sprintf("https://plimsoll.invalid/spdx/%x/%s", digests.Sum(nil)[:16], d.At.UTC().Format("20060102T150405Z"))
	if err := spdxjson.Write(doc, w); err != nil {
		return fmt.Errorf("spdx: %w", err)
	}
	return nil
}

func addImage(doc *v2_3.Document, im Image) {
	id := common.ElementID(fmt.Sprintf("Image-%d", len(doc.Packages)))
	comment := "platform " + im.Platform + "; everything that is analysed was read"
	if text := shortText(im); text != "" {
		comment = "platform " + im.Platform + "; " + text
	}
	image := &v2_3.Package{
		PackageName: im.Reference, PackageSPDXIdentifier: id, PackageVersion: string(im.Digest), PackageDownloadLocation: unstated,
		PackageLicenseConcluded: unstated, PackageLicenseDeclared: unstated, PackageCopyrightText: unstated,
		PackageComment: comment, PrimaryPackagePurpose: "CONTAINER", PackageChecksums: checksum(im.Digest),
	}
	doc.Packages = append(doc.Packages, image)
	doc.Relationships = append(doc.Relationships, related("DOCUMENT", "DESCRIBES", id))
	for _, p := range im.Packages {
		part := common.ElementID(fmt.Sprintf("Package-%d", len(doc.Packages)))
		doc.Packages = append(doc.Packages, packageOf(p, part))
		doc.Relationships = append(doc.Relationships, related(id, "CONTAINS", part))
	}
}

func packageOf(p Package, id common.ElementID) *v2_3.Package {
	out := &v2_3.Package{
		PackageName: p.Name, PackageSPDXIdentifier: id, PackageVersion: p.Version, PackageDownloadLocation: unstated,
		PackageLicenseConcluded: unstated, PackageLicenseDeclared: unstated, PackageCopyrightText: unstated,
		PackageSourceInfo: fmt.Sprintf("layer %d, %s", p.Layer+1, p.Path),
	}
	if p.PURL != "" {
		out.PackageExternalReferences = []*v2_3.PackageExternalReference{{Category: "PACKAGE-MANAGER", RefType: "purl", Locator: p.PURL}}
	}
	return out
}

func related(a common.ElementID, word string, b common.ElementID) *v2_3.Relationship {
	return &v2_3.Relationship{RefA: common.DocElementID{ElementRefID: a}, RefB: common.DocElementID{ElementRefID: b}, Relationship: word}
}

func checksum(d plimsoll.Digest) []common.Checksum {
	if d == "" {
		return nil
	}
	return []common.Checksum{{Algorithm: common.SHA256, Value: d.Hex()}}
}
