package find_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/find"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// TestLink: the link of a question and a part asks for the same.
func TestLink(t *testing.T) {
	t.Parallel()
	q := question(t, "a&b=c #1", ">=1, <2 || =3", "Debian:12")
	q.Registry = "harbor"
	for _, part := range []find.Part{{}, {Status: find.Unknown}, {Owner: "shop & co", Status: find.Affected}, {Unowned: true}} {
		u, err := url.Parse(q.Link(part))
		if err != nil || u.Path != "/find" {
			t.Fatalf("%s: %v", q.Link(part), err)
		}
		got, gotPart, err := find.Read(u.Query())
		if err != nil || gotPart != part || got.Link(gotPart) != q.Link(part) {
			t.Errorf("%s is read as %s, %v", q.Link(part), got.Link(gotPart), err)
		}
	}
}

func TestReadFaults(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"", "package=openssl", "range=*", "package=a&range=*&status=clean", "package=a&range=*&owned=yes", "package=a&range=*&colour=red",
		"package=a&range=*&cursor=x", "package=a&package=b&range=*", "package=a&range=%3C",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := find.Read(values, "limit"); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// TestParts: the parts of an answer add up to it, and its counts stay.
func TestParts(t *testing.T) {
	t.Parallel()
	v := posturetest.New(t, 120).Engine.View()
	for _, registry := range []string{"", "harbor", "nowhere"} {
		q := question(t, "liba0", "<2", "")
		q.Registry = registry
		f := find.Search(v, q)
		count := map[find.Status]int{find.Affected: f.Total.Affected, find.Unknown: f.Total.Unknown, find.Fixed: f.Total.Fixed}
		for _, s := range find.Statuses {
			if got := f.Of(find.Part{Status: s}); got.Len() != count[s] || got.Total != f.Total {
				t.Errorf("%q: %d %s, want %d", registry, got.Len(), s, count[s])
			}
		}
		of := 0
		for _, o := range f.Owners {
			p := find.Part{Owner: o.Owner, Unowned: o.Owner == ""}
			got := f.Of(p)
			of += got.Len()
			p.Status = find.Affected
			if got.Len() != o.Affected+o.Unknown+o.Fixed || f.Of(p).Len() != o.Affected {
				t.Errorf("%q: %d images of %q, want %+v", registry, got.Len(), o.Owner, o)
			}
		}
		if of != f.Len() {
			t.Errorf("%q: owners have %d images of %d", registry, of, f.Len())
		}
		for im := range f.All() {
			if registry != "" && im.Row.Reference.Registry != registry {
				t.Errorf("%q: an image of %s", registry, im.Row.Reference.Registry)
			}
		}
		if registry == "nowhere" && (f.Len() != 0 || f.Stored != 0) {
			t.Errorf("%d of %d images in no registry", f.Len(), f.Stored)
		}
	}
}
