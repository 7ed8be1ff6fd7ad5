package match_test

import (
	"slices"
	"testing"

	"github.com/plimsoll/plimsoll"
)

// TestReleases: releases as images show them meet those that records name.
func TestReleases(t *testing.T) {
	t.Parallel()
	tests := []struct {
		record, installed string
		want              bool
	}{
		{"Debian:12", "Debian:12", true},
		{"Debian:12", "Debian:13", false},
		{"Alpine:v3.18", "Alpine:v3.18", true},
		{"Alpine:edge", "Alpine:v3.18", false},
		{"Ubuntu:22.04:LTS", "Ubuntu:22.04:LTS", true},
		{"Ubuntu:24.10", "Ubuntu:24.10", true},
		{"AlmaLinux:9", "AlmaLinux:9", true},
		{"Rocky Linux:8", "Rocky Linux:9", false},
		{"Azure Linux:3", "Azure Linux:3", true},
		{"Red Hat:enterprise_linux:9::appstream", "Red Hat:enterprise_linux:9::baseos", true},
		{"Red Hat:enterprise_linux:10.0", "Red Hat:enterprise_linux:10.1", true},
		{"Red Hat:enterprise_linux:9::appstream", "Red Hat:9.4", true},
		{"Red Hat:enterprise_linux:8::appstream", "Red Hat:enterprise_linux:9::baseos", false},
		{"Red Hat:rhel_eus:9.2::appstream", "Red Hat:enterprise_linux:9::baseos", false},
		{"Red Hat:rhel_eus:9.2::appstream", "Red Hat:rhel_eus:9.2::baseos", true},
		{"Red Hat:rhel_eus:9.2::appstream", "Red Hat:rhel_eus:9.4::baseos", false},
		{"SUSE:Linux Enterprise Module for Basesystem 15 SP5", "SUSE:Linux Enterprise Server 15 SP5", true},
		{"SUSE:Linux Enterprise Server 15 SP5-LTSS", "SUSE:Linux Enterprise Server 15 SP5", true},
		{"SUSE:Linux Enterprise Module for Basesystem 15 SP6", "SUSE:Linux Enterprise Server 15 SP5", false},
		{"SUSE:Linux Enterprise High Availability Extension 15 SP5", "SUSE:Linux Enterprise Server 15 SP5", false},
		{"openSUSE:Leap 15.5", "openSUSE:Leap 15.5", true},
		{"openEuler:24.03-LTS-SP1", "openEuler:24.03-LTS", false},
		{"Alpaquita:stream", "Alpaquita:stream", true},
		{"BellSoft Hardened Containers:25", "BellSoft Hardened Containers:25", true},
		{"Mageia:9", "Mageia:9", true},
		{"Wolfi", "Wolfi", true},
		{"Chainguard", "Chainguard", true},
		{"MinimOS", "MinimOS", true},
		{"Echo", "Echo", true},
		{"Packagist:https://packages.drupal.org/8", "Packagist", true},
		{"npm", "npm", true},
	}
	for _, tt := range tests {
		m := matcher(record("A-1", affected(tt.record, "x", "0", "<2.0-r1")))
		got := m.Package(plimsoll.Package{Name: "x", Version: "1.0-r1", Ecosystem: tt.installed})
		if len(got.Findings) == 1 != tt.want || got.Undecided != "" {
			t.Errorf("a record of %q, a package of %q: %+v, want affected %v", tt.record, tt.installed, got, tt.want)
		}
		if known := m.Known(tt.installed, now, 0).State != plimsoll.KnownNone; known != tt.want {
			t.Errorf("a record of %q: %q is known: %v, want %v", tt.record, tt.installed, known, tt.want)
		}
	}
}

