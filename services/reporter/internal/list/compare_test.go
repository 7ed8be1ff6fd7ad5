package list

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// pkg is a package of an ecosystem; the world's advisories speak of those that they name.
func pkg(ecosystem, name, version string) plimsoll.Package {
	return plimsoll.Package{Name: name, Source: name, Version: version, Ecosystem: ecosystem, PURL: "pkg:generic/" + name + "@" + version, Path: "app/" + name}
}

var (
	log4jBad   = pkg("Maven", "log4j-core", "2.14.1")
	log4jGood  = pkg("Maven", "log4j-core", "2.17.1")
	sslBad     = pkg("Debian:12", "openssl", "3.0.11-1~deb12u1")
	semverBad  = pkg("npm", "semver", "7.3.7")
	semverGood = pkg("npm", "semver", "7.6.0")
	sslNext    = pkg("Debian:13", "openssl", "3.5.1-1") // there are no advisories for this release
)

// short makes a tag's packages read in part.
func short(r plimsoll.Ref) plimsoll.Ref {
	r.Read = plimsoll.Partial("layer 3 of 6: malformed dpkg stanza")
	for i := range r.Platforms {
		r.Platforms[i].Read = map[string]plimsoll.Coverage{plimsoll.AnalyzerPackages: r.Read}
	}
	return r
}

