package policy_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
)

func TestBaseline(t *testing.T) {
	t.Parallel()
	p := policy.Baseline()
	if p.Name != "baseline" || p.Target != 95 || !slices.Equal(p.Requires, []string{"packages"}) || len(p.Rules) != 5 || p.Digest == "" {
		t.Errorf("baseline %+v", p)
	}
	if q := policy.Baseline(); q.Digest != p.Digest {
		t.Error("its digest differs from call to call")
	}
	q := p
	q.Target = 90
	if policy.Seal(q).Digest == p.Digest {
		t.Error("another policy has the same digest")
	}
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	const good = "name: own\nversion: 1\ntarget: 90\nrequires: [packages]\nrules:\n- {id: a, text: A., then: fail, severity: [critical]}\n"
	if _, err := policy.Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ text, want string }{
		"empty":             {"", "EOF"},
		"not YAML":          {"name: [", "yaml"},
		"unknown field":     {good + "color: red\n", "color"},
		"unknown in rule":   {strings.Replace(good, "id: a", "id: a, iff: 1", 1), "iff"},
		"two documents":     {good + "---\n" + good, "one document"},
		"no name":           {strings.Replace(good, "own", `""`, 1), "name"},
		"target":            {strings.Replace(good, "90", ".nan", 1), "target"},
		"no requires":       {strings.Replace(good, "[packages]", "[]", 1), "requires"},
		"no rules":          {good[:strings.Index(good, "rules")], "rules"},
		"then pass":         {strings.Replace(good, "then: fail", "then: pass", 1), "then"},
		"unknown severity":  {strings.Replace(good, "critical", "awful", 1), "awful"},
		"id twice":          {good + "- {id: a, text: B., then: warn}\n", "twice"},
		"too large":         {good + "#" + strings.Repeat("x", 1<<20), "larger"},
		"several at once 1": {strings.NewReplacer("own", "Own!", "then: fail", "then: no").Replace(good), "name"},
		"several at once 2": {strings.NewReplacer("own", "Own!", "then: fail", "then: no").Replace(good), "then"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.Parse([]byte(tt.text))
			if !errors.Is(err, plimsoll.ErrInvalid) || !strings.Contains(err.Error(), tt.want) || p.Name != "" {
				t.Errorf("Parse = %+v, %v; want nothing and an error that names %q", p, err, tt.want)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	finding := func(id string, s plimsoll.Severity, fixed string) plimsoll.Finding {
		return plimsoll.Finding{ID: id, Severity: s, Fixed: fixed, Package: "lodash", Version: "4.17.15"}
	}
	critical := finding("CVE-1", plimsoll.SeverityCritical, "4.17.21")
	unrated := finding("CVE-2", plimsoll.SeverityNotRated, "4.17.21")
	exploited := finding("CVE-3", plimsoll.SeverityLow, "")
	exploited.Enrichment = &plimsoll.Enrichment{SSVC: plimsoll.SSVC{Exploitation: "active"}}
	whole := map[string]plimsoll.Coverage{"packages": plimsoll.Complete(), "tree": plimsoll.Complete()}
	current := map[string]plimsoll.Knowledge{"npm": {State: plimsoll.KnownCurrent}}
	none := map[string]plimsoll.Knowledge{"Debian:13": {State: plimsoll.KnownNone, Reason: "no advisory data"}, "npm": {State: plimsoll.KnownCurrent}}
	short := map[string]plimsoll.Coverage{"packages": plimsoll.Partial("quarantine: rpm"), "tree": plimsoll.Complete()}
	tests := map[string]struct {
		in      policy.Input
		want    plimsoll.VerdictState
		reasons []string
	}{
		"nothing found":          {policy.Input{Read: whole, Known: current}, plimsoll.VerdictPass, nil},
		"no packages at all":     {policy.Input{Read: whole}, plimsoll.VerdictPass, nil},
		"fixable critical":       {policy.Input{Read: whole, Known: current, Findings: []plimsoll.Finding{critical}}, plimsoll.VerdictFail, nil},
		"critical without a fix": {policy.Input{Read: whole, Known: current, Findings: []plimsoll.Finding{finding("CVE-1", plimsoll.SeverityCritical, "")}}, plimsoll.VerdictPass, nil},
		"exploited":              {policy.Input{Read: whole, Known: current, Findings: []plimsoll.Finding{exploited}}, plimsoll.VerdictFail, nil},
		"fixable not rated":      {policy.Input{Read: whole, Known: current, Findings: []plimsoll.Finding{unrated}}, plimsoll.VerdictWarn, nil},
		"a failure wins":         {policy.Input{Read: short, Known: none, Findings: []plimsoll.Finding{unrated, critical}}, plimsoll.VerdictFail, []string{"packages: partial (quarantine: rpm)", "Debian:13: no finding can be told (no advisory data)"}},
		"coverage short":         {policy.Input{Read: short, Known: current, Findings: []plimsoll.Finding{unrated}}, plimsoll.VerdictUnknown, []string{"packages: partial (quarantine: rpm)"}},
		"known none":             {policy.Input{Read: whole, Known: none}, plimsoll.VerdictUnknown, []string{"Debian:13: no finding can be told (no advisory data)"}},
		"known, and no word":     {policy.Input{Read: whole, Known: map[string]plimsoll.Knowledge{"npm": {}}}, plimsoll.VerdictUnknown, []string{"npm: no finding can be told"}},
		"known stale":            {policy.Input{Read: whole, Known: map[string]plimsoll.Knowledge{"npm": {State: plimsoll.KnownStale, Reason: "old"}}}, plimsoll.VerdictPass, nil},
		"not analysed":           {policy.Input{Read: map[string]plimsoll.Coverage{"tree": plimsoll.Complete()}, Known: current}, plimsoll.VerdictUnknown, []string{"packages: not analysed, and the policy requires it"}},
		"nothing read":           {policy.Input{}, plimsoll.VerdictUnknown, []string{"packages: not analysed, and the policy requires it"}},
		"waiting":                {policy.Input{Read: map[string]plimsoll.Coverage{"": {State: plimsoll.ReadWaiting}}}, plimsoll.VerdictUnknown, []string{"image: waiting"}},
		"a state nobody knows":   {policy.Input{Read: map[string]plimsoll.Coverage{"packages": {State: "fine"}}}, plimsoll.VerdictUnknown, []string{"packages: fine"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := policy.Decide(policy.Baseline(), tt.in)
			if v.State != tt.want || v.Policy != "baseline" {
				t.Errorf("verdict %+v, want %s", v, tt.want)
			}
			if diff := cmp.Diff(tt.reasons, v.Reasons); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

func TestViolation(t *testing.T) {
	t.Parallel()
	findings := []plimsoll.Finding{
		{ID: "CVE-1", Severity: plimsoll.SeverityCritical, Score: 9.1, Fixed: "2", Package: "a", Version: "1"},
		{ID: "CVE-2", Severity: plimsoll.SeverityCritical, Score: 9.8, Fixed: "2", Package: "b", Version: "1"},
		{ID: "CVE-3", Severity: plimsoll.SeverityNotRated, Fixed: "2", Package: "c", Version: "1"},
	}
	v := policy.Decide(policy.Baseline(), policy.Input{Findings: findings})
	want := []plimsoll.Violation{
		{Rule: "fixable-critical", Then: plimsoll.VerdictFail, Text: "2 critical findings that a newer version fixes.", Findings: 2, Example: "CVE-2 in b 1"},
		{Rule: "fixable-not-rated", Then: plimsoll.VerdictWarn, Text: "1 not rated finding that a newer version fixes.", Findings: 1, Example: "CVE-3 in c 1"},
	}
	if diff := cmp.Diff(want, v.Violations); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

// TestEnded: the sentence has the date, and names few of many.
func TestEnded(t *testing.T) {
	t.Parallel()
	ended := func(name, text string) plimsoll.Finding {
		return plimsoll.Finding{ID: "EOL-" + name, Class: plimsoll.ClassEndOfLife, Severity: plimsoll.SeverityHigh, Package: name, Version: "1", Text: text}
	}
	debian := ended("debian", "Debian 10 has had no fixes since 30 Jun 2024")
	all := []plimsoll.Finding{ended("python", "Python"), debian, debian, ended("node", "Node.js"), ended("go", "Go")}
	for n, want := range map[int]string{1: "Python.", 3: "Debian 10 has had no fixes since 30 Jun 2024; Python.", 5: "Debian 10 has had no fixes since 30 Jun 2024; Go; Node.js, and 1 more."} {
		v := policy.Decide(policy.Baseline(), policy.Input{Read: map[string]plimsoll.Coverage{"packages": plimsoll.Complete()}, Findings: all[:n]})
		if v.State != plimsoll.VerdictWarn || len(v.Violations) != 1 || v.Violations[0].Text != want || v.Violations[0].Findings != n || v.Violations[0].Rule != "no-end-of-life" {
			t.Errorf("%d: %+v, want %q", n, v, want)
		}
	}
}

// TestBrokenPolicy: a policy that does not hold never passes anything.
func TestBrokenPolicy(t *testing.T) {
	t.Parallel()
	broken := policy.Baseline()
	broken.Target = math.NaN()
	whole := policy.Input{Read: map[string]plimsoll.Coverage{"packages": plimsoll.Complete()}}
	for name, p := range map[string]plimsoll.Policy{"zero": {}, "broken": broken} {
		if v := policy.Decide(p, whole); v.State != plimsoll.VerdictUnknown || len(v.Reasons) == 0 {
			t.Errorf("%s: %+v, want unknown with a reason", name, v)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("name: own\ntarget: 90\nrequires: [packages]\nrules: [{id: a, text: A., then: fail}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := policy.Parse(b)
		if err == nil && policy.Check(p) != nil {
			t.Error("a policy is read that does not hold")
		}
	})
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	file := func(deadline string) []byte {
		return []byte("name: own\ntarget: 90\nrequires: [packages]\nrules: [{id: a, text: A., then: fail}]\ndeadline: " + deadline)
	}
	p, err := policy.Parse(file("{critical: 14d, low: 1d, from: fix_published}"))
	if err != nil || *p.Deadline != (plimsoll.Deadline{Critical: 14, Low: 1, From: plimsoll.FromFixPublished}) {
		t.Errorf("%+v, %v", p.Deadline, err)
	}
	if q, err := policy.Parse(file("{critical: 15d, low: 1d, from: fix_published}")); err != nil || q.Digest == p.Digest {
		t.Errorf("another deadline has the same digest (%v)", err)
	}
	for deadline, want := range map[string]string{
		"{critical: 14}": "14d", "{critical: soon}": "14d", "{critical: 0d}": "1d", "{from: first_detected}": "at least one", "{critical: 1d, from: monday}": "first_detected",
		"{severe: 1d}": "severe", "14d": "14d",
	} {
		if _, err := policy.Parse(file(deadline)); !errors.Is(err, plimsoll.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error that names %q", deadline, err, want)
		}
	}
	if d := policy.Baseline().Deadline; d == nil || d.Critical != 14 || d.High != 30 || d.Medium != 90 || d.Start() != plimsoll.FromFirstDetected {
		t.Errorf("the baseline's: %+v", d)
	}
}
