package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
)

// counting is a policy of one rule with bounds on counts.
func counting(t *testing.T, most string) plimsoll.Policy {
	t.Helper()
	p, err := policy.Parse([]byte("name: own\nversion: 1\ntarget: 90\nrequires: [packages]\nrules:\n- {id: no-secrets, text: A., then: fail, most: " + most + "}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func holding() policy.Input {
	return policy.Input{
		Read:    map[string]plimsoll.Coverage{"packages": plimsoll.Complete(), "secrets": plimsoll.Complete(), "files": plimsoll.Complete()},
		Content: plimsoll.Content{Secrets: 2, HiddenSecrets: 1, AlteredFiles: 1, UnownedFiles: 3, UnownedSetUID: 1, Removed: 4},
		Secrets: []plimsoll.Secret{{Rule: "awsaccesskey", Path: "root/.aws/credentials", Line: 3}, {Rule: "pem", Path: "config:env:KEY"}, {Rule: "gcpsak", Path: "key.json", Line: 1, Hidden: true, HiddenIn: 2}},
		Files:   []plimsoll.File{{Path: "usr/bin/curl", Owner: "curl", Notes: []plimsoll.FileNote{plimsoll.NoteAltered}}, {Path: "opt/k", Notes: []plimsoll.FileNote{plimsoll.NoteUnowned, plimsoll.NoteSetUID}}},
	}
}

// TestCounts: what is above a bound breaks the rule, and is named with one example.
func TestCounts(t *testing.T) {
	t.Parallel()
	for most, want := range map[string]plimsoll.Violation{
		"{image.secrets: 0}":        {Text: "2 secrets that a container can read.", Findings: 2, Example: "awsaccesskey in root/.aws/credentials:3"},
		"{image.secrets: 1}":        {Text: "2 secrets that a container can read, at most 1.", Findings: 2, Example: "awsaccesskey in root/.aws/credentials:3"},
		"{image.hidden_secrets: 0}": {Text: "1 secret that a layer removed, still downloadable.", Findings: 1, Example: "gcpsak in key.json:1"},
		"{image.unowned_setuid: 0, image.altered_files: 0}": {
			Text:     "1 file that is not what its package installed; 1 file of no package that runs with more rights than its caller's.",
			Findings: 2, Example: "usr/bin/curl curl",
		},
		"{image.unowned_files: 2}":    {Text: "3 executable files that no package brought, at most 2.", Findings: 3},
		"{image.removed_packages: 0}": {Text: "4 packages that a layer removed, still downloadable.", Findings: 4},
	} {
		want.Rule, want.Then = "no-secrets", plimsoll.VerdictFail
		v := policy.Decide(counting(t, most), holding())
		if diff := cmp.Diff([]plimsoll.Violation{want}, v.Violations); diff != "" || v.State != plimsoll.VerdictFail {
			t.Errorf("%s: %s (-want +got):\n%s", most, v.State, diff)
		}
	}
	if v := policy.Decide(counting(t, "{image.secrets: 2, image.unowned_files: 3}"), holding()); v.State != plimsoll.VerdictPass {
		t.Errorf("what is within its bounds: %+v", v)
	}
	in := holding()
	in.Findings = []plimsoll.Finding{{ID: "CVE-1", Severity: plimsoll.SeverityCritical, Fixed: "2"}}
	if v := policy.Decide(counting(t, "{image.secrets: 2}"), in); v.State != plimsoll.VerdictPass {
		t.Errorf("a rule on counts looks at findings: %+v", v)
	}
}

// TestUncounted: a rule on what nobody counted can't be told, also when it would only warn.
func TestUncounted(t *testing.T) {
	t.Parallel()
	p := counting(t, "{image.secrets: 0, image.hidden_secrets: 0, image.altered_files: 0}")
	p.Rules[0].Then = plimsoll.VerdictWarn
	off := policy.Input{Read: map[string]plimsoll.Coverage{"packages": plimsoll.Complete()}}
	want := []string{"files: not analysed, and rule no-secrets counts what it finds", "secrets: not analysed, and rule no-secrets counts what it finds"}
	if v := policy.Decide(p, off); v.State != plimsoll.VerdictUnknown || cmp.Diff(want, v.Reasons) != "" {
		t.Errorf("switched off: %+v", v)
	}
	p.Requires = append(p.Requires, "secrets", "files")
	if v := policy.Decide(p, off); len(v.Reasons) != 2 {
		t.Errorf("required and counted is told twice: %q", v.Reasons)
	}
	waiting := policy.Input{Read: map[string]plimsoll.Coverage{"": {State: plimsoll.ReadWaiting}}}
	if v := policy.Decide(p, waiting); v.State != plimsoll.VerdictUnknown || cmp.Diff([]string{"image: waiting"}, v.Reasons) != "" {
		t.Errorf("waiting: %+v", v)
	}
	if v := policy.Decide(policy.Baseline(), off); v.State != plimsoll.VerdictPass {
		t.Errorf("the baseline asks for no content: %+v", v)
	}
}

func TestMostFaults(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"most: {}":                                       "at least one",
		"most: {image.colour: 0}":                        "image.colour",
		"most: {image.secrets: -1}":                      "0 to",
		"most: {image.secrets: 9999999}":                 "0 to",
		"most: {image.secrets: 0}, severity: [critical]": "not both",
		"most: {image.secrets: 0}, fixable: true":        "not both",
		"most: {image.secrets: many}":                    "many",
	} {
		_, err := policy.Parse([]byte("name: own\nversion: 1\ntarget: 90\nrequires: [packages]\nrules:\n- {id: a, text: A., then: fail, " + rule + "}\n"))
		if !errors.Is(err, plimsoll.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error that names %q", rule, err, want)
		}
	}
}

// TestDocumentedCounts: docs/policy.md lists exactly the counts that a rule may name, and its example is a policy.
func TestDocumentedCounts(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(image\\.[a-z_]+)` ").FindAllStringSubmatch(string(b), -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	_, err = policy.Parse([]byte("name: own\ntarget: 90\nrequires: [packages]\nrules: [{id: a, text: A., then: fail, most: {x: 0}}]"))
	for _, name := range documented {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is documented and no count: %v", name, err)
		}
	}
	if n := strings.Count(err.Error(), "image."); n != len(documented) || n == 0 {
		t.Errorf("%d counts are documented, there are %d: %v", len(documented), n, err)
	}
	_, example, ok := strings.Cut(string(b), "```yaml\nname: content\n")
	example, _, closed := strings.Cut(example, "```")
	if p, err := policy.Parse([]byte("name: content\n" + example)); !ok || !closed || err != nil || p.Rules[0].Most == nil {
		t.Errorf("the example of docs/policy.md: %+v, %v", p, err)
	}
}
