package list

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

func query(t *testing.T, text string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func parse(t *testing.T, text string) Filter {
	t.Helper()
	f, err := Parse(query(t, text), posturetest.Start)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseIsStrictAndCanonical(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                   "",
		"scope=active":                       "",
		"scope=stored&verdict=fail":          "scope=stored&verdict=fail",
		"verdict=fail&verdict=fail&q=":       "verdict=fail",
		"severity=not+rated&moved=7d":        "moved=7d&severity=not+rated",
		"verdict=fail&cursor=x&scope=stored": "scope=stored&verdict=fail",
	} {
		f, err := Parse(query(t, in), posturetest.Start, "cursor")
		if err != nil || f.Query() != want {
			t.Errorf("%s: %q %v, want %q", in, f.Query(), err, want)
		}
	}
	for _, bad := range []string{
		"colour=red", "verdict=great", "moved=7", "moved=0d", "moved=-1d", "moved=9999d", "layer=x", "layer=-1", "digest=sha256:1", "cause=xyz", "behind=true",
		"q=" + strings.Repeat("x", maxLength+1), "package=" + strings.Join(strings.Split(strings.Repeat("x", maxValues+1), ""), "1&package=y"),
	} {
		if f, err := Parse(query(t, bad), posturetest.Start); bad[:3] != "pac" && !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("%.40s: %q %v, want invalid", bad, f.Query(), err)
		}
	}
	many := url.Values{}
	for i := range maxValues + 1 {
		many.Add("package", fmt.Sprint(i))
	}
	if _, err := Parse(many, posturetest.Start); !errors.Is(err, plimsoll.ErrInvalid) {
		t.Errorf("%d values: %v", maxValues+1, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"verdict=fail&scope=stored", "q=%00", "severity=not+rated", "cursor=x", "moved=7d&moved=8d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		one, err := Parse(q, posturetest.Start)
		if err != nil {
			return
		}
		two, err := Parse(query(t, one.Query()), posturetest.Start)
		if err != nil || one.Query() != two.Query() {
			t.Errorf("%q is %q and then %q (%v)", text, one.Query(), two.Query(), err)
		}
	})
}

// TestNoZeroWithoutKnowledge: none found is a number only where all was read and there are advisories for all of it.
func TestNoZeroWithoutKnowledge(t *testing.T) {
	t.Parallel()
	unknown := 0
	for _, r := range posturetest.New(t, 120).Engine.View().Rows() {
		for _, c := range ImageColumns {
			if !slices.Contains([]string{"critical", "high", "findings", "fixable"}, c.Name) {
				continue
			}
			switch got := c.Cell(r); {
			case got == "0" && Unsure(r) != "":
				t.Errorf("%s: %s is 0, and %s", Name(r), c.Name, Unsure(r))
			case got == "not known":
				unknown++
			}
		}
	}
	if unknown == 0 {
		t.Error("no row of the sample is unsure")
	}
}

// TestDirectBaseCells: the CSV's base and the JSON's are the same, and one that is not known is said to be so.
func TestDirectBaseCells(t *testing.T) {
	t.Parallel()
	v := posturetest.New(t, 120).Engine.View()
	cells, words := DirectBaseColumns(v), map[string]int{}
	for _, r := range v.Rows() {
		im := ImageOf(v, r)
		base, digest, seen := cells[0].Cell(r), cells[1].Cell(r), cells[2].Cell(r)
		if digest != string(im.BaseDigest) || seen != stamp(im.BaseSeen) || im.Base != "" && base != im.Base {
			t.Errorf("%s: %q %q %q, and as JSON %q %q %q", Name(r), base, digest, seen, im.Base, im.BaseDigest, im.BaseSeen)
		}
		if im.Base == "" {
			words[base]++
			continue
		}
		words["known"]++
		on, err := Parse(url.Values{"base": {digest}, "scope": {ScopeStored}}, posturetest.Start)
		if err != nil || !slices.Contains(on.Rows(v), r) {
			t.Errorf("%s does not stand among the images on its base %s: %v", Name(r), base, err)
		}
	}
	for _, word := range []string{"known", "not known", "not read", "n/a"} {
		if words[word] == 0 {
			t.Errorf("no row of the sample has a base that is %s", word)
		}
	}
}