// TestNames: what records are asked for.
func TestNames(t *testing.T) {
	t.Parallel()
	m := matcher(
		record("UBUNTU-1", affected("Ubuntu:18.04:LTS", "openssl", "0"), affected("Ubuntu:Pro:18.04:LTS", "openssl", "0", "<1.1.1-1ubuntu2.1~18.04.23+esm3")),
		record("UBUNTU-2", affected("Ubuntu:18.04:LTS", "openssl", "0", "<1.1.1-1ubuntu2.1~18.04.23")),
		record("UBUNTU-3", affected("Ubuntu:16.04:LTS", "bash", "0", "<4.4")),
		record("RLSA-1", affected("Rocky Linux:8", "java-11-openjdk", "0", "<1:11.0.13.0.8-1.el8_4")),
		record("ROOT-1", affected("Root:Debian:12", "rootio-curl", "0", "<7.88.1-10+deb12u1.root.io.2")),
		record("ROOT-2", affected("Root:PyPI", "rootio-flask", "0", "<1.0+root.io.2")),
		record("ROOT-3", affected("Root:Alpine:3.18", "rootio-zlib", "0", "<1.2.13-r10072")),
		record("D-1", affected("Debian:12", "x", "0")), record("P-1", affected("PyPI", "x", "0")), record("A-1", affected("Alpine:v3.18", "x", "0")),
		record("GEM-1", affected("RubyGems", "nokogiri", "0", "<1.15.4")),
		record("GO-1", affected("Go", "toolchain", "0", "<1.21.5")),
		record("OPAM-1", affected("opam", "tls", "0", "<2.1.0")),
		record("SWIFT-1", affected("SwiftURL", "github.com/apple/swift-nio", "0", "<2.0.0")),
	)
	tests := map[string]struct {
		p    plimsoll.Package
		want []string
	}{
		"Ubuntu without Pro":            {plimsoll.Package{Name: "openssl", Version: "1.1.1-1ubuntu2.1~18.04.23", Ecosystem: "Ubuntu:18.04:LTS"}, []string{"UBUNTU-1"}},
		"Ubuntu with Pro, old":          {plimsoll.Package{Name: "openssl", Version: "1.1.1-1ubuntu2.1~18.04.23+esm1", Ecosystem: "Ubuntu:18.04:LTS"}, []string{"UBUNTU-1"}},
		"Ubuntu with Pro, fixed":        {plimsoll.Package{Name: "openssl", Version: "1.1.1-1ubuntu2.1~18.04.23+esm3", Ecosystem: "Ubuntu:18.04:LTS"}, nil},
		"no word of Pro":                {plimsoll.Package{Name: "bash", Version: "4.3-14ubuntu1.4+esm1", Ecosystem: "Ubuntu:16.04:LTS"}, []string{"UBUNTU-3"}},
		"rpm by source":                 {plimsoll.Package{Name: "java-11-openjdk-headless", Source: "java-11-openjdk", Version: "1:11.0.12.0.7-0.el8_4", Ecosystem: "Rocky Linux:8"}, []string{"RLSA-1"}},
		"the source rpm has no epoch":   {plimsoll.Package{Name: "headless", Source: "java-11-openjdk", SourceVersion: "11.0.13.0.8-1.el8_4", Version: "1:9-1", Ecosystem: "Rocky Linux:8"}, nil},
		"patched by Root":               {plimsoll.Package{Name: "rootio-curl", Version: "7.88.1-10+deb12u1.root.io.1", Ecosystem: "Debian:12"}, []string{"ROOT-1"}},
		"patched by Root, fixed":        {plimsoll.Package{Name: "rootio-curl", Version: "7.88.1-10+deb12u1.root.io.2", Ecosystem: "Debian:12"}, nil},
		"patched by Root, a language's": {plimsoll.Package{Name: "rootio-flask", Version: "1.0+root.io.1", Ecosystem: "PyPI"}, []string{"ROOT-2"}},
		"patched by Root, Alpine":       {plimsoll.Package{Name: "rootio-zlib", Version: "1.2.13-r10071", Ecosystem: "Alpine:v3.18"}, []string{"ROOT-3"}},
		"a gem for one platform":        {plimsoll.Package{Name: "nokogiri", Version: "1.15.4-x86_64-linux", Ecosystem: "RubyGems"}, nil},
		"an older gem for one platform": {plimsoll.Package{Name: "nokogiri", Version: "1.15.3-java", Ecosystem: "RubyGems"}, []string{"GEM-1"}},
		"Go's tools":                    {plimsoll.Package{Name: "toolchain", Version: "1.21.4", Ecosystem: "Go"}, []string{"GO-1"}},
		"built from a working copy":     {plimsoll.Package{Name: "toolchain", Version: "(devel)", Ecosystem: "Go"}, []string{"GO-1"}},
		"opam":                          {plimsoll.Package{Name: "tls", Version: "2.0.10", Ecosystem: "opam"}, []string{"OPAM-1"}},
		"a Swift package by its URL":    {plimsoll.Package{Name: "https://github.com/Apple/swift-nio.git", Version: "1.9.0", Ecosystem: "SwiftURL"}, []string{"SWIFT-1"}},
		"judged by another":             {plimsoll.Package{Name: "tls", Version: "2.0.10", Ecosystem: "opam", NotMatched: "installed by ocaml-tls"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range m.Package(tt.p).Findings {
				got = append(got, f.ID)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("findings %q, want %q", got, tt.want)
			}
		})
	}
}

