package match_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// events writes a range in short: "0" introduces, "<1" is fixed, "<=1" last affected, "!1" a limit, else introduced.
func events(all ...string) (out []plimsoll.Event) {
	for _, e := range all {
		switch {
		case strings.HasPrefix(e, "<="):
			out = append(out, plimsoll.Event{LastAffected: e[2:]})
		case strings.HasPrefix(e, "<"):
			out = append(out, plimsoll.Event{Fixed: e[1:]})
		case strings.HasPrefix(e, "!"):
			out = append(out, plimsoll.Event{Limit: e[1:]})
		default:
			out = append(out, plimsoll.Event{Introduced: e})
		}
	}
	return out
}

func affected(ecosystem, name string, ev ...string) plimsoll.Affected {
	a := plimsoll.Affected{Ecosystem: ecosystem, Package: name}
	if len(ev) > 0 {
		a.Ranges = []plimsoll.Range{{Type: "ECOSYSTEM", Events: events(ev...)}}
	}
	return a
}

func record(id string, a ...plimsoll.Affected) plimsoll.Advisory {
	return plimsoll.Advisory{ID: id, Modified: now, Affected: a}
}

func matcher(records ...plimsoll.Advisory) *match.Matcher {
	seen := map[string]bool{}
	var feeds []plimsoll.Feed
	for _, r := range records {
		for _, a := range r.Affected {
			family, _, _ := strings.Cut(a.Ecosystem, ":")
			if !seen[family] {
				seen[family] = true
				feeds = append(feeds, plimsoll.Feed{Ecosystem: family, Checked: now})
			}
		}
	}
	return match.New(advisory.Compile(plimsoll.Generation{ID: "g", Feeds: feeds}, records))
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		events   []string
		versions []string
		version  string
		want     bool
		fixed    string
	}{
		"below the fix":               {[]string{"0", "<1.2.0"}, nil, "1.1.9", true, "1.2.0"},
		"at the fix":                  {[]string{"0", "<1.2.0"}, nil, "1.2.0", false, ""},
		"no fix":                      {[]string{"0"}, nil, "9.0.0", true, ""},
		"before it was introduced":    {[]string{"1.0.0", "<1.2.0"}, nil, "0.9.0", false, ""},
		"when it was introduced":      {[]string{"1.0.0", "<1.2.0"}, nil, "1.0.0", true, "1.2.0"},
		"in the second line":          {[]string{"0", "<1.2.0", "2.0.0", "<2.1.0"}, nil, "2.0.5", true, "2.1.0"},
		"between the lines":           {[]string{"0", "<1.2.0", "2.0.0", "<2.1.0"}, nil, "1.5.0", false, ""},
		"events out of order":         {[]string{"<2.1.0", "2.0.0", "<1.2.0", "0"}, nil, "1.1.0", true, "1.2.0"},
		"lines that touch":            {[]string{"1.2.0", "<1.4.0", "0", "<1.2.0"}, nil, "1.2.0", true, "1.4.0"},
		"before lines that touch":     {[]string{"0", "<1.2.0", "1.2.0", "<1.4.0"}, nil, "1.1.0", true, "1.4.0"},
		"an empty range":              {[]string{"1.0.0", "<1.0.0"}, nil, "1.0.0", false, ""},
		"an empty range, reversed":    {[]string{"<1.0.0", "1.0.0"}, nil, "2.0.0", false, ""},
		"last affected":               {[]string{"0", "<=1.2.0"}, nil, "1.2.0", true, ""},
		"after last affected":         {[]string{"0", "<=1.2.0"}, nil, "1.2.1", false, ""},
		"limit alone":                 {[]string{"0", "!2.0.0"}, nil, "1.0.0", true, ""},
		"beyond the limit":            {[]string{"0", "!2.0.0"}, nil, "2.0.0", false, ""},
		"no limit at all":             {[]string{"0", "!*"}, nil, "2.0.0", true, ""},
		"listed":                      {nil, []string{"1.0.0"}, "1.0.0", true, ""},
		"listed with a v":             {nil, []string{"v1.0.0"}, "1.0.0", true, ""},
		"not listed":                  {nil, []string{"1.0.0"}, "1.0.1", false, ""},
		"listed, outside the range":   {[]string{"2.0.0", "<2.1.0"}, []string{"1.0.0"}, "1.0.0", true, "2.1.0"},
		"neither ranges nor list":     {nil, nil, "1.0.0", false, ""},
		"a version that nobody knows": {[]string{"0", "<1.2.0"}, nil, "", true, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := affected("npm", "x", tt.events...)
			a.Versions = tt.versions
			m := matcher(record("GHSA-1", a), record("GHSA-2", affected("npm", "other", "0")))
			got := m.Package(plimsoll.Package{Name: "x", Version: tt.version, Ecosystem: "npm"})
			if got.Undecided != "" || len(got.Findings) > 0 != tt.want {
				t.Fatalf("%+v; want affected %v", got, tt.want)
			}
			if tt.want && got.Findings[0].Fixed != tt.fixed {
				t.Errorf("fixed %q, want %q", got.Findings[0].Fixed, tt.fixed)
			}
		})
	}
}

