package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Input is what is known of one image.
type Input struct {
	Read     map[string]plimsoll.Coverage  // by analyser
	Known    map[string]plimsoll.Knowledge // by ecosystem found
	Findings []plimsoll.Finding
	Content  plimsoll.Content
	Secrets  []plimsoll.Secret // the first ones, to be named; Content counts
	Files    []plimsoll.File   // likewise
}

// Decide says whether an image meets a policy. A rule that fails wins: what was found is true, however much was not read.
// Else the verdict is unknown, with every reason, while reading is short or an ecosystem has no advisory data; then warn;
// then pass. A policy that does not hold (see [Check]) passes nothing: everything is unknown.
func Decide(p plimsoll.Policy, in Input) plimsoll.Verdict {
	v := plimsoll.Verdict{State: plimsoll.VerdictPass, Policy: p.Name, Violations: []plimsoll.Violation{}}
	if err := Check(p); err != nil {
		v.State, v.Reasons = plimsoll.VerdictUnknown, []string{err.Error()}
		return v
	}
	for _, r := range p.Rules {
		if broken, ok := violation(r, in); ok {
			v.Violations = append(v.Violations, broken)
		}
	}
	v.Reasons = slices.Concat(readReasons(p, in.Read), uncounted(p, in.Read), knownReasons(in.Known))
	switch {
	case has(v.Violations, plimsoll.VerdictFail):
		v.State = plimsoll.VerdictFail
	case len(v.Reasons) > 0:
		v.State = plimsoll.VerdictUnknown
	case has(v.Violations, plimsoll.VerdictWarn):
		v.State = plimsoll.VerdictWarn
	}
	return v
}

func has(all []plimsoll.Violation, then plimsoll.VerdictState) bool {
	return slices.ContainsFunc(all, func(v plimsoll.Violation) bool { return v.Then == then })
}

// readReasons names what was not read whole. An analyser that was not on has no entry and counts when the policy requires
// it. An entry without a name speaks for the image: it could not be resolved.
func readReasons(p plimsoll.Policy, read map[string]plimsoll.Coverage) (reasons []string) {
	for _, name := range slices.Sorted(maps.Keys(read)) {
		if c := read[name]; c.Short() {
			reasons = append(reasons, sentence(cmp.Or(name, "image"), string(c.State), c.Reason))
		}
	}
	_, whole := read[""]
	for _, name := range p.Requires {
		if _, ok := read[name]; !ok && !whole {
			reasons = append(reasons, name+": not analysed, and the policy requires it")
		}
	}
	return reasons
}

// knownReasons names the ecosystems without advisory data. Data that is old still says what it says; how old it is stands
// beside the verdict. A state that is neither current nor stale counts as none.
func knownReasons(known map[string]plimsoll.Knowledge) (reasons []string) {
	for _, ecosystem := range slices.Sorted(maps.Keys(known)) {
		if k := known[ecosystem]; k.State != plimsoll.KnownCurrent && k.State != plimsoll.KnownStale {
			reasons = append(reasons, sentence(ecosystem, "no finding can be told", k.Reason))
		}
	}
	return reasons
}

func sentence(what, state, reason string) string {
	s := what + ": " + state
	if reason != "" {
		s += " (" + reason + ")"
	}
	return s
}

// Meets reports whether a finding meets every condition of a rule. A rule on the image's content meets none.
func Meets(r plimsoll.Rule, f plimsoll.Finding) bool {
	if len(r.Most) > 0 {
		return false
	}
	if len(r.Class) > 0 && !slices.Contains(r.Class, f.Class) {
		return false
	}
	if len(r.Severity) > 0 && !slices.Contains(r.Severity, f.Severity) {
		return false
	}
	return (r.Fixable == nil || *r.Fixable == (f.Fixed != "")) && exploitation(r, f)
}

func violation(r plimsoll.Rule, in Input) (plimsoll.Violation, bool) {
	if len(r.Most) > 0 {
		return excess(r, in)
	}
	v := plimsoll.Violation{Rule: r.ID, Then: r.Then}
	var worst *plimsoll.Finding
	for i := range in.Findings {
		f := &in.Findings[i]
		if !Meets(r, *f) {
			continue
		}
		v.Findings++
		if worst == nil || Worse(*f, *worst) < 0 {
			worst = f
		}
	}
	if worst == nil {
		return v, false
	}
	v.Text = describe(r, v.Findings)
	if len(r.Class) == 1 && r.Class[0] == plimsoll.ClassEndOfLife {
		v.Text = ended(r, in.Findings)
	}
	v.Example = strings.TrimSpace(worst.ID + " in " + worst.Package + " " + worst.Version)
	return v, true
}

// maxEnded is how many ends of life one sentence names.
const maxEnded = 3

// ended says what came to its end of life, and when: "Debian 10 has had no fixes since 30 Jun 2024."
func ended(r plimsoll.Rule, all []plimsoll.Finding) string {
	var texts []string
	for _, f := range all {
		if Meets(r, f) && !slices.Contains(texts, f.Text) {
			texts = append(texts, f.Text)
		}
	}
	slices.Sort(texts)
	more := ""
	if n := len(texts) - maxEnded; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	return strings.Join(texts[:min(len(texts), maxEnded)], "; ") + more + "."
}

// describe is one sentence: "3 critical findings that a newer version fixes."
func describe(r plimsoll.Rule, n int) string {
	parts := []string{fmt.Sprint(n)}
	if len(r.Severity) > 0 {
		words := make([]string, len(r.Severity))
		for i, s := range r.Severity {
			words[i] = string(s)
		}
		parts = append(parts, strings.Join(words, " or "))
	}
	parts = append(parts, noun(r, n))
	if r.Fixable != nil && *r.Fixable {
		parts = append(parts, "that a newer version fixes")
	} else if r.Fixable != nil {
		parts = append(parts, "without a known fix")
	}
	parts = append(parts, exploitationWords(r, n)...)
	return strings.Join(parts, " ") + "."
}

// noun is what a rule is about: findings, or findings of its classes.
func noun(r plimsoll.Rule, n int) string {
	one, many := "finding", "findings"
	if len(r.Class) > 0 {
		words := make([]string, len(r.Class))
		for i, c := range r.Class {
			words[i] = string(c)
		}
		class := strings.Join(words, " or ")
		one, many = "finding of the class "+class, "findings of the class "+class
	}
	if len(r.Class) == 1 && r.Class[0] == plimsoll.ClassMalicious {
		one, many = "malicious package", "malicious packages"
	}
	if n == 1 {
		return one
	}
	return many
}

// Worse orders findings, the worst first: severity, score, id, package.
func Worse(a, b plimsoll.Finding) int {
	return cmp.Or(
		a.Severity.Rank()-b.Severity.Rank(),
		cmp.Compare(b.Score, a.Score),
		strings.Compare(a.ID, b.ID),
		strings.Compare(a.Package, b.Package),
		strings.Compare(a.PURL, b.PURL))
}
