package analyze

import (
	"bytes"
	"context"
	"encoding/json"
	"path"
	"regexp"
	"strings"

	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/purl"

	"github.com/plimsoll/plimsoll"
)

// Lists of installed packages that are a few lines each: Composer's, Conda's, pacman's and Portage's. osv-scalibr has no extractor
// for the first, takes Conda's packages for PyPI's (openssl, zlib …) and looks for them in some folders alone, and passes over a
// record of the others that lacks a field.
//
// OSV has no records of Conda, Arch Linux and Gentoo, so these are ecosystems of their own: known of them is nothing.
const (
	NameComposer = "php/composerinstalled"
	NameConda    = "conda/meta"
	NamePacman   = "os/pacman"
	NamePortage  = "os/portage"

	ecosystemConda  = "Conda"
	ecosystemArch   = "Arch Linux"
	ecosystemGentoo = "Gentoo"
)

// installedReaders are their readers. Of pacman's and Portage's each file is a database of one package.
func installedReaders() []reader {
	return []reader{
		{name: NameComposer, named: true, limit: maxFile, wants: wantsComposer, read: readComposer},
		{name: NameConda, named: true, limit: maxFile, wants: wantsConda, read: readConda},
		{name: NamePacman, database: true, named: true, limit: maxFile, wants: wantsPacman, read: readPacman},
		{name: NamePortage, database: true, named: true, limit: maxRelease, wants: wantsPortage, read: readPortage},
	}
}

func wantsComposer(f *file) bool {
	return strings.HasSuffix("/"+f.path, "/vendor/composer/installed.json")
}

func wantsConda(f *file) bool {
	return path.Base(path.Dir(f.path)) == "conda-meta" && path.Ext(f.path) == ".json"
}

func wantsPacman(f *file) bool { return matches("var/lib/pacman/local/*/desc", f.path) }

func wantsPortage(f *file) bool { return matches("var/db/pkg/*/*/PF", f.path) }

func matches(pattern, p string) bool {
	ok, _ := path.Match(pattern, p) // the patterns are constants
	return ok
}

// composerPackage is an entry of vendor/composer/installed.json (Composer 1: a list of them; Composer 2: an object with the list).
type composerPackage struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

func readComposer(_ context.Context, f *file) (found []plimsoll.Package, reason string) {
	var two struct {
		Packages []composerPackage `json:"packages"`
	}
	list := &two.Packages
	if json.Unmarshal(f.data, &two) != nil && json.Unmarshal(f.data, list) != nil || *list == nil {
		return nil, reasonBroken // a list that is not there is another thing than one without entries
	}
	for _, p := range *list {
		if p.Name == "" || p.Version == "" {
			reason = reasonMalformed
			continue
		}
		found = append(found, convert(&extractor.Package{Name: p.Name, Version: p.Version, PURLType: purl.TypeComposer}))
	}
	return found, reason
}

// readConda reads the record that Conda keeps of one installed package.
func readConda(_ context.Context, f *file) ([]plimsoll.Package, string) {
	var p struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Subdir  string `json:"subdir"`
	}
	if json.Unmarshal(f.data, &p) != nil {
		return nil, reasonBroken
	}
	if p.Name == "" || p.Version == "" {
		return nil, reasonMalformed
	}
	return []plimsoll.Package{{
		Name: p.Name, Version: p.Version, Architecture: p.Subdir, Ecosystem: ecosystemConda,
		PURL: purlOf("conda", "", p.Name, p.Version, "subdir", p.Subdir),
	}}, ""
}

// readPacman reads the record that pacman keeps of one installed package: a line "%NAME%" and the lines of its value.
func readPacman(_ context.Context, f *file) ([]plimsoll.Package, string) {
	var name, version, base, arch string
	fields := map[string]*string{"%NAME%": &name, "%VERSION%": &version, "%BASE%": &base, "%ARCH%": &arch}
	var value *string // of the key read last; nil: of no interest, or filled
	for line := range bytes.Lines(f.data) {
		text := bytes.TrimSpace(line)
		switch {
		case len(text) > 2 && text[0] == '%' && text[len(text)-1] == '%':
			value = fields[string(text)]
		case value != nil && len(text) > 0:
			*value, value = string(text), nil
		}
	}
	if name == "" || version == "" {
		return nil, reasonMalformed
	}
	return []plimsoll.Package{{
		Name: name, Version: version, Architecture: arch, Source: unlessSame(base, name), Ecosystem: ecosystemArch,
		PURL: purlOf("alpm", "arch", name, version, "arch", arch),
	}}, ""
}

// portageName is a package with its version (Package Manager Specification, "Version specifications").
var portageName = regexp.MustCompile(`^(.+)-(\d+(?:\.\d+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)\d*)*(?:-r\d+)?)$`)

// readPortage reads PF, the name and version of one installed package; its folder's folder is the category.
func readPortage(_ context.Context, f *file) ([]plimsoll.Package, string) {
	m := portageName.FindStringSubmatch(strings.TrimSpace(string(f.data)))
	if m == nil {
		return nil, reasonMalformed
	}
	category := path.Base(path.Dir(path.Dir(f.path)))
	return []plimsoll.Package{{
		Name: category + "/" + m[1], Version: m[2], Ecosystem: ecosystemGentoo, PURL: purlOf("ebuild", category, m[1], m[2], "", ""),
	}}, ""
}

// purlOf writes a package URL with at most one qualifier.
func purlOf(kind, namespace, name, version, key, value string) string {
	u := purl.PackageURL{Type: kind, Namespace: namespace, Name: name, Version: version}
	if value != "" {
		u.Qualifiers = purl.QualifiersFromMap(map[string]string{key: value})
	}
	return u.String()
}