// TestUndecided: a version that cannot be compared is neither affected nor clean.
func TestUndecided(t *testing.T) {
	t.Parallel()
	m := matcher(record("PYSEC-1", affected("PyPI", "x", "0", "<1.0")), record("PYSEC-2", affected("PyPI", "y", "0", "<"+strings.Repeat("9", 2000))))
	for name, p := range map[string]plimsoll.Package{
		"installed": {Name: "x", Version: strings.Repeat("1", 5000), Ecosystem: "PyPI"},
		"published": {Name: "y", Version: "1.0", Ecosystem: "PyPI"},
	} {
		if r := m.Package(p); len(r.Findings) != 0 || r.Undecided == "" || len(r.Undecided) > 500 {
			t.Errorf("%s: %+v; want undecided, with a short reason", name, r)
		}
	}
	if r := m.Package(plimsoll.Package{Name: "z", Version: strings.Repeat("1", 5000), Ecosystem: "PyPI"}); r.Undecided != "" {
		t.Errorf("no record names the package: %+v; want nothing", r)
	}
}

func TestEcosystems(t *testing.T) {
	t.Parallel()
	m := matcher(
		record("A-1", affected("Alpine:v3.20", "openssl", "0", "<3.3.2-r1")),
		record("D-1", affected("Debian:12", "glibc", "0", "<2.36-9+deb12u10")),
		record("L-1", affected("AlmaLinux:9", "libcurl", "0", "<1:7.76.1-35.el9")),
		record("S-1", affected("SUSE:Linux Enterprise Server 15", "curl", "0", "<7.76.1-35")),
		record("P-1", affected("PyPI", "Flask_Login", "0", "<1.0")),
		record("G-1", affected("Go", "stdlib", "0", "<1.21.5")),
		record("K-1", affected("Packagist:https://packages.drupal.org/8", "drupal/core", "0", "<9.0.0")),
		record("K-2", affected("Packagist", "other", "0")),
	)
	tests := map[string]struct {
		p    plimsoll.Package
		want []string
	}{
		"apk by origin":        {plimsoll.Package{Name: "libssl3", Source: "openssl", Version: "3.3.2-r0", Ecosystem: "Alpine:v3.20"}, []string{"A-1"}},
		"another release":      {plimsoll.Package{Name: "openssl", Version: "3.3.2-r0", Ecosystem: "Alpine:v3.19"}, nil},
		"no release":           {plimsoll.Package{Name: "openssl", Version: "3.3.2-r0", Ecosystem: "Alpine"}, nil},
		"dpkg source version":  {plimsoll.Package{Name: "libc6", Version: "9:9", Source: "glibc", SourceVersion: "2.36-9+deb12u9", Ecosystem: "Debian:12"}, []string{"D-1"}},
		"binary is no source":  {plimsoll.Package{Name: "glibc", Version: "2.0-1", Source: "other", Ecosystem: "Debian:12"}, nil},
		"rpm by binary name":   {plimsoll.Package{Name: "libcurl", Source: "curl", Version: "1:7.76.1-31.el9", Ecosystem: "AlmaLinux:9"}, []string{"L-1"}},
		"rpm epoch counts":     {plimsoll.Package{Name: "libcurl", Version: "2:1-1.el9", Ecosystem: "AlmaLinux:9"}, nil},
		"records without it":   {plimsoll.Package{Name: "curl", Version: "2:7.76.1-31", Ecosystem: "SUSE:Linux Enterprise Server 15"}, []string{"S-1"}},
		"names by PEP 503":     {plimsoll.Package{Name: "flask.login", Version: "0.9", Ecosystem: "PyPI"}, []string{"P-1"}},
		"Go's own library":     {plimsoll.Package{Name: "go", Version: "1.21.4", Ecosystem: "Go"}, []string{"G-1"}},
		"a side without":       {plimsoll.Package{Name: "drupal/core", Version: "8.0.0", Ecosystem: "Packagist"}, []string{"K-1"}},
		"no comparer":          {plimsoll.Package{Name: "x", Version: "1", Ecosystem: "GIT"}, nil},
		"an unknown ecosystem": {plimsoll.Package{Name: "x", Version: "1", Ecosystem: "Nowhere:1"}, nil},
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

func TestKnown(t *testing.T) {
	t.Parallel()
	m := matcher(
		record("D-1", affected("Debian:12", "glibc", "0")), record("P-1", affected("PyPI", "x", "0")), record("O-1", affected("OSS-Fuzz", "x", "0")),
	)
	tests := map[string]struct {
		at   time.Time
		want plimsoll.KnownState
	}{
		"Debian:12": {now, plimsoll.KnownCurrent},
		"PyPI":      {now, plimsoll.KnownCurrent},
		"Debian:13": {now, plimsoll.KnownNone},
		"Debian":    {now, plimsoll.KnownNone},
		"OSS-Fuzz":  {now, plimsoll.KnownNone},
		"npm":       {now, plimsoll.KnownNone},
		"":          {now, plimsoll.KnownNone},
	}
	for ecosystem, tt := range tests {
		k := m.Known(ecosystem, tt.at, 48*time.Hour)
		if k.State != tt.want || (k.Reason == "") != (tt.want == plimsoll.KnownCurrent) {
			t.Errorf("%q: %+v, want %s", ecosystem, k, tt.want)
		}
	}
	if k := m.Known("PyPI", now.Add(49*time.Hour), 48*time.Hour); k.State != plimsoll.KnownStale || k.Reason == "" {
		t.Errorf("49 hours later: %+v, want stale", k)
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	with := func(r plimsoll.Advisory, aliases, upstream []string) plimsoll.Advisory {
		r.Aliases, r.Upstream = aliases, upstream
		return r
	}
	x := affected("npm", "x", "0", "<2.0.0")
	tests := map[string]struct {
		records []plimsoll.Advisory
		want    string // "id [aliases] matched; …"
	}{
		"one CVE by alias": {
			[]plimsoll.Advisory{with(record("GHSA-1", x), []string{"CVE-1"}, nil), with(record("PYSEC-1", x), []string{"CVE-1", "GHSA-1"}, nil)},
			"CVE-1 [GHSA-1 PYSEC-1] GHSA-1,PYSEC-1",
		},
		"one CVE by upstream": {[]plimsoll.Advisory{with(record("DEBIAN-CVE-1", x), nil, []string{"CVE-1"})}, "CVE-1 [DEBIAN-CVE-1] DEBIAN-CVE-1"},
		"a CVE lent by another record": {
			[]plimsoll.Advisory{with(record("GHSA-1", x), []string{"CVE-1"}, nil), with(record("NSWG-1", x), []string{"GHSA-1"}, nil)},
			"CVE-1 [GHSA-1 NSWG-1] GHSA-1,NSWG-1",
		},
		"several CVEs give one finding each, and weld nothing": {
			[]plimsoll.Advisory{with(record("DSA-1", x), nil, []string{"CVE-2", "CVE-1"}), with(record("DEBIAN-CVE-1", x), nil, []string{"CVE-1"})},
			"CVE-1 [DEBIAN-CVE-1] DEBIAN-CVE-1,DSA-1; CVE-2 [] DSA-1",
		},
		"no CVE: the GHSA": {
			[]plimsoll.Advisory{with(record("A-1", x), []string{"GHSA-2"}, nil), with(record("GHSA-2", x), []string{"B-1"}, nil)},
			"GHSA-2 [A-1 B-1] A-1,GHSA-2",
		},
		"a loop of aliases": {
			[]plimsoll.Advisory{with(record("A-1", x), []string{"A-2", "A-1"}, nil), with(record("A-2", x), []string{"A-3"}, nil), with(record("A-3", x), []string{"A-1"}, nil)},
			"A-1 [A-2 A-3] A-1,A-2,A-3",
		},
		"aliases that contradict": {
			[]plimsoll.Advisory{with(record("GHSA-1", x), []string{"CVE-1"}, nil), with(record("A-1", x), []string{"CVE-2", "GHSA-1"}, nil)},
			"CVE-1 [GHSA-1] GHSA-1; CVE-2 [A-1 GHSA-1] A-1",
		},
		"nothing in common": {[]plimsoll.Advisory{record("ALSA-1", x), record("ALSA-2", x)}, "ALSA-1 [] ALSA-1; ALSA-2 [] ALSA-2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 3 { // maps differ in order from run to run, results must not
				var got []string
				for _, f := range matcher(tt.records...).Package(plimsoll.Package{Name: "x", Version: "1.0.0", Ecosystem: "npm"}).Findings {
					var ids []string
					for _, m := range f.Matched {
						ids = append(ids, m.ID)
					}
					got = append(got, fmt.Sprint(f.ID, " ", f.Aliases, " ", strings.Join(ids, ",")))
				}
				if s := strings.Join(got, "; "); s != tt.want {
					t.Fatalf("findings %s\nwant     %s", s, tt.want)
				}
			}
		})
	}
}

func TestSeverity(t *testing.T) {
	t.Parallel()
	const v4, v31, v30, v2 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
		"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N", "AV:N/AC:M/Au:N/C:P/I:N/A:N"
	x := affected("npm", "x", "0", "<2.0.0")
	scored := func(id string, scores ...string) plimsoll.Advisory {
		r := record(id, x)
		r.Aliases = []string{"CVE-1"}
		for i := 0; i < len(scores); i += 2 {
			r.Severity = append(r.Severity, plimsoll.Score{Type: scores[i], Score: scores[i+1]})
		}
		return r
	}
	level := func(word string) plimsoll.Advisory {
		r := scored("A-1")
		r.Affected = slices.Clone(r.Affected)
		r.Affected[0].Level = word
		return r
	}
	summary := func(text string) plimsoll.Advisory {
		r := scored("ALSA-1")
		r.Summary = text
		return r
	}
	elsewhere := scored("BIT-1", "CVSS_V3", v30)
	elsewhere.Affected = []plimsoll.Affected{affected("Bitnami", "x", "0")}
	tests := map[string]struct {
		records []plimsoll.Advisory
		want    string
	}{
		"version 4 first":           {[]plimsoll.Advisory{scored("A-1", "CVSS_V3", v30, "CVSS_V4", v4)}, "critical 9.3 own CVSS_V4"},
		"version 3.1":               {[]plimsoll.Advisory{scored("A-1", "CVSS_V3", v31)}, "critical 9.8 own CVSS_V3"},
		"version 3.0":               {[]plimsoll.Advisory{scored("A-1", "CVSS_V3", v30)}, "medium 5.3 own CVSS_V3"},
		"version 2":                 {[]plimsoll.Advisory{scored("A-1", "CVSS_V2", v2)}, "medium 4.3 own CVSS_V2"},
		"the worse of two records":  {[]plimsoll.Advisory{scored("A-1", "CVSS_V3", v30), scored("A-2", "CVSS_V3", v31)}, "critical 9.8 own CVSS_V3"},
		"not a number":              {[]plimsoll.Advisory{scored("A-1", "CVSS_V3", "NaN", "CVSS_V3", "-9.8", "CVSS_V3", "CVSS:3.1/AV:X")}, "not rated 0.0 "},
		"a database's own word":     {[]plimsoll.Advisory{scored("USN-1", "Ubuntu", "medium")}, "medium 0.0 own level"},
		"a level":                   {[]plimsoll.Advisory{level("Important")}, "high 0.0 own level"},
		"a level that says nothing": {[]plimsoll.Advisory{level("unknown")}, "not rated 0.0 "},
		"a vector before a level":   {[]plimsoll.Advisory{level("low"), scored("A-2", "CVSS_V3", v31)}, "critical 9.8 own CVSS_V3"},
		"of another record":         {[]plimsoll.Advisory{scored("A-1"), elsewhere}, "medium 5.3 BIT-1 CVSS_V3"},
		"another's before a word":   {[]plimsoll.Advisory{summary("Important: x update"), elsewhere}, "medium 5.3 BIT-1 CVSS_V3"},
		"the vendor's word":         {[]plimsoll.Advisory{summary("Moderate: x security update")}, "medium 0.0 vendor's word"},
		"a summary with a colon":    {[]plimsoll.Advisory{summary("x: a flaw")}, "not rated 0.0 "},
		"nothing":                   {[]plimsoll.Advisory{scored("A-1")}, "not rated 0.0 "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := matcher(tt.records...).Package(plimsoll.Package{Name: "x", Version: "1.0.0", Ecosystem: "npm"}).Findings
			if len(all) != 1 {
				t.Fatalf("findings %+v, want one", all)
			}
			if got := fmt.Sprintf("%s %.1f %s", all[0].Severity, all[0].Score, all[0].Source); got != tt.want {
				t.Errorf("rated %q, want %q", got, tt.want)
			}
		})
	}
}

