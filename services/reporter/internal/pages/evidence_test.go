package pages

import (
	"net/url"
	"strings"
	"testing"
)

// TestEvidence: the drawer says what the API says of the same flaw: affected, not affected with its reason, or unknown.
func TestEvidence(t *testing.T) {
	t.Parallel()
	b := open(t, 40)
	v := b.world.Engine.View()
	found := false
	for _, r := range v.Rows() {
		all := v.Findings(r)
		if len(all) == 0 || r.Coverage.Short() {
			continue
		}
		found = true
		f := all[0]
		page := func(id string) string {
			target := imagePath(r)
			sep := "?"
			if strings.Contains(target, "?") {
				sep = "&"
			}
			status, _, body := b.get(target + sep + url.Values{"evidence": {id}}.Encode())
			if status != 200 {
				t.Fatalf("%s: status %d", target, status)
			}
			_, drawer, ok := strings.Cut(body, `<aside class="drawer"`)
			if !ok {
				t.Fatalf("%s: no drawer", target)
			}
			return drawer
		}
		for _, want := range []string{f.ID, "word-affected", f.Matched[0].ID, f.Package, f.Path} {
			if d := page(f.ID); !strings.Contains(d, want) {
				t.Errorf("%s in %s: the drawer lacks %q", f.ID, r.Reference, want)
			}
		}
		if d := page("CVE-1999-0001"); strings.Contains(d, "word-affected") || strings.Contains(d, "word-not-affected") {
			t.Errorf("a flaw that nobody published is judged:\n%s", d)
		}
		if d := page(`"><script>x</script>`); strings.Contains(d, "<script>x") {
			t.Error("an id from the URL is not escaped")
		}
		break
	}
	if !found {
		t.Fatal("no image of the sample has findings")
	}
}
