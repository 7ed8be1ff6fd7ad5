package match_test

import (
	"archive/zip"
	"bufio"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

func order(t testing.TB, ecosystem string) match.Order {
	t.Helper()
	o, ok := match.OrderOf(ecosystem)
	if !ok {
		t.Fatalf("%s has no order", ecosystem)
	}
	return o
}

func compare(o match.Order, a, b string) (int, error) {
	x, err := o.Parse(a)
	if err != nil {
		return 0, err
	}
	y, err := o.Parse(b)
	if err != nil {
		return 0, err
	}
	return x.Compare(y)
}

func TestCompare(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ecosystem, low, high string
	}{
		{"Debian:12", "2.36-9+deb12u9", "2.36-9+deb12u10"},
		{"Debian:12", "1.0~rc1-1", "1.0-1"},
		{"Debian:12", "2.0-1", "1:1.0-1"},
		{"Ubuntu:22.04:LTS", "3.0.2-0ubuntu1.9", "3.0.2-0ubuntu1.10"},
		{"Alpine:v3.20", "3.3.2-r0", "3.3.2-r1"},
		{"Alpine:v3.20", "1.0_rc1-r0", "1.0-r0"},
		{"AlmaLinux:9", "7.76.1-31.el9", "7.76.1-35.el9_7.3"},
		{"AlmaLinux:9", "9.0-1.el9", "1:1.0-1.el9"},
		{"Azure Linux:3", "7.2.2-1.cm1", "0:7.2.6-1.cm1"},
		{"npm", "1.9.0", "1.10.0"},
		{"npm", "1.0.0-rc.1", "1.0.0"},
		{"Go", "v1.2.3", "1.2.4"},
		{"Go", "0.0.0-20210520170846-37e1c6afe023", "0.0.0-20220101000000-000000000000"},
		{"PyPI", "1.0rc1", "1.0"},
		{"PyPI", "1.0", "1.0.post1"},
		{"Maven", "2.14-beta9", "2.14"},
		{"RubyGems", "1.0.0.pre1", "1.0.0"},
		{"Packagist", "v2.0.0-RC1", "2.0.0"},
	}
	for _, tt := range tests {
		o := order(t, tt.ecosystem)
		for _, c := range []struct {
			a, b string
			want int
		}{{tt.low, tt.high, -1}, {tt.high, tt.low, 1}, {tt.low, tt.low, 0}} {
			if got, err := compare(o, c.a, c.b); err != nil || got != c.want {
				t.Errorf("%s: compare %s with %s = %d, %v; want %d", tt.ecosystem, c.a, c.b, got, err, c.want)
			}
		}
	}
}

// TestHostileVersions: no panic, no long time, and an error where nothing can be said.
func TestHostileVersions(t *testing.T) {
	t.Parallel()
	hostile := []string{
		"", " ", ">=", "~~", strings.Repeat("9", 1<<20), strings.Repeat("9", 1000), "1.0~~", "99999999999999999999:1-1", "-1", "1-", "1..2",
		"１.２", "1.0\x00", "1.0\xff", strings.Repeat("1.", 400) + "1", strings.Repeat("-", 900) + "1", "v", "1.0+" + strings.Repeat("a", 900), ":1", "1:", "latest",
	}
	for _, family := range families {
		o := order(t, family)
		for _, a := range hostile {
			for _, b := range hostile {
				ab, err := compare(o, a, b)
				ba, rerr := compare(o, b, a)
				if (err == nil) != (rerr == nil) || err == nil && ab != -ba {
					t.Errorf("%s: compare %.30q with %.30q: %d, %v; the other way round %d, %v", family, a, b, ab, err, ba, rerr)
				}
			}
		}
		if _, err := o.Parse(hostile[4]); err == nil {
			t.Errorf("%s takes a version of a megabyte", family)
		}
	}
}

// families are the ecosystems with an order.
var families = []string{
	"AlmaLinux", "Alpaquita", "Alpine", "Azure Linux", "BellSoft Hardened Containers", "Bitnami", "Chainguard", "CRAN", "crates.io", "Debian",
	"GHC", "Go", "Hackage", "Hex", "Julia", "Maven", "npm", "NuGet", "openSUSE", "Packagist", "Pub", "PyPI", "Red Hat", "Rocky Linux", "RubyGems", "SUSE",
	"SwiftURL", "Ubuntu", "Wolfi",
}

