package find_test

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/find"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

func TestMain(m *testing.M) { os.Exit(posturetest.Main(m)) }

func question(t *testing.T, name, rng, ecosystem string) find.Question {
	t.Helper()
	q, err := find.Ask(name, rng, ecosystem)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func deb(name, source, version string) plimsoll.Package {
	return plimsoll.Package{Name: name, Source: source, Version: version, Ecosystem: "Debian:12", PURL: "pkg:deb/debian/" + name, Path: "var/lib/dpkg/status"}
}

// stock is a world with images that hold openssl in several ways, and one that was not read.
func stock(t *testing.T) *posturetest.World {
	t.Helper()
	w := posturetest.Empty(t)
	unread := plimsoll.Ref{Tag: "unread", Digest: posturetest.Digest("unread"), Read: plimsoll.Failed("blob answers 404"), Observed: 1}
	chart := plimsoll.Ref{Tag: "chart", Digest: posturetest.Digest("chart"), Read: plimsoll.Coverage{State: plimsoll.ReadNotApplicable, Reason: "a Helm chart"}, Observed: 1}
	w.Put("harbor", "shop/orders",
		w.Image("old", deb("libssl3", "openssl", "3.0.15-1~deb12u1"), deb("openssl", "", "3.0.15-1~deb12u1")),
		w.Image("new", deb("libssl3", "openssl", "3.0.17-1~deb12u1")),
		w.Image("epoch", plimsoll.Package{Name: "openssl", Version: "1:3.0.7-16.el9", Ecosystem: "AlmaLinux:9"}),
		w.Image("nameless", deb("libssl3", "openssl", "")),
		w.Image("strange", plimsoll.Package{Name: "openssl", Version: "3.0.1", Ecosystem: "Homebrew"}),
		w.Image("both", deb("libssl3", "openssl", "3.0.15-1"), plimsoll.Package{Name: "openssl", Version: "3.5.0", Ecosystem: "Bitnami"}),
		w.Image("without", deb("bash", "", "5.2-1")),
		w.Image("jar", plimsoll.Package{Name: "org.apache.logging.log4j:log4j-core", Version: "2.14.1", Ecosystem: "Maven"}),
		unread, chart,
	)
	w.Fold()
	return w
}

// tags are the found images' tags with their status.
func tags(f find.Found) (out []string) {
	for im := range f.All() {
		out = append(out, im.Row.Reference.Tag+" "+string(im.Status))
	}
	slices.Sort(out)
	return out
}

func TestSearch(t *testing.T) {
	t.Parallel()
	v := stock(t).Engine.View()
	tests := map[string]struct {
		name, rng, ecosystem string
		want                 []string
	}{
		"by source name":   {"openssl", "<3.0.16", "Debian:12", []string{"both affected", "nameless unknown", "new fixed", "old affected", "unread unknown"}},
		"everywhere":       {"openssl", "<3.0.16", "", []string{"both affected", "epoch affected", "nameless unknown", "new fixed", "old affected", "strange unknown", "unread unknown"}},
		"by binary name":   {"libssl3", "<3.0.16", "Debian", []string{"both affected", "nameless unknown", "new fixed", "old affected", "unread unknown"}},
		"an epoch counts":  {"openssl", "<1:3.0.6", "AlmaLinux:9", []string{"epoch fixed", "unread unknown"}},
		"another release":  {"openssl", "<3.0.16", "Debian:11", []string{"unread unknown"}},
		"no such package":  {"libressl", "*", "", []string{"unread unknown"}},
		"every version":    {"openssl", "*", "Bitnami", []string{"both affected", "unread unknown"}},
		"a jar's artifact": {"log4j-core", ">=2.0,<2.12.4 || >=2.13,<2.17.1", "Maven", []string{"jar affected", "unread unknown"}},
		"between":          {"openssl", ">3.0.15-1~deb12u1, <=3.0.17-1~deb12u1", "Debian:12", []string{"both affected", "nameless unknown", "new affected", "old fixed", "unread unknown"}},
		"exactly":          {"openssl", "=3.0.17-1~deb12u1", "Debian:12", []string{"both fixed", "nameless unknown", "new affected", "old fixed", "unread unknown"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := find.Search(v, question(t, tt.name, tt.rng, tt.ecosystem))
			if !slices.Equal(tags(got), tt.want) {
				t.Errorf("found %q, want %q", tags(got), tt.want)
			}
			if n := got.Total.Affected + got.Total.Unknown + got.Total.Fixed; n != got.Len() || got.Stored != 9 {
				t.Errorf("counts %+v of %d, looked at %d; want 9: a chart is no image", got.Total, got.Len(), got.Stored)
			}
			for im := range got.All() {
				if (im.Status == find.Unknown) != (im.Reason != "") {
					t.Errorf("%s is %s because %q", im.Row.Reference.Tag, im.Status, im.Reason)
				}
				if im.Row.Reference.Tag == "unread" && im.Reason != "not read: failed: blob answers 404" {
					t.Errorf("nothing of it was read because %q", im.Reason)
				}
			}
		})
	}
}

// TestPages: the pages of a list hold each image once, affected ones first.
func TestPages(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 200)
	q := question(t, "liba0", "<2", "Debian")
	f := find.Search(w.Engine.View(), q)
	if f.Len() < 100 {
		t.Fatalf("%d images", f.Len())
	}
	seen, cursor, last := map[string]bool{}, "", find.Affected
	for {
		p, err := f.Page(cursor, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, im := range p.Rows {
			key := fmt.Sprint(list.Name(im.Row), im.Row.Platform)
			if seen[key] || last == find.Unknown && im.Status == find.Affected {
				t.Fatalf("%s stands twice, or %s after %s", key, im.Status, last)
			}
			seen[key], last = true, im.Status
		}
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if len(seen) != f.Len() {
		t.Errorf("%d images on pages, %d in the list", len(seen), f.Len())
	}
	if _, err := f.Page("%%%", 7); err == nil {
		t.Error("a cursor that is none is taken")
	}
}