func TestToggle(t *testing.T) {
	t.Parallel()
	f := parse(t, "verdict=fail")
	both := f.Toggle("verdict", "warn")
	if got := both.Query(); got != "verdict=fail&verdict=warn" {
		t.Errorf("added: %s", got)
	}
	if got := both.Toggle("verdict", "fail").Query(); got != "verdict=warn" {
		t.Errorf("taken: %s", got)
	}
	if f.Query() != "verdict=fail" {
		t.Error("the filter itself changed")
	}
}

// TestEachConditionAgainstPlainReading compares each filter with a loop that reads the rows by itself.
func TestEachConditionAgainstPlainReading(t *testing.T) {
	t.Parallel()
	v := posturetest.New(t, 150).Engine.View()
	has := func(r *posture.Row, want func(plimsoll.Finding) bool) bool {
		return slices.ContainsFunc(v.Findings(r), want)
	}
	for text, want := range map[string]func(*posture.Row) bool{
		"":                            func(r *posture.Row) bool { return r.Active },
		"scope=stored":                func(*posture.Row) bool { return true },
		"scope=stored&verdict=fail":   func(r *posture.Row) bool { return r.Verdict.State == "fail" },
		"scope=stored&coverage=short": func(r *posture.Row) bool { return r.Coverage.Short() },
		"scope=stored&coverage=partial&coverage=failed": func(r *posture.Row) bool {
			return r.Coverage.State == "partial" || r.Coverage.State == "failed"
		},
		"scope=stored&applicable=no": func(r *posture.Row) bool { return r.Coverage.State == plimsoll.ReadNotApplicable },
		"scope=stored&registry=harbor&repository=shop/orders": func(r *posture.Row) bool {
			return r.Reference.Registry == "harbor" && r.Reference.Repository == "shop/orders"
		},
		"scope=stored&platform=linux/arm64": func(r *posture.Row) bool { return r.Platform.Architecture == "arm64" },
		"scope=stored&behind=yes":           func(r *posture.Row) bool { return r.Behind != "" },
		"scope=stored&moved=7d":             func(r *posture.Row) bool { return posturetest.Start.Sub(r.Moved) <= 7*24*time.Hour },
		"scope=stored&known=none": func(r *posture.Row) bool {
			for _, k := range r.Known {
				if k.State == plimsoll.KnownNone {
					return true
				}
			}
			return false
		},
		"scope=stored&holds=Debian:13": func(r *posture.Row) bool { _, ok := r.Known["Debian:13"]; return ok },
		"scope=stored&q=CHECKOUT":      func(r *posture.Row) bool { return r.Reference.Repository == "shop/checkout" },
		"scope=stored&severity=critical&fixable=yes": func(r *posture.Row) bool {
			return has(r, func(f plimsoll.Finding) bool { return f.Severity == "critical" && f.Fixed != "" })
		},
		"scope=stored&exploited=yes": func(r *posture.Row) bool {
			return has(r, func(f plimsoll.Finding) bool { return f.ID == "CVE-2021-44228" || f.ID == "CVE-2023-4911" })
		},
		"scope=stored&exploited=no&severity=critical": func(r *posture.Row) bool {
			return has(r, func(f plimsoll.Finding) bool { return f.Severity == "critical" && f.ID != "CVE-2021-44228" })
		},
		"scope=stored&act=now": func(r *posture.Row) bool {
			return r.Content.Secrets > 0 || has(r, func(f plimsoll.Finding) bool { return f.ID == "CVE-2021-44228" || f.ID == "CVE-2023-4911" })
		},
		"scope=stored&advisory=CVE-2021-44228": func(r *posture.Row) bool {
			return has(r, func(f plimsoll.Finding) bool { return f.Package == "log4j-core" })
		},
	} {
		var plain []string
		for _, r := range v.Rows() {
			if want(r) {
				plain = append(plain, Name(r)+r.Platform.String())
			}
		}
		var got []string
		for _, r := range slices.Collect(Images(v, parse(t, text)).All()) {
			got = append(got, Name(r)+r.Platform.String())
		}
		slices.Sort(plain)
		slices.Sort(got)
		if len(plain) == 0 {
			t.Errorf("%s: nothing to compare with", text)
		}
		if diff := cmp.Diff(plain, got); diff != "" {
			t.Errorf("%s (-plain +filter):\n%s", text, diff)
		}
	}
}

