package match_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/osv-scalibr/semantic"

	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// versionLike makes texts of the pieces that versions are made of, sane ones and hostile ones (H43).
func versionLike(r *rand.Rand) string {
	pieces := []string{
		"0", "1", "2", "10", "01", "007", "18446744073709551616", ".", ".", ".", "-", "~", "~~", "+", "_", "^", ":", "a", "b", "rc", "RC1", "alpha", "beta", "dev",
		"-r0", "-r10", "_p1", "_git2", "el9", ".post1", "!", "１", "é", " ", "v", "x", "*", "final", "SNAPSHOT", "sp", "+dfsg", "~bpo", "g1a2b3c",
	}
	var b strings.Builder
	for range 1 + r.IntN(6) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// sound are the shapes within which the versions of two orders stand in an order. What apk-tools itself calls invalid, and
// Maven's versions with separators side by side, are ordered as the tables of those tools ask, which is no order.
var sound = map[string]*regexp.Regexp{
	"apk":   regexp.MustCompile(`^[0-9]+(\.[0-9]+)*[a-z]?(_(alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*(~[0-9a-f]+)?(-r[0-9]+)?$`),
	"Maven": regexp.MustCompile(`^[0-9A-Za-z]+([._+-][0-9A-Za-z]+)*$`),
}

// TestOrders: every order, over texts of all kinds: a version that can be read is equal to itself, comparing is antisymmetric and
// transitive, and nothing panics. A text that breaks an order must be refused when it is read.
func TestOrders(t *testing.T) {
	t.Parallel()
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			o := order(t, family)
			r := rand.New(rand.NewPCG(11, 17))
			var versions []match.Version
			var texts []string
			for tries := 0; len(versions) < 150 && tries < 20_000; tries++ {
				text := versionLike(r)
				if shape := sound[o.String()]; shape != nil && !shape.MatchString(text) {
					continue
				}
				if v, err := o.Parse(text); err == nil {
					versions, texts = append(versions, v), append(texts, text)
				}
			}
			checkOrder(t, versions, texts)
		})
	}
}

// TestAsScalibr: our comparison of deb versions says what osv-scalibr's does.
func TestAsScalibr(t *testing.T) {
	t.Parallel()
	o := order(t, "Debian")
	r := rand.New(rand.NewPCG(5, 5))
	for range 20_000 {
		a, b := versionLike(r), versionLike(r)
		if strings.ContainsAny(a+b, "é１ ") {
			continue // beyond ASCII the two weigh bytes differently; dpkg refuses such versions
		}
		x, err := semantic.ParseDebianVersion(a)
		y, yerr := semantic.ParseDebianVersion(b)
		if cmp.Or(err, yerr) != nil {
			continue
		}
		want, err := x.Compare(y)
		if err != nil {
			continue
		}
		if got, err := compare(o, a, b); err == nil && got != want {
			t.Fatalf("compare %q with %q: %d, osv-scalibr says %d", a, b, got, want)
		}
	}
}

// TestAsDpkg: and what dpkg itself says, where it is installed.
func TestAsDpkg(t *testing.T) {
	t.Parallel()
	dpkg, err := exec.LookPath("dpkg")
	if err != nil {
		t.Skip("dpkg is not installed: its own comparison cannot be asked")
	}
	o := order(t, "Debian")
	r := rand.New(rand.NewPCG(2, 4))
	part := func(all ...string) string { return all[r.IntN(len(all))] }
	version := func() string {
		return part("", "", "1:", "0:") + part("0", "1", "2", "10", "1.0", "1.00", "1.10") + part("", ".1", "~rc1", "~~", "+dfsg", "a", ".a", "+b1", "~+") +
			part("", "-1", "-0", "-1ubuntu1", "-2+deb12u1", "-2+deb12u10", "-1~bpo1")
	}
	for range 400 {
		a, b := version(), version()
		got, err := compare(o, a, b)
		if err != nil {
			t.Fatalf("compare %q with %q: %v", a, b, err)
		}
		word := map[int]string{-1: "lt", 0: "eq", 1: "gt"}[got]
		if out, err := exec.Command(dpkg, "--compare-versions", a, word, b).CombinedOutput(); err != nil {
			t.Errorf("%s %s %s: dpkg says no: %v %s", a, word, b, err, out)
		}
	}
}

// TestHugeNumbers: an epoch or a number beyond what a machine's integers hold is compared as it is.
func TestHugeNumbers(t *testing.T) {
	t.Parallel()
	const huge = "18446744073709551616"
	for _, family := range []string{"Debian", "Alpine", "AlmaLinux", "npm", "PyPI", "Maven", "RubyGems", "NuGet", "Packagist"} {
		if got, err := compare(order(t, family), huge+".0", fmt.Sprint(uint64(1<<63))+".0"); err != nil || got != 1 {
			t.Errorf("%s: 2^64 with 2^63: %d, %v; want 1", family, got, err)
		}
	}
	if got, err := compare(order(t, "Debian"), huge+":1", "1:2"); err != nil || got != 1 {
		t.Errorf("an epoch of 2^64: %d, %v; want it above epoch 1", got, err)
	}
}