// TestTotalOrder: among versions as people write them, an order is antisymmetric and transitive.
func TestTotalOrder(t *testing.T) {
	t.Parallel()
	// A version takes one of each group, in order: what the ecosystem's own tools accept.
	grammars := map[string][][]string{
		"deb":    {{"", "", "1:", "0:"}, {"1", "2", "10"}, {"", ".0", ".1", ".10"}, {"", "~rc1", "~rc2", "+dfsg", "a"}, {"", "-1", "-1ubuntu1", "-2+deb12u1", "-2+deb12u10", "-1~bpo1"}},
		"apk":    {{"1", "2", "10"}, {"", ".0", ".1", ".10"}, {"", ".1", ".2"}, {"", "a", "b"}, {"", "_alpha1", "_rc1", "_rc2", "_p1", "_git2"}, {"", "-r0", "-r1", "-r10"}},
		"rpm":    {{"", "", "1:", "0:"}, {"1", "2", "10"}, {"", ".0", ".1", ".10"}, {"", "~rc1", "^git1", "a", "b2"}, {"-1", "-2", "-10"}, {".el9", ".el9_2", ".el9_10.1", ".module_el8.1.0"}},
		"semver": {{"1", "2", "10"}, {".0", ".1", ".10"}, {".0", ".1", ".10"}, {"", "-rc.1", "-rc.2", "-rc.10", "-alpha", "-beta.2"}, {"", "", "+build"}},
		"pypi":   {{"", "", "1!"}, {"1", "2", "10"}, {"", ".0", ".1", ".10"}, {"", "rc1", "a2", "b1", ".dev1", "rc1.dev2"}, {"", ".post1"}, {"", "", "+local.1"}},
	}
	kinds := map[string]string{
		"Debian": "deb", "Ubuntu": "deb", "Alpine": "apk", "AlmaLinux": "rpm", "Red Hat": "rpm", "Azure Linux": "rpm", "npm": "semver", "Go": "semver",
		"crates.io": "semver", "NuGet": "semver", "Packagist": "semver", "RubyGems": "semver", "Maven": "semver", "PyPI": "pypi", "Pub": "semver",
	}
	for family, kind := range kinds {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			o := order(t, family)
			r := rand.New(rand.NewPCG(7, 7))
			var versions []match.Version
			var texts []string
			for len(versions) < 80 {
				text := ""
				for _, group := range grammars[kind] {
					text += group[r.IntN(len(group))]
				}
				if v, err := o.Parse(text); err == nil {
					versions, texts = append(versions, v), append(texts, text)
				}
			}
			checkOrder(t, versions, texts)
		})
	}
}

func checkOrder(t *testing.T, versions []match.Version, texts []string) {
	n := len(versions)
	at := make([][]int, n)
	for i := range versions {
		at[i] = make([]int, n)
		for j := range versions {
			c, err := versions[i].Compare(versions[j])
			if err != nil {
				t.Fatalf("compare %s with %s: %v", texts[i], texts[j], err)
			}
			at[i][j] = c
		}
	}
	for i := range n {
		for j := range n {
			if at[i][j] != -at[j][i] {
				t.Fatalf("%s and %s: %d and %d", texts[i], texts[j], at[i][j], at[j][i])
			}
			for k := range n {
				if at[i][j] <= 0 && at[j][k] <= 0 && at[i][k] > 0 {
					t.Fatalf("%s <= %s <= %s, but not %s <= %s", texts[i], texts[j], texts[k], texts[i], texts[k])
				}
			}
		}
	}
}

// TestVersionTables compares with the tables of the package managers and of others.
func TestVersionTables(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(shared(t), "truth", "versions")
	tables := []struct {
		file, ecosystem string
		most            int // pairs that may differ: known faults, counted
	}{
		{"scalibr-semantic/alpine-versions.txt", "Alpine", 0},
		{"scalibr-semantic/alpine-versions-generated.txt", "Alpine", 0},
		{"scalibr-semantic/cran-versions.txt", "CRAN", 0},
		{"scalibr-semantic/cran-versions-generated.txt", "CRAN", 0},
		{"scalibr-semantic/debian-versions.txt", "Debian", 0},
		{"scalibr-semantic/debian-versions-generated.txt", "Debian", 0},
		{"scalibr-semantic/hackage-versions.txt", "Hackage", 0},
		{"scalibr-semantic/maven-versions.txt", "Maven", 0},
		{"scalibr-semantic/maven-versions-generated.txt", "Maven", 0},
		{"scalibr-semantic/nuget-versions.txt", "NuGet", 0},
		{"scalibr-semantic/packagist-versions.txt", "Packagist", 0},
		{"scalibr-semantic/packagist-versions-generated.txt", "Packagist", 0},
		{"scalibr-semantic/pub-versions.txt", "Pub", 0},
		{"scalibr-semantic/pypi-versions.txt", "PyPI", 0},
		{"scalibr-semantic/pypi-versions-generated.txt", "PyPI", 0},
		{"scalibr-semantic/redhat-versions.txt", "AlmaLinux", 0},
		{"scalibr-semantic/rubygems-versions.txt", "RubyGems", 0},
		{"scalibr-semantic/rubygems-versions-generated.txt", "RubyGems", 0},
		{"scalibr-semantic/semver-versions.txt", "npm", 0},
		{"apk-tools/version.data", "Alpine", 2}, // two "~hash" pairs, which the library takes for equal
		{"rpm/rpmvercmp.tsv", "AlmaLinux", 0},
		{"claircore-rpmver/rpmvercmp", "AlmaLinux", 0},
	}
	for _, tt := range tables {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			o := order(t, tt.ecosystem)
			pairs, differ := 0, 0
			for _, p := range readTable(t, filepath.Join(dir, tt.file)) {
				pairs++
				got, err := compare(o, p.a, p.b)
				if err != nil || got != p.want {
					differ++
					t.Logf("%s with %s: %d, %v; want %d", p.a, p.b, got, err, p.want)
				}
			}
			if differ > tt.most || pairs == 0 {
				t.Errorf("%d of %d pairs differ, want at most %d", differ, pairs, tt.most)
			}
		})
	}
}