// TestReachAgainstPlainCounting compares what is counted by shared layers, and what is counted row by row, with a loop over
// each image's findings.
func TestReachAgainstPlainCounting(t *testing.T) {
	t.Parallel()
	v := posturetest.New(t, 150).Engine.View()
	for _, text := range []string{"scope=stored", "", "severity=high&scope=stored", "layer=0&scope=stored", "layer=1&layer=2&fixable=yes&scope=stored", "q=shop"} {
		f := parse(t, text)
		wants, layers := f.finding(), f.values["layer"]
		plain, weights := map[string]posture.Reach{}, map[*posture.Row][3]int32{}
		for _, r := range v.Rows() {
			if !f.row()(r) {
				continue
			}
			here := map[string]bool{}
			for _, x := range v.Findings(r) {
				if wants != nil && !wants(&x) || layers != nil && !slices.Contains(layers, strconv.Itoa(x.Layer)) {
					continue
				}
				n := plain[x.ID]
				n.Places++
				if !here[x.ID] {
					n.Rows++
				}
				here[x.ID], plain[x.ID] = true, n
				if w := weights[r]; x.Fixed != "" {
					w[2]++
					weights[r] = w
				}
			}
		}
		s := f.selects(v)
		byID := func(x *plimsoll.Finding, _ posture.Spot) string { return x.ID }
		if len(plain) == 0 {
			t.Errorf("%s: nothing to compare with", text)
		}
		if diff := cmp.Diff(plain, reach(s, byID)); diff != "" {
			t.Errorf("%s: by shared layers (-plain +reach):\n%s", text, diff)
		}
		sum := s.weights()
		for _, r := range s.rows {
			if got := sum(r); got[2] != weights[r][2] {
				t.Errorf("%s: %s has %d fixable findings, want %d", text, Name(r), got[2], weights[r][2])
			}
		}
		s.narrow = func(_ *posture.Row, found findings) findings { return found }
		if diff := cmp.Diff(plain, reach(s, byID)); diff != "" {
			t.Errorf("%s: row by row (-plain +reach):\n%s", text, diff)
		}
	}
}

func TestCountsAgree(t *testing.T) {
	t.Parallel()
	v := posturetest.New(t, 120).Engine.View()
	for _, text := range []string{"", "scope=stored", "severity=critical", "severity=high&fixable=yes&scope=stored", "registry=harbor", "package=openssl&scope=stored"} {
		f := parse(t, text)
		n := Count(v, f)
		places, uniques, images := Places(v, f).Len(), Uniques(v, f).Rows, Images(v, f).Len()
		sum := 0
		for _, u := range uniques {
			sum += u.Places
		}
		advised := 0
		for _, a := range Advisories(v, f).Rows {
			advised += a.Places
		}
		if n.Places != places || n.Unique != len(uniques) || n.Images != images || sum != places || advised != places {
			t.Errorf("%s: %+v, but %d places, %d uniques with %d places, %d images, %d places by advisory", text, n, places, len(uniques), sum, images, advised)
		}
	}
	summary := v.Summary()
	for _, s := range plimsoll.Severities {
		n := Count(v, Filter{}.With("severity", string(s)))
		if got := summary.Severity[s]; got.Unique != n.Unique || got.Places != n.Places {
			t.Errorf("%s: the posture counts %+v, the list %+v", s, got, n)
		}
	}
	if diff := cmp.Diff(summary.Active, Verdicts(Filter{}.Rows(v))); diff != "" {
		t.Error(diff)
	}
}

func TestFixesRemoveWhatTheySay(t *testing.T) {
	t.Parallel()
	v := posturetest.New(t, 60).Engine.View()
	all := Fixes(v, Filter{}, 3)
	if len(all) != 3 {
		t.Fatalf("%d fixes", len(all))
	}
	for _, x := range all {
		n := Count(v, Filter{}.With("fixable", "yes").With("package", x.Package).With("ecosystem", x.Ecosystem))
		if n.Places != x.Findings || n.Images != x.Images || len(x.To) != 1 {
			t.Errorf("%+v, counted %+v", x, n)
		}
	}
}

