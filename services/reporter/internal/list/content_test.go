package list

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// TestSecretFilter: what was not looked at is neither with nor without a secret.
func TestSecretFilter(t *testing.T) {
	t.Parallel()
	v := posturetest.New(t, 120).Engine.View()
	total := func(word string) int { return len(parse(t, "scope=stored&secret="+word).Rows(v)) }
	images := len(parse(t, "scope=stored&applicable=yes").Rows(v))
	yes, none, unknown := total(SecretAny), total(SecretNone), total(SecretUnknown)
	if yes == 0 || none == 0 || unknown == 0 {
		t.Fatalf("%d with, %d without, %d unknown: the world lacks a kind", yes, none, unknown)
	}
	if rest := images - none - unknown; rest > yes || rest < 0 {
		t.Errorf("of %d images %d are neither without a secret nor unknown, and %d have one", images, rest, yes)
	}
	if both := len(parse(t, "scope=stored&secret=visible&secret=hidden").Rows(v)); both != yes {
		t.Errorf("visible or hidden: %d, any: %d", both, yes)
	}
	for _, r := range parse(t, "scope=stored&secret=no").Rows(v) {
		if c, ok := r.Analyzed(plimsoll.AnalyzerSecrets); !ok || c.State != plimsoll.ReadComplete || r.Content.Secrets+r.Content.HiddenSecrets > 0 {
			t.Errorf("%s counts as without a secret: %v %v %+v", Name(r), ok, c, r.Content)
		}
	}
	for _, r := range parse(t, "scope=stored&file=unowned+set-uid&file=altered").Rows(v) {
		if r.Content.AlteredFiles+r.Content.UnownedSetUID == 0 {
			t.Errorf("%s has neither", Name(r))
		}
	}
}

// TestContentCells: a zero stands only where an analyser read the image whole.
func TestContentCells(t *testing.T) {
	t.Parallel()
	row := func(read map[string]plimsoll.Coverage, n int) *posture.Row {
		return &posture.Row{Read: read, Coverage: plimsoll.Complete(), Layers: 1, Content: plimsoll.Content{Secrets: n}}
	}
	at := func(c plimsoll.Coverage) map[string]plimsoll.Coverage {
		return map[string]plimsoll.Coverage{plimsoll.AnalyzerSecrets: c}
	}
	unread := row(nil, 0)
	unread.Layers, unread.Coverage = 0, plimsoll.Failed("404")
	chart := row(nil, 0)
	chart.Coverage.State = plimsoll.ReadNotApplicable
	i := slices.IndexFunc(ImageColumns, func(c Column[*posture.Row]) bool { return c.Name == "secrets" })
	for name, c := range map[string]struct {
		row  *posture.Row
		want string
	}{
		"whole": {row(at(plimsoll.Complete()), 0), "0"}, "found": {row(at(plimsoll.Complete()), 2), "2"},
		"part, none": {row(at(plimsoll.Partial("large")), 0), "not known"}, "part, some": {row(at(plimsoll.Partial("large")), 2), "2"},
		"off": {row(nil, 0), "not analysed"}, "unread": {unread, "not read"}, "chart": {chart, "n/a"},
	} {
		if got := ImageColumns[i].Cell(c.row); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestContentOrder(t *testing.T) {
	t.Parallel()
	inv := plimsoll.Inventory{
		Secrets: []plimsoll.Secret{{Rule: "a", Path: "a", Line: 9, Hidden: true, HiddenIn: 2}, {Rule: "b", Path: "b", Line: 10}, {Rule: "b", Path: "b", Line: 9}, {Rule: "b", Path: "b", Line: 9}},
		Files: []plimsoll.File{
			{Path: "a/su", Notes: []plimsoll.FileNote{plimsoll.NoteSetUID}}, {Path: "b/implant", Notes: []plimsoll.FileNote{plimsoll.NoteUnowned, plimsoll.NoteSetUID}},
			{Path: "c/curl", Notes: []plimsoll.FileNote{plimsoll.NoteAltered}},
		},
		Hidden: []plimsoll.Package{{Name: "perl", Layer: 1, HiddenIn: 2}, {Name: "gcc", HiddenIn: 2}},
	}
	var got []string
	for s := range SecretsOf(inv, "", "").All() {
		got = append(got, Place(s))
	}
	for f := range FilesOf(inv, "", "").All() {
		got = append(got, f.Path+" "+Notes(f))
	}
	for p := range RemovedOf(inv, "1").All() {
		got = append(got, p.Name)
	}
	want := []string{"b:9", "b:9", "b:10", "a:9", "c/curl altered", "b/implant unowned, set-uid", "a/su set-uid", "perl"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	page, err := SecretsOf(inv, "", "").Page("", 3)
	if err != nil || len(page.Rows) != 3 || page.Next == "" {
		t.Fatalf("page %+v, %v", page, err)
	}
	if page, err = SecretsOf(inv, "", "").Page(page.Next, 3); err != nil || len(page.Rows) != 1 || !page.Rows[0].Hidden {
		t.Errorf("second page %+v, %v", page, err)
	}
}
