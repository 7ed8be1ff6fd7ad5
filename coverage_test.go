package plimsoll

import (
	"slices"
	"testing"
)

func TestWorstCoverage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   []Coverage
		want Coverage
	}{
		{"none is waiting", nil, Coverage{State: ReadWaiting}},
		{"all complete", []Coverage{Complete(), Complete()}, Complete()},
		{"partial wins over complete", []Coverage{Complete(), Partial("b"), Complete()}, Partial("b")},
		{"failed wins over partial", []Coverage{Partial("a"), Failed("b")}, Failed("b")},
		{"the first reason in order", []Coverage{Partial("b"), Partial("a")}, Partial("a")},
		{"an unknown word is worst", []Coverage{Failed("a"), {State: "fine", Reason: "?"}}, Coverage{State: "fine", Reason: "?"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := WorstCoverage(slices.Values(c.in)); got != c.want {
				t.Errorf("WorstCoverage(%v) = %v, want %v", c.in, got, c.want)
			}
		})
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	for state, want := range map[ReadState]bool{
		ReadComplete: false, ReadNotApplicable: false, ReadStale: true, ReadWaiting: true, ReadPartial: true, ReadFailed: true, "": true, "fine": true,
	} {
		if got := (Coverage{State: state}).Short(); got != want {
			t.Errorf("%q is short: %t, want %t", state, got, want)
		}
	}
}

// TestRecipe: the order of analysers does not matter, everything else does.
func TestUnsure(t *testing.T) {
	t.Parallel()
	known := func(debian, npm KnownState) map[string]Knowledge {
		return map[string]Knowledge{"Debian:12": {State: debian}, "npm": {State: npm}}
	}
	for _, c := range []struct {
		name  string
		read  Coverage
		known map[string]Knowledge
		want  string
	}{
		{"all known", Complete(), known(KnownCurrent, KnownCurrent), ""},
		{"old", Complete(), known(KnownStale, KnownCurrent), ""},
		{"nothing to know of it", Complete(), nil, ""},
		{"one without data", Complete(), known(KnownCurrent, KnownNone), "no advisory data for npm"},
		{"its reason", Complete(), map[string]Knowledge{"npm": {KnownNone, "why"}}, "why"},
		{"read in part", Partial("a limit"), known(KnownCurrent, KnownCurrent), "not read whole"},
	} {
		if got := Unsure(c.read, c.known); got != c.want {
			t.Errorf("%s: Unsure = %q, want %q", c.name, got, c.want)
		}
	}
}

func TestRecipe(t *testing.T) {
	t.Parallel()
	tree, packages := Analyzer{"tree", 1, "0"}, Analyzer{"packages", 3, "0f"}
	base := NewRecipe(1, []Analyzer{tree, packages})
	if got := NewRecipe(1, []Analyzer{packages, tree}); got != base {
		t.Errorf("another order gives %s, want %s", got, base)
	}
	raised := packages
	raised.Version++
	for name, other := range map[string]Recipe{
		"assembler": NewRecipe(2, []Analyzer{tree, packages}), "version": NewRecipe(1, []Analyzer{tree, raised}), "fewer": NewRecipe(1, []Analyzer{tree}),
	} {
		if other == base {
			t.Errorf("another %s gives the same recipe", name)
		}
	}
}

// TestRanks: not rated is never low, unknown is never a pass.
func TestRanks(t *testing.T) {
	t.Parallel()
	if SeverityNotRated.Rank() >= SeverityLow.Rank() {
		t.Error("not rated ranks with or below low")
	}
	if VerdictUnknown.Rank() >= VerdictWarn.Rank() || VerdictState("").Rank() >= VerdictPass.Rank() {
		t.Error("unknown ranks with or below warn")
	}
}