func TestHighest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ecosystem string
		versions  []string
		want      []string
	}{
		{"Debian:12", []string{"1.9", "1.10", "1.10~rc1"}, []string{"1.10"}},
		{"npm", []string{"2.0.0", "10.0.0", "9.9.9"}, []string{"10.0.0"}},
		{"Nobody", []string{"1", "2"}, []string{"1", "2"}},
		{"npm", []string{"1.0.0"}, []string{"1.0.0"}},
		{"npm", nil, nil},
	} {
		if diff := cmp.Diff(c.want, highest(c.ecosystem, c.versions)); diff != "" {
			t.Errorf("%s %v: %s", c.ecosystem, c.versions, diff)
		}
	}
}

// TestCursorHolds takes a row away between two pages: no row is shown twice, and none but that one is missing.
func TestCursorHolds(t *testing.T) {
	t.Parallel()
	rows := []string{"a", "b", "c", "d", "e"}
	key := func(s string) string { return s }
	one, err := order(rows, key).Page("", 2)
	if err != nil {
		t.Fatal(err)
	}
	two, err := order([]string{"a", "c", "d", "e", "aa"}, key).Page(one.Next, 2)
	if diff := cmp.Diff([]string{"c", "d"}, two.Rows); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	last, err := order(rows, key).Page(encodeCursor("zzz"), 2)
	if err != nil || len(last.Rows) != 0 || last.Next != "" {
		t.Errorf("%+v %v", last, err)
	}
	if _, err := order(rows, key).Page("%", 2); !errors.Is(err, plimsoll.ErrInvalid) {
		t.Errorf("a broken cursor: %v", err)
	}
}

func TestCell(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "plain": "plain", "=cmd()": "'=cmd()", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", "a=b": "a=b",
	} {
		if got := Cell(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain – text":                 "plain – text",
		"a\x1b[31m\r\nb":               `a\x1b[31m\r\nb`,
		"x\u202egpj.exe":               `x\u202egpj.exe`,
		"zero\u200bwidth":              `zero\u200bwidth`,
		"bad\xffbyte":                  "bad\uFFFDbyte",
		"tag\U000E0041":                `tag\U000e0041`,
		strings.Repeat("é", maxText+1): strings.Repeat("é", maxText) + "…",
	} {
		if got := Visible(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestComma(t *testing.T) {
	t.Parallel()
	for in, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 40118: "40,118", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := Comma(in); got != want {
			t.Errorf("%d: %s, want %s", in, got, want)
		}
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 60)
	v := w.Engine.View()
	digest := v.Rows()[0].Digest.Hex()[:12]
	for text, want := range map[string]func(Found) bool{
		"cve-2021-44228":      func(f Found) bool { return len(f.Advisories) == 1 && f.Advisories[0].ID == "CVE-2021-44228" },
		"shop/orders":         func(f Found) bool { return f.ImageTotal > 0 && strings.Contains(Name(f.Images[0]), "shop/orders") },
		digest:                func(f Found) bool { return f.ImageTotal >= 1 },
		"log4j":               func(f Found) bool { return len(f.Packages) == 1 && f.Packages[0].Package == "log4j-core" },
		"pkg:generic/openssl": func(f Found) bool { return len(f.Packages) == 1 },
		"nothing like it": func(f Found) bool {
			return f.ImageTotal == 0 && len(f.Advisories) == 0 && len(f.Packages) == 0 && f.Known == ""
		},
	} {
		found, err := Search(v, text, "")
		if err != nil || !want(found) {
			t.Errorf("%s: %+v %v", text, found, err)
		}
	}
	for _, text := range []string{"cve-2021-44228", "CVE-2021-44228"} { // in a registry that holds nothing it affects
		if found, err := Search(v, text, "empty"); err != nil || found.Known != "CVE-2021-44228" || len(found.Advisories) > 0 {
			t.Errorf("%s: %+v %v", text, found, err)
		}
	}
	if _, err := Search(v, strings.Repeat("x", maxLength+1), ""); !errors.Is(err, plimsoll.ErrInvalid) {
		t.Errorf("a long text: %v", err)
	}
}