// TestCompare: what is missing in an image counts as fixed, removed or added only where the image would show it.
func TestCompare(t *testing.T) {
	t.Parallel()
	type refs struct{ this, other plimsoll.Ref }
	for name, tt := range map[string]struct {
		tags     func(w *posturetest.World) refs
		findings string
		packages string
		gaps     string // part of the first; empty: none
	}{
		"rebuilt": {
			func(w *posturetest.World) refs {
				return refs{w.Image("1", log4jBad, sslBad, semverGood), w.Image("2", log4jGood, sslBad, semverBad)}
			},
			"added GHSA-c2qf-rxjj-qqgw; fixed CVE-2021-44228; unchanged CVE-2024-5535",
			"changed log4j-core 2.14.1 > 2.17.1; changed semver 7.6.0 > 7.3.7; unchanged openssl 3.0.11-1~deb12u1 > 3.0.11-1~deb12u1", "",
		},
		"package gone and come": {
			func(w *posturetest.World) refs { return refs{w.Image("1", log4jBad), w.Image("2", semverBad)} },
			"added GHSA-c2qf-rxjj-qqgw; fixed CVE-2021-44228", "added semver  > 7.3.7; removed log4j-core 2.14.1 > ", "",
		},
		"several versions": {
			func(w *posturetest.World) refs {
				return refs{w.Image("1", semverBad, semverGood), w.Image("2", semverGood)}
			},
			"fixed GHSA-c2qf-rxjj-qqgw", "changed semver 7.3.7, 7.6.0 > 7.6.0", "",
		},
		"other read in part": {
			func(w *posturetest.World) refs {
				return refs{w.Image("1", log4jBad, sslBad), short(w.Image("2", sslBad, semverBad))}
			},
			"added GHSA-c2qf-rxjj-qqgw; not told CVE-2021-44228; unchanged CVE-2024-5535",
			"added semver  > 7.3.7; not told log4j-core 2.14.1 > ; unchanged openssl 3.0.11-1~deb12u1 > 3.0.11-1~deb12u1",
			"harbor/shop/orders:2: its packages were not read whole: layer 3 of 6",
		},
		"this read in part": {
			func(w *posturetest.World) refs {
				return refs{short(w.Image("1", log4jBad)), w.Image("2", semverBad)}
			},
			"fixed CVE-2021-44228; not told GHSA-c2qf-rxjj-qqgw", "removed log4j-core 2.14.1 > ; not told semver  > 7.3.7", "harbor/shop/orders:1: its packages",
		},
		"changed for sure, though read in part": {
			func(w *posturetest.World) refs {
				return refs{w.Image("1", semverBad), short(w.Image("2", semverGood))}
			},
			"not told GHSA-c2qf-rxjj-qqgw", "changed semver 7.3.7 > 7.6.0", "harbor/shop/orders:2",
		},
		"a release without advisories": {
			func(w *posturetest.World) refs {
				return refs{w.Image("1", log4jBad, sslBad), w.Image("2", log4jGood, sslNext)}
			},
			"fixed CVE-2021-44228; not told CVE-2024-5535", "changed log4j-core 2.14.1 > 2.17.1; changed openssl 3.0.11-1~deb12u1 > 3.5.1-1", "Debian:13",
		},
		"not read": {
			func(w *posturetest.World) refs {
				return refs{w.Image("1", log4jBad), plimsoll.Ref{Tag: "2", Digest: posturetest.Digest("two"), Read: plimsoll.Failed("blob answers 404"), Observed: 99}}
			},
			"not told CVE-2021-44228", "not told log4j-core 2.14.1 > ", "harbor/shop/orders:2: nothing of it was read: blob answers 404",
		},
		"moved on, and not read yet": {
			func(w *posturetest.World) refs {
				last := w.Image("2", log4jGood)
				return refs{w.Image("1", log4jBad), plimsoll.Ref{
					Tag: "2", Digest: posturetest.Digest("three"), Read: plimsoll.Coverage{State: plimsoll.ReadWaiting}, Observed: 99, LastGood: last.Digest,
				}}
			},
			"not told CVE-2021-44228", "changed log4j-core 2.14.1 > 2.17.1", "is not read; compared is the last good image",
		},
		"no image": {
			func(w *posturetest.World) refs {
				return refs{w.Image("1", log4jBad), plimsoll.Ref{Tag: "2", Digest: posturetest.Digest("chart"), Read: plimsoll.Coverage{State: plimsoll.ReadNotApplicable, Reason: "a Helm chart"}, Observed: 99}}
			},
			"not told CVE-2021-44228", "not told log4j-core 2.14.1 > ", "it is no image: a Helm chart",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := posturetest.Empty(t)
			w.Advise(posturetest.Records()...)
			r := tt.tags(w)
			w.Put("harbor", "shop/orders", r.this, r.other)
			w.Fold()
			q := Question{Image: "harbor/shop/orders:1", With: "2"}
			c, err := Compare(w.Engine.View(), q)
			if err != nil {
				t.Fatal(err)
			}
			var findings, packages []string
			for _, x := range c.FindingList(q).Rows {
				findings = append(findings, fmt.Sprintf("%s %s", x.Change, x.ID))
			}
			for _, x := range c.PackageList(q).Rows {
				packages = append(packages, fmt.Sprintf("%s %s %s > %s", x.Change, x.Name, strings.Join(x.Versions, ", "), strings.Join(x.WithVersions, ", ")))
			}
			slices.Sort(findings)
			if got := strings.Join(findings, "; "); got != tt.findings {
				t.Errorf("findings %s\nwant     %s", got, tt.findings)
			}
			if got := strings.Join(packages, "; "); got != tt.packages {
				t.Errorf("packages %s\nwant     %s", got, tt.packages)
			}
			if got := strings.Join(c.Gaps, "; "); (got == "") != (tt.gaps == "") || !strings.Contains(got, tt.gaps) {
				t.Errorf("gaps %q, want %q", got, tt.gaps)
			}
		})
	}
}

