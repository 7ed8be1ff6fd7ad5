package reporter

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/plimsoll/plimsoll"
)

func TestOwners(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "owners.yaml")
	text := `
- {pattern: "shop/**", team: shop}
- {pattern: "tools/*:v1*", team: tools, registry: harbor}
- {pattern: "**", team: platform, registry: ecr}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.Owners, c.OwnerLabel = file, "team"
	o, err := c.owners()
	if err != nil || o.Label != "team" {
		t.Fatalf("%+v, %v", o, err)
	}
	for in, want := range map[[3]string]string{
		{"harbor", "shop/cart", "1"}: "shop", {"harbor", "tools/ci", "v1.2"}: "tools", {"harbor", "tools/ci", "v2"}: "",
		{"ecr", "tools/ci", "v1"}: "platform", {"ecr", "shop/a/b", "x"}: "shop", {"harbor", "other", "1"}: "",
	} {
		if got := o.Team(in[0], in[1], in[2]); got != want {
			t.Errorf("%v: %q, want %q", in, got, want)
		}
	}
	for _, bad := range []string{"- {pattern: a}", "- {team: a}", "- {pattern: a, team: b, colour: c}", "a: b", "- {pattern: \"[\", team: b}", "- 7"} {
		if _, err := parseOwners([]byte(bad)); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("%s: %v, want invalid", bad, err)
		}
	}
	if lines, err := parseOwners(nil); err != nil || len(lines) != 0 {
		t.Errorf("an empty file: %v, %v", lines, err)
	}
}

func FuzzOwners(f *testing.F) {
	f.Add([]byte("- {pattern: a, team: b}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if lines, err := parseOwners(b); err == nil && len(lines) > maxTeams {
			t.Errorf("%d entries", len(lines))
		}
	})
}
