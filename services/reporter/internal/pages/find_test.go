package pages

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/find"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

func openssl(version string) plimsoll.Package {
	return plimsoll.Package{Name: "libssl3", Source: "openssl", Version: version, Ecosystem: "Debian:12", PURL: "pkg:deb/debian/libssl3@" + version, Path: "var/lib/dpkg/status"}
}

// TestFindGroups: affected, unknown and fixed images stand apart, each group is cut where it is long, and the rest is one click away.
func TestFindGroups(t *testing.T) {
	t.Parallel()
	w := posturetest.Empty(t)
	w.Decide(w.Policy)
	refs := []plimsoll.Ref{
		w.Image("new", openssl("3.0.17-1")), w.Image("nameless", openssl("")),
		{Tag: "unread", Digest: posturetest.Digest("unread"), Read: plimsoll.Failed("blob answers 404"), Observed: 1},
	}
	for n := range groupSize + 40 {
		refs = append(refs, w.Image(fmt.Sprint("old", n), openssl("3.0.15-1")))
	}
	w.Put("harbor", "shop/orders", refs...)
	w.Fold()
	b := browse(t, w)
	whole := "/find?package=openssl&range=%3C3.0.16"
	text := b.page(whole)
	rows := regexp.MustCompile(`<a class="row" href="/image/harbor/shop/orders:([a-z]+)`)
	count := map[string]int{}
	for _, m := range rows.FindAllStringSubmatch(text, -1) {
		count[m[1]]++
	}
	if count["old"] != groupSize || count["nameless"] != 1 || count["unread"] != 1 || count["new"] != 1 {
		t.Errorf("rows %v, want %d old ones and one of each other", count, groupSize)
	}
	for _, want := range []string{"not read: failed: blob answers 404", "its version is not known", fmt.Sprintf("All %d</a>", groupSize+40), "plimsoll find openssl &#39;&lt;3.0.16&#39;"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	seen := map[string]bool{}
	next := regexp.MustCompile(`<a href="([^"]*)" rel="next">`)
	for target := whole + "&status=affected"; target != ""; {
		text := b.page(target)
		for _, m := range regexp.MustCompile(`<a class="row" href="([^"]*)"`).FindAllStringSubmatch(text, -1) {
			seen[m[1]] = true
		}
		target = ""
		if m := next.FindStringSubmatch(text); m != nil {
			target = html.UnescapeString(m[1])
		}
	}
	if len(seen) != groupSize+40 {
		t.Errorf("%d affected images on the pages of that list, want %d", len(seen), groupSize+40)
	}
}

// TestFindFaults: what cannot be read of a range is marked in it, and the form keeps what was typed.
func TestFindFaults(t *testing.T) {
	t.Parallel()
	b := open(t, 6)
	_, _, text := b.get("/find?" + url.Values{"package": {"openssl"}, "range": {"<3, 4"}}.Encode())
	for _, want := range []string{"range: column 5: want", `&lt;3, <mark>4</mark>`, `value="&lt;3, 4"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the page of a range that cannot be read", want)
		}
	}
	if text := b.page("/find?package=openssl"); strings.Contains(text, `role="alert"`) || !strings.Contains(text, `href="/find?package=openssl&amp;range=*"`) {
		t.Error("a package without a range is a fault, or every version is not offered")
	}
	empty := posturetest.Empty(t)
	empty.Decide(empty.Policy)
	empty.Fold()
	if text := browse(t, empty).page("/find?package=openssl&range=*"); !strings.Contains(text, "plimsoll sweep start") {
		t.Error("where nothing is stored it is not said what would fill the page")
	}
}

// TestSearchOffersFind: from a search of a package it is one click to its versions.
func TestSearchOffersFind(t *testing.T) {
	t.Parallel()
	b := open(t, 30)
	if text := b.page("/search?q=log4j-core&registry=harbor"); !strings.Contains(text, `href="/find?ecosystem=Maven&amp;package=log4j-core&amp;registry=harbor"`) || !strings.Contains(text, `href="/find?package=log4j-core&amp;registry=harbor"`) {
		t.Error("the search for a package does not lead to its versions")
	}
	if text := b.page("/search?q=no+advisory+names+it"); !strings.Contains(text, `href="/find?package=no`) {
		t.Error("a package without findings cannot be looked for")
	}
	if text := b.page("/search?q=sha256:00"); strings.Contains(text, `/find?package`) {
		t.Error("a digest is offered as a package")
	}
}

func TestFindCommand(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"openssl": "plimsoll find openssl '<3, >=1' --ecosystem Debian:12", "it's $(x)": `plimsoll find 'it'\''s $(x)' '<3, >=1' --ecosystem Debian:12`, "--all": "plimsoll find '--all' '<3, >=1' --ecosystem Debian:12",
	} {
		q, err := find.Ask(name, "<3, >=1", "Debian:12")
		if err != nil {
			t.Fatal(err)
		}
		if got := findCommand(q); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