// TestFixedOfSeveral: upgrading to it ends the finding, whichever record one looks at.
func TestFixedOfSeveral(t *testing.T) {
	t.Parallel()
	a, b := record("GHSA-1", affected("npm", "x", "0", "<1.5.0", "2.0.0", "<2.5.0")), record("SNYK-1", affected("npm", "x", "0", "<1.6.0"))
	c := record("OSS-1", affected("npm", "x", "0", "<=1.4.0"))
	a.Aliases, b.Aliases, c.Aliases = []string{"CVE-1"}, []string{"CVE-1"}, []string{"CVE-1"}
	got := matcher(a, b, c).Package(plimsoll.Package{Name: "x", Version: "1.0.0", Ecosystem: "npm", PURL: "pkg:npm/x@1.0.0"}).Findings
	want := []plimsoll.Finding{{
		ID: "CVE-1", Aliases: []string{"GHSA-1", "OSS-1", "SNYK-1"}, Matched: []plimsoll.Match{{ID: "GHSA-1", Package: "x"}, {ID: "OSS-1", Package: "x"}, {ID: "SNYK-1", Package: "x"}},
		PURL: "pkg:npm/x@1.0.0", Severity: plimsoll.SeverityNotRated, Fixed: "1.6.0", Status: "affected", Package: "x", Version: "1.0.0", Ecosystem: "npm",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWithdrawn(t *testing.T) {
	t.Parallel()
	r := record("GHSA-1", affected("npm", "x", "0"))
	r.Withdrawn = now
	if got := matcher(r, record("GHSA-2", affected("npm", "y", "0"))).Package(plimsoll.Package{Name: "x", Version: "1.0.0", Ecosystem: "npm"}); len(got.Findings) != 0 {
		t.Errorf("a withdrawn record matches: %+v", got)
	}
}