// TestCompareAgrees: a comparison turned round says the opposite, one with itself says nothing, and counts are those of lists.
func TestCompareAgrees(t *testing.T) {
	t.Parallel()
	v := posturetest.New(t, 120).Engine.View()
	opposite := map[Change]Change{ChangeAdded: ChangeFixed, ChangeFixed: ChangeAdded, ChangeUntold: ChangeUntold, ChangeUnchanged: ChangeUnchanged}
	compared := 0
	for _, r := range v.Rows() {
		for _, other := range Others(v, r, 3) {
			q := Question{Image: Name(r), Platform: r.Platform.String(), With: Name(other)}
			c, err := Compare(v, q)
			if err != nil {
				t.Fatal(err)
			}
			round, err := Compare(v, Question{Image: Name(other), Platform: other.Platform.String(), With: Name(r)})
			if err != nil {
				t.Fatal(err)
			}
			for change, counts := range c.Findings {
				if diff := cmp.Diff(counts, round.Findings[opposite[change]]); diff != "" {
					t.Errorf("%s, turned round (-this +other):\n%s", change, diff)
				}
			}
			places, with := 0, 0
			for _, x := range c.FindingList(q).Rows {
				places, with = places+x.Places, with+x.WithPlaces
			}
			if places != r.Findings || with != other.Findings {
				t.Errorf("%s with %s: %d and %d places, the images have %d and %d", q.Image, q.With, places, with, r.Findings, other.Findings)
			}
			compared++
		}
		self, err := Compare(v, Question{Image: string(r.Digest), With: string(r.Digest)})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range self.findings {
			if x.Change != ChangeUnchanged {
				t.Errorf("%s with itself: %s %s", Name(r), x.Change, x.ID)
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d pairs compared", compared)
	}
}

// TestCompareFinds: the other image by tag, reference and digest, of the same platform unless another is asked for.
func TestCompareFinds(t *testing.T) {
	t.Parallel()
	w := posturetest.Empty(t)
	w.Advise(posturetest.Records()...)
	one, two := w.Image("1", log4jBad), w.Image("2", log4jGood)
	three := w.Image("3", log4jGood)
	for i, r := range []*plimsoll.Ref{&one, &two, &three} {
		r.Moved = w.At.Add(time.Duration(i) * time.Hour)
	}
	w.Put("harbor", "shop/orders", one, two, three)
	w.Put("harbor", "shop/cart", w.Image("1", log4jBad))
	w.Fold()
	v := w.Engine.View()
	for with, want := range map[string]string{
		"2": "harbor/shop/orders:2", "harbor/shop/orders:2": "harbor/shop/orders:2", string(two.Digest): "harbor/shop/orders:2",
		"1": "harbor/shop/orders:1", "harbor/shop/cart:1": "harbor/shop/cart:1",
	} {
		c, err := Compare(v, Question{Image: "harbor/shop/orders:1", With: with})
		if err != nil || c.With.Reference != want {
			t.Errorf("with %s: %+v %v, want %s", with, c, err, want)
		}
	}
	if _, err := Compare(v, Question{Image: "harbor/shop/orders:1", With: "4"}); !errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("no such tag: %v", err)
	}
	if _, err := Compare(v, Question{Image: "harbor/shop/orders:1"}); !errors.Is(err, plimsoll.ErrInvalid) {
		t.Errorf("one image alone: %v", err)
	}
	var others []string
	for _, r := range Others(v, Named(v, "harbor/shop/orders:1")[0], 5) {
		others = append(others, Name(r))
	}
	if want := []string{"harbor/shop/orders:3", "harbor/shop/orders:2"}; !slices.Equal(others, want) {
		t.Errorf("others %v, want %v", others, want)
	}
}

// TestComparePlatforms: a tag without the platform is said to have none, and another platform is compared when it is asked for.
func TestComparePlatforms(t *testing.T) {
	t.Parallel()
	v := posturetest.New(t, 60).Engine.View()
	tried := 0
	for _, r := range v.Rows() {
		if r.Platform.Architecture != "arm64" {
			continue
		}
		for _, other := range v.Rows() {
			if other.Reference.Repository != r.Reference.Repository || other.Platform.Architecture != "amd64" || PickPlatform(Named(v, Name(other)), "linux/arm64") != nil {
				continue
			}
			q := Question{Image: Name(r), Platform: "linux/arm64", With: Name(other)}
			if _, err := Compare(v, q); !errors.Is(err, plimsoll.ErrNotFound) || !strings.Contains(err.Error(), "it has no linux/arm64; it has linux/amd64") {
				t.Errorf("%s with %s: %v", q.Image, q.With, err)
			}
			q.WithPlatform = "linux/amd64"
			if c, err := Compare(v, q); err != nil || c.With.Platform != "linux/amd64" || c.Image.Platform != "linux/arm64" {
				t.Errorf("%s with %s, as asked: %+v %v", q.Image, q.With, c, err)
			}
			tried++
		}
	}
	if tried == 0 {
		t.Error("no tag lacks the platform: the test says nothing")
	}
}