type pair struct {
	a, b string
	want int
}

func readTable(t *testing.T, file string) (out []pair) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	words := map[string]int{"<": -1, "=": 0, "==": 0, ">": 1, "-1": -1, "0": 0, "1": 1}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		l, _, _ := strings.Cut(lines.Text(), "#")
		if l = strings.TrimSpace(l); l == "" || strings.HasPrefix(l, "//") {
			continue
		}
		fields := strings.Fields(l)
		if strings.Contains(l, "\t") && strings.HasSuffix(file, ".tsv") {
			if c, ok := words[fields[len(fields)-1]]; ok && len(fields) == 3 {
				out = append(out, pair{fields[0], fields[1], c})
			}
			continue
		}
		if len(fields) != 3 {
			continue
		}
		if c, ok := words[fields[1]]; ok {
			out = append(out, pair{fields[0], fields[2], c})
		}
	}
	return out
}

// TestEveryZip: each ecosystem of the shared data either has an order, by which all of its versions can be read, or is
// known not to have one.
func TestEveryZip(t *testing.T) {
	t.Parallel()
	shared(t)
	m := sharedMatcher(t)
	without := map[string]bool{"GIT": true, "OSS-Fuzz": true}
	bad := map[string][]string{}
	total := map[string]int{}
	for r := range m.Index().Records() {
		for _, a := range r.Affected {
			family, _, _ := strings.Cut(a.Ecosystem, ":")
			o, ok := match.OrderOf(a.Ecosystem)
			if ok == without[family] {
				t.Fatalf("%s: order %v, want %v", a.Ecosystem, ok, !without[family])
			}
			if !ok {
				if k := m.Known(a.Ecosystem, now, 0); k.State != plimsoll.KnownNone {
					t.Fatalf("%s has no order and is known: %v", a.Ecosystem, k)
				}
				continue
			}
			for _, rg := range a.Ranges {
				for _, e := range rg.Events {
					text := e.Introduced + e.Fixed + e.LastAffected + e.Limit
					total[family]++
					if _, err := o.Parse(text); err != nil {
						bad[family] = append(bad[family], r.ID+" "+text)
					}
				}
			}
		}
	}
	for _, family := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%s: %d versions, %d cannot be read %.100q", family, total[family], len(bad[family]), bad[family])
		if len(bad[family])*1000 > total[family] {
			t.Errorf("%s: more than 1 in 1000 versions cannot be read", family)
		}
	}
	zips, err := filepath.Glob(filepath.Join(shared(t), "osv", "*", "all.zip"))
	if err != nil {
		t.Fatal(err)
	}
	for _, z := range zips {
		family := filepath.Base(filepath.Dir(z))
		if _, ok := match.OrderOf(family); ok == without[family] {
			t.Errorf("%s: order %v", family, ok)
		}
		if r, err := zip.OpenReader(z); err != nil {
			t.Error(err)
		} else {
			feed, _ := m.Index().Feed(family)
			if n := feed.Records + feed.Withdrawn + feed.Skipped; n != len(r.File) || feed.Skipped != 0 {
				t.Errorf("%s: %d records, %d withdrawn, skipped %d %q of %d", family, feed.Records, feed.Withdrawn, feed.Skipped, feed.SkippedID, len(r.File))
			}
			r.Close()
		}
	}
}

// TestNotAffected: what Alpine itself marks not affected is never reported.
func TestNotAffected(t *testing.T) {
	t.Parallel()
	file := filepath.Join(shared(t), "truth", "alpine", "not-affected.tsv")
	m := sharedMatcher(t)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 3 || fields[0] == "branch" {
			continue
		}
		n++
		for _, version := range []string{"0.0.1-r0", "99.0-r0"} {
			p := plimsoll.Package{Name: fields[1], Version: version, Ecosystem: "Alpine:" + fields[0]}
			for _, x := range m.Package(p).Findings {
				if x.ID == fields[2] {
					t.Errorf("%s %s in %s: %s is reported", fields[1], version, fields[0], x.ID)
				}
			}
		}
	}
	t.Logf("%d pairs", n)
}

func FuzzCompare(f *testing.F) {
	f.Add("Debian", "1:2.0-1", "2.0~rc1")
	f.Add("Alpine", "1.0_p1-r0", "1.0")
	f.Add("PyPI", "1!2.0rc1", "2.0.post1+x")
	f.Add("Maven", "1-x-1", "1.0.0.Final")
	f.Fuzz(func(t *testing.T, ecosystem, a, b string) {
		o, ok := match.OrderOf(ecosystem)
		if !ok {
			return
		}
		ab, err := compare(o, a, b)
		ba, rerr := compare(o, b, a)
		if err == nil && rerr == nil && ab != -ba {
			t.Errorf("%s: compare %q with %q = %d, the other way round %d", ecosystem, a, b, ab, ba)
		}
	})
}
