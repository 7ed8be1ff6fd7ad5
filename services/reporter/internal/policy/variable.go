package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// variable is a count of an image that a rule may bound.
type variable struct {
	analyzer  string // that counts it; without it nothing can be told
	count     func(plimsoll.Content) int
	one, many string                 // what is counted
	of        func(Input) (s string) // the first of them; empty when it is not known
}

// variables are the counts that rules may name. docs/policy.md lists them (a test compares).
var variables = map[string]variable{
	"image.secrets": {
		plimsoll.AnalyzerSecrets, func(c plimsoll.Content) int { return c.Secrets }, "secret that a container can read", "secrets that a container can read",
		func(in Input) string { return firstSecret(in.Secrets, false) },
	},
	"image.hidden_secrets": {
		plimsoll.AnalyzerSecrets, func(c plimsoll.Content) int { return c.HiddenSecrets },
		"secret that a layer removed, still downloadable", "secrets that a layer removed, still downloadable",
		func(in Input) string { return firstSecret(in.Secrets, true) },
	},
	"image.altered_files": {
		plimsoll.AnalyzerFiles, func(c plimsoll.Content) int { return c.AlteredFiles },
		"file that is not what its package installed", "files that are not what their packages installed",
		func(in Input) string {
			return firstFile(in.Files, func(f plimsoll.File) bool { return f.Has(plimsoll.NoteAltered) })
		},
	},
	"image.unowned_setuid": {
		plimsoll.AnalyzerFiles, func(c plimsoll.Content) int { return c.UnownedSetUID },
		"file of no package that runs with more rights than its caller's", "files of no package that run with more rights than their caller's",
		func(in Input) string { return firstFile(in.Files, plimsoll.File.Foreign) },
	},
	"image.unowned_files": {
		plimsoll.AnalyzerFiles, func(c plimsoll.Content) int { return c.UnownedFiles },
		"executable file that no package brought", "executable files that no package brought",
		func(Input) string { return "" },
	},
	"image.removed_packages": {
		plimsoll.AnalyzerPackages, func(c plimsoll.Content) int { return c.Removed },
		"package that a layer removed, still downloadable", "packages that a layer removed, still downloadable",
		func(Input) string { return "" },
	},
}

func variableNames() []string { return slices.Sorted(maps.Keys(variables)) }

func firstSecret(all []plimsoll.Secret, hidden bool) string {
	i := slices.IndexFunc(all, func(x plimsoll.Secret) bool { return x.Hidden == hidden })
	if i < 0 {
		return ""
	}
	place := all[i].Path
	if all[i].Line > 0 {
		place += ":" + strconv.Itoa(all[i].Line)
	}
	return all[i].Rule + " in " + place
}

func firstFile(all []plimsoll.File, wanted func(plimsoll.File) bool) string {
	i := slices.IndexFunc(all, wanted)
	if i < 0 {
		return ""
	}
	return strings.TrimSpace(all[i].Path + " " + all[i].Owner)
}

// maxBound is the largest bound of a count: more than any inventory lists.
const maxBound = 1_000_000

// checkMost are the faults of a rule's bounds on counts.
func checkMost(r plimsoll.Rule) (faults []string) {
	if len(r.Most) > 0 && (len(r.Class) > 0 || len(r.Severity) > 0 || r.Fixable != nil || asksExploitation(r)) {
		faults = append(faults, "most: a rule counts either findings (class, severity, fixable, exploited, kev, ransomware, epss) or the image's content, not both")
	}
	if r.Most != nil && len(r.Most) == 0 {
		faults = append(faults, "most: name at least one count, such as image.secrets: 0")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Most)) {
		if _, ok := variables[name]; !ok {
			faults = append(faults, fmt.Sprintf("most: %q; want %s", clip(name), strings.Join(variableNames(), ", ")))
		}
		if n := r.Most[name]; n < 0 || n > maxBound {
			faults = append(faults, fmt.Sprintf("most: %s: want 0 to %d", clip(name), maxBound))
		}
	}
	return faults
}

// excess says which counts are above a rule's bounds, in one sentence: "2 secrets that a container can read; at most 0."
func excess(r plimsoll.Rule, in Input) (plimsoll.Violation, bool) {
	v := plimsoll.Violation{Rule: r.ID, Then: r.Then}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.Most)) {
		x, bound := variables[name], r.Most[name]
		n := x.count(in.Content)
		if n <= bound {
			continue
		}
		v.Findings += n
		v.Example = cmp.Or(v.Example, x.of(in))
		noun := x.many
		if n == 1 {
			noun = x.one
		}
		text := fmt.Sprintf("%d %s", n, noun)
		if bound > 0 {
			text += fmt.Sprintf(", at most %d", bound)
		}
		parts = append(parts, text)
	}
	v.Text = strings.Join(parts, "; ") + "."
	return v, len(parts) > 0
}

// uncounted names the analysers that did not look at the image although a rule counts what they find. Where an entry without
// a name speaks for the image, it says more.
func uncounted(p plimsoll.Policy, read map[string]plimsoll.Coverage) (reasons []string) {
	if _, whole := read[""]; whole {
		return nil
	}
	told := map[string]bool{}
	for _, name := range p.Requires {
		told[name] = true
	}
	for _, r := range p.Rules {
		for _, name := range slices.Sorted(maps.Keys(r.Most)) {
			analyzer := variables[name].analyzer
			if _, ok := read[analyzer]; !ok && !told[analyzer] {
				told[analyzer] = true
				reasons = append(reasons, analyzer+": not analysed, and rule "+r.ID+" counts what it finds")
			}
		}
	}
	return reasons
}