// TestModules: streams of an rpm module are different lines, and none of them is that of the package without a module.
func TestModules(t *testing.T) {
	t.Parallel()
	const modular, plain = "1:18.18.2-2.module_el8.8.0+3665+5ae63ef9", "1:18.18.2-2.el9_2"
	with := func(r plimsoll.Advisory, summary, module string) plimsoll.Advisory {
		r.Summary = summary
		r.Affected[0].Module = module
		return r
	}
	m := matcher(
		with(record("ALSA-1", affected("AlmaLinux:8", "a", "0", "<"+modular)), "Moderate: nodejs:18 security update", ""),
		with(record("ALSA-2", affected("AlmaLinux:8", "b", "0", "<"+modular)), "Moderate: something", "nodejs:18"),
		with(record("ALSA-3", affected("AlmaLinux:8", "c", "0", "<"+modular)), "no stream is named", ""),
		with(record("ALSA-4", affected("AlmaLinux:8", "d", "0", "<"+plain)), "Moderate: nodejs security update", ""),
		with(record("ALSA-5", affected("AlmaLinux:8", "e", "0")), "Moderate: no fix yet", ""),
	)
	tests := []struct {
		name, version, module string
		want                  bool
	}{
		{"a", "1:18.17.1-1.module_el8.8.0+3500+aaaaaaaa", "nodejs:18", true},
		{"a", "1:16.17.1-1.module_el8.8.0+3500+aaaaaaaa", "nodejs:16", false},
		{"a", "1:16.17.1-1.module_el8.8.0+3500+aaaaaaaa", "", true}, // its label is not known: it may be
		{"a", "1:16.20.2-3.el8", "", false},
		{"b", "1:18.17.1-1.module_el8.8.0+3500+aaaaaaaa", "nodejs:18", true},
		{"b", "1:16.17.1-1.module_el8.8.0+3500+aaaaaaaa", "nodejs:16", false},
		{"c", "1:16.17.1-1.module_el8.8.0+3500+aaaaaaaa", "nodejs:16", true},
		{"d", "1:16.20.2-3.el9_2", "", true},
		{"d", "1:16.17.1-1.module_el8.8.0+3500+aaaaaaaa", "nodejs:16", false},
		{"e", "1:16.17.1-1.module_el8.8.0+3500+aaaaaaaa", "nodejs:16", true},
	}
	for _, tt := range tests {
		got := m.Package(plimsoll.Package{Name: tt.name, Version: tt.version, Module: tt.module, Ecosystem: "AlmaLinux:8"})
		if len(got.Findings) == 1 != tt.want {
			t.Errorf("%s %s of %q: %+v, want affected %v", tt.name, tt.version, tt.module, got, tt.want)
		}
	}
}

// TestVendorLevel: a distribution knows best how bad a flaw is in its own package; elsewhere a vector says more than a word.
func TestVendorLevel(t *testing.T) {
	t.Parallel()
	const v31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
	rated := func(id, ecosystem, level string) plimsoll.Advisory {
		r := record(id, affected(ecosystem, "x", "0"))
		r.Affected[0].Level = level
		r.Severity = []plimsoll.Score{{Type: "CVSS_V3", Score: v31}}
		return r
	}
	tests := map[string]struct {
		r    plimsoll.Advisory
		want plimsoll.Severity
	}{
		"Debian's urgency":       {rated("DEBIAN-1", "Debian:12", "low"), plimsoll.SeverityLow},
		"unimportant":            {rated("DEBIAN-1", "Debian:12", "unimportant"), plimsoll.SeverityNone},
		"not assigned yet":       {rated("DEBIAN-1", "Debian:12", "not yet assigned"), plimsoll.SeverityCritical},
		"a language's own level": {rated("GHSA-1", "npm", "LOW"), plimsoll.SeverityCritical},
	}
	for name, tt := range tests {
		ecosystem := tt.r.Affected[0].Ecosystem
		got := matcher(tt.r).Package(plimsoll.Package{Name: "x", Version: "1.0", Ecosystem: ecosystem}).Findings
		if len(got) != 1 || got[0].Severity != tt.want || got[0].Score != 9.8 {
			t.Errorf("%s: %+v, want %s 9.8", name, got, tt.want)
		}
	}
}

// TestMalicious: a class of its own, and critical unless its record says otherwise.
func TestMalicious(t *testing.T) {
	t.Parallel()
	r := record("MAL-2023-1", affected("npm", "x"))
	r.Affected[0].Versions = []string{"77.77.79"}
	got := matcher(r, record("GHSA-1", affected("npm", "y", "0"))).Package(plimsoll.Package{Name: "x", Version: "77.77.79", Ecosystem: "npm"}).Findings
	if len(got) != 1 || got[0].Class != plimsoll.ClassMalicious || got[0].Severity != plimsoll.SeverityCritical {
		t.Errorf("%+v, want one malicious critical finding", got)
	}
	r.Severity = []plimsoll.Score{{Type: "CVSS_V3", Score: "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"}}
	if got := matcher(r).Package(plimsoll.Package{Name: "x", Version: "77.77.79", Ecosystem: "npm"}).Findings; got[0].Severity != plimsoll.SeverityMedium {
		t.Errorf("%+v, want the record's own severity", got)
	}
	if got := matcher(record("GHSA-1", affected("npm", "y", "0"))).Package(plimsoll.Package{Name: "y", Version: "1.0.0", Ecosystem: "npm"}).Findings; got[0].Class != "" {
		t.Errorf("a vulnerability is of the class %q", got[0].Class)
	}
}
