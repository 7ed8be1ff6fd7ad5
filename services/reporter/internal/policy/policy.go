// Package policy reads policies and decides by them. [Decide] is the one decision of the product: every page, export, exit
// code and report shows what it says.
package policy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/plimsoll/plimsoll"
)

//go:embed baseline.yaml
var baseline []byte

// Bounds of a policy file, which people write.
const (
	maxFile  = 256 << 10 // bytes; aliases of YAML cannot blow up more than this much text
	maxRules = 500       // rules are read by people
	maxText  = 500       // bytes of one sentence
)

// Baseline is the built-in policy.
func Baseline() plimsoll.Policy {
	p, err := Parse(baseline)
	if err != nil {
		panic("built-in policy: " + err.Error()) // embedded, and tested
	}
	return p
}

// None is the policy without rules: nothing fails or warns, and what was not read or has no data is still unknown.
func None() plimsoll.Policy {
	return Seal(plimsoll.Policy{Name: NameNone, Version: 1, Description: "No rules.", Requires: []string{plimsoll.AnalyzerPackages}, Rules: []plimsoll.Rule{}})
}

// Names that stand for policies which need no file.
const (
	NameBaseline = "baseline"
	NameNone     = "none"
)

// Parse reads a policy file. Unknown fields, words that are no severity and rules that cannot hold are errors, all
// reported at once and wrapping [plimsoll.ErrInvalid]: a policy that is not understood must never pass anything.
func Parse(file []byte) (plimsoll.Policy, error) {
	var p plimsoll.Policy
	if len(file) > maxFile {
		return p, fmt.Errorf("policy: %w: larger than %d bytes", plimsoll.ErrInvalid, maxFile)
	}
	dec := yaml.NewDecoder(bytes.NewReader(file))
	dec.KnownFields(true)
	if err := dec.Decode(&p); err != nil {
		return plimsoll.Policy{}, fmt.Errorf("policy: %w: %w", plimsoll.ErrInvalid, err)
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return plimsoll.Policy{}, fmt.Errorf("policy: %w: one document a file", plimsoll.ErrInvalid)
	}
	if err := Check(p); err != nil {
		return plimsoll.Policy{}, err
	}
	return Seal(p), nil
}

// Seal names the policy by the hash of what it says; comments and order of fields in its file do not count.
func Seal(p plimsoll.Policy) plimsoll.Policy {
	p.Digest = ""
	b, err := json.Marshal(p)
	if err != nil {
		panic("policy: " + err.Error()) // plain data; numbers were checked
	}
	p.Digest = plimsoll.DigestOf(b)
	return p
}

var ruleID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// Check returns every fault of a policy at once.
func Check(p plimsoll.Policy) error {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if !ruleID.MatchString(p.Name) {
		fault("name %q: want lower-case letters, digits and hyphens", clip(p.Name))
	}
	if !(p.Target >= 0 && p.Target <= 100) { // NaN is neither
		fault("target: want a percentage from 0 to 100")
	}
	if len(p.Requires) == 0 {
		fault("requires: name at least one analyser, such as %s", plimsoll.AnalyzerPackages)
	}
	for _, name := range p.Requires {
		if !ruleID.MatchString(name) {
			fault("requires: %q is no analyser's name", clip(name))
		}
	}
	if len(p.Rules) == 0 || len(p.Rules) > maxRules {
		fault("rules: want 1 to %d", maxRules)
	}
	if d := p.Deadline; d != nil {
		if !slices.Contains(plimsoll.DeadlineStarts, d.Start()) {
			fault("deadline: from: %q; want one of %v", clip(string(d.From)), plimsoll.DeadlineStarts)
		}
		if *d == (plimsoll.Deadline{From: d.From}) {
			fault("deadline: give at least one severity, as in critical: 14d")
		}
	}
	seen := map[string]bool{}
	for i, r := range p.Rules {
		for _, text := range checkRule(r) {
			fault("rule %d (%s): %s", i+1, clip(r.ID), text)
		}
		if seen[r.ID] {
			fault("rule %d (%s): the id stands twice", i+1, clip(r.ID))
		}
		seen[r.ID] = true
	}
	if len(faults) > 0 {
		return fmt.Errorf("policy %q: %w: %s", clip(p.Name), plimsoll.ErrInvalid, strings.Join(faults, "; "))
	}
	return nil
}

// classes are those that a rule may name; a rule without any is about all.
var classes = []plimsoll.Class{plimsoll.ClassMalicious, plimsoll.ClassEndOfLife}

func checkRule(r plimsoll.Rule) (faults []string) {
	if !ruleID.MatchString(r.ID) {
		faults = append(faults, "id: want lower-case letters, digits and hyphens")
	}
	if r.Text == "" || len(r.Text) > maxText {
		faults = append(faults, fmt.Sprintf("text: want one sentence of at most %d bytes", maxText))
	}
	if r.Then != plimsoll.VerdictFail && r.Then != plimsoll.VerdictWarn {
		faults = append(faults, fmt.Sprintf("then: %q; want fail or warn", clip(string(r.Then))))
	}
	for _, s := range r.Severity {
		if !slices.Contains(plimsoll.Severities, s) {
			faults = append(faults, fmt.Sprintf("severity: %q; want critical, high, medium, low, none or not rated", clip(string(s))))
		}
	}
	for _, c := range r.Class {
		if !slices.Contains(classes, c) {
			faults = append(faults, fmt.Sprintf("class: %q; want malicious or end of life", clip(string(c))))
		}
	}
	return append(append(faults, checkExploitation(r)...), checkMost(r)...)
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
