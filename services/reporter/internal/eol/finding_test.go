package eol

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

// TestDistribution: by os-release first, else by the packages of the system; on the lowest layer that brought one.
func TestDistribution(t *testing.T) {
	t.Parallel()
	deb := func(ecosystem string, layer int) plimsoll.Package {
		return plimsoll.Package{Name: "bash", Version: "5", Ecosystem: ecosystem, PURL: "pkg:deb/debian/bash@5", Layer: layer, Path: "var/lib/dpkg/status"}
	}
	npm := plimsoll.Package{Name: "x", Version: "1", Ecosystem: "npm", PURL: "pkg:npm/x@1", Layer: 0}
	for name, tt := range map[string]struct {
		release  plimsoll.OSRelease
		packages []plimsoll.Package
		purl     string
		eco      string
		layer    int
		path     string
	}{
		"debian":               {plimsoll.OSRelease{ID: "debian", VersionID: "10"}, []plimsoll.Package{npm, deb("Debian:10", 2), deb("Debian:10", 1)}, "pkg:generic/debian@10", "Debian:10", 1, "etc/os-release"},
		"without packages":     {plimsoll.OSRelease{ID: "alpine", VersionID: "3.9.6"}, nil, "pkg:generic/alpine@3.9", "Alpine:v3.9", 0, "etc/os-release"},
		"edge":                 {plimsoll.OSRelease{ID: "alpine", VersionID: "3.21_alpha20240923"}, nil, "pkg:generic/alpine@edge", "Alpine:edge", 0, "etc/os-release"},
		"another's name":       {plimsoll.OSRelease{ID: "rhel", VersionID: "7.9"}, nil, "pkg:generic/red-hat@7.9", "Red Hat:7.9", 0, "etc/os-release"},
		"of nobody's":          {plimsoll.OSRelease{ID: "corp", VersionID: "4"}, nil, "pkg:generic/corp@4", "Corp:4", 0, "etc/os-release"},
		"by packages":          {plimsoll.OSRelease{}, []plimsoll.Package{npm, deb("Ubuntu:18.04:LTS", 3)}, "pkg:generic/ubuntu@18.04", "Ubuntu:18.04:LTS", 3, "var/lib/dpkg/status"},
		"no release":           {plimsoll.OSRelease{ID: "debian"}, []plimsoll.Package{npm}, "", "", 0, ""},
		"of a language":        {plimsoll.OSRelease{}, []plimsoll.Package{npm}, "", "", 0, ""},
		"a family, no release": {plimsoll.OSRelease{}, []plimsoll.Package{deb("Linux (deb)", 0)}, "", "", 0, ""},
	} {
		p, ok := Distribution(&plimsoll.Inventory{Release: tt.release, Packages: tt.packages})
		if ok != (tt.purl != "") || p.PURL != tt.purl || p.Ecosystem != tt.eco || p.Layer != tt.layer || p.Path != tt.path || ok && !IsDistribution(&p) {
			t.Errorf("%s: %+v, %v; want %s of %s at %d %s", name, p, ok, tt.purl, tt.eco, tt.layer, tt.path)
		}
	}
}

// TestOfPackage: run-times that nobody else answers for, and no packages that have their names by chance.
func TestOfPackage(t *testing.T) {
	t.Parallel()
	table := BuiltIn()
	for _, tt := range []struct {
		p    plimsoll.Package
		want string
	}{
		{plimsoll.Package{Name: "node", Version: "16.20.2", Ecosystem: "Bitnami", PURL: "pkg:bitnami/node@16.20.2"}, "EOL-node-16"},
		{plimsoll.Package{Name: "python", Version: "3.8.19", Ecosystem: "Bitnami", PURL: "pkg:bitnami/python@3.8.19"}, "EOL-python-3.8"},
		{plimsoll.Package{Name: "stdlib", Version: "1.21.3", Ecosystem: "Go", PURL: "pkg:golang/stdlib@1.21.3"}, "EOL-go-1.21"},
		{plimsoll.Package{Name: "node", Version: "16.20.2", Ecosystem: "Bitnami", PURL: "pkg:bitnami/node@16.20.2", NotMatched: "installed by nodejs"}, ""},
		{plimsoll.Package{Name: "python", Version: "3.8.1", Ecosystem: "PyPI", PURL: "pkg:pypi/python@3.8.1"}, ""},
		{plimsoll.Package{Name: "node", Version: "16.0.0", Ecosystem: "npm", PURL: "pkg:npm/node@16.0.0"}, ""},
		{plimsoll.Package{Name: "node", Version: "999.0.0", Ecosystem: "Bitnami", PURL: "pkg:bitnami/node@999.0.0"}, ""},
	} {
		f, ok := table.OfPackage(&tt.p)
		if got := f.Finding(&tt.p).ID; ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%+v: %s, %v; want %q", tt.p, got, ok, tt.want)
		}
	}
	if _, ok := (*Table)(nil).OfPackage(&plimsoll.Package{Name: "node", Version: "16.20.2", PURL: "pkg:bitnami/node@16.20.2"}); ok {
		t.Error("without a table something is known")
	}
}

func TestFinding(t *testing.T) {
	t.Parallel()
	p, _ := Distribution(&plimsoll.Inventory{Release: plimsoll.OSRelease{ID: "debian", VersionID: "10"}})
	f, ok := BuiltIn().OfPackage(&p)
	if !ok || !f.Over().Equal(time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)) {
		t.Fatalf("%+v, %v", f, ok)
	}
	want := plimsoll.Finding{
		ID: "EOL-debian-10", Class: plimsoll.ClassEndOfLife, Aliases: []string{}, Matched: []plimsoll.Match{}, PURL: "pkg:generic/debian@10",
		Severity: plimsoll.SeverityHigh, Status: "affected", Text: "Debian 10 has had no fixes since 30 Jun 2024",
		Package: "debian", Version: "10", Ecosystem: "Debian:10", Source: "https://wiki.debian.org/LTS",
	}
	if diff := cmp.Diff(want, f.Finding(&p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
