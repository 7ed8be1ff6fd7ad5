package match_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// TestExplain: the reason says which version stands where, and what was not asked says why.
func TestExplain(t *testing.T) {
	t.Parallel()
	alias := func(r plimsoll.Advisory) plimsoll.Advisory { r.Aliases = []string{"CVE-1"}; return r }
	list := affected("npm", "z")
	list.Versions = []string{"1.0.0", "1.0.1"}
	modular := alias(record("ALSA-1", affected("AlmaLinux:9", "nodejs", "0", "<1:18.18.2-2.module_el9.2.0+1")))
	modular.Summary = "Moderate: nodejs:18 security update"
	m := matcher(
		alias(record("D-1", affected("Debian:12", "openssl", "0", "<3.0.16-1"))),
		alias(record("D-2", affected("Debian:11", "openssl", "0", "<1.1.1w-1"))),
		alias(record("N-1", affected("npm", "y", "0", "<1.2.0", "2.0.0", "<2.1.0"))),
		alias(record("N-2", list)), modular,
		alias(record("N-3", affected("npm", "w", "1.0.0", "<=1.9.0"))), alias(record("N-4", affected("npm", "v", "0", "!2.0.0"))), alias(record("N-5", affected("npm", "u", "0"))),
		record("D-9", affected("Debian:12", "other", "0")),
	)
	tests := map[string]struct {
		p      plimsoll.Package
		word   match.Word
		reason string
		record string // that decides
	}{
		"before the fix":     {plimsoll.Package{Name: "libssl3", Source: "openssl", Version: "3.0.15-1", Ecosystem: "Debian:12"}, match.Affected, "3.0.15-1 < fixed 3.0.16-1", "D-1"},
		"after the fix":      {plimsoll.Package{Name: "openssl", Version: "3.0.17-1", Ecosystem: "Debian:12"}, match.NotAffected, "3.0.17-1 ≥ fixed 3.0.16-1", "D-1"},
		"in the second line": {plimsoll.Package{Name: "y", Version: "2.0.5", Ecosystem: "npm"}, match.Affected, "2.0.5 ≥ introduced 2.0.0 and < fixed 2.1.0", "N-1"},
		"between the lines":  {plimsoll.Package{Name: "y", Version: "1.5.0", Ecosystem: "npm"}, match.NotAffected, "1.5.0 ≥ fixed 1.2.0", "N-1"},
		"not introduced yet": {plimsoll.Package{Name: "w", Version: "0.9.0", Ecosystem: "npm"}, match.NotAffected, "0.9.0 < introduced 1.0.0", "N-3"},
		"the last affected":  {plimsoll.Package{Name: "w", Version: "1.9.0", Ecosystem: "npm"}, match.Affected, "1.9.0 ≥ introduced 1.0.0 and ≤ last affected 1.9.0", "N-3"},
		"after the last":     {plimsoll.Package{Name: "w", Version: "1.9.1", Ecosystem: "npm"}, match.NotAffected, "1.9.1 > last affected 1.9.0", "N-3"},
		"beyond the limit":   {plimsoll.Package{Name: "v", Version: "2.0.0", Ecosystem: "npm"}, match.NotAffected, "2.0.0 ≥ the range's limit 2.0.0", "N-4"},
		"no fix":             {plimsoll.Package{Name: "u", Version: "2.0.0", Ecosystem: "npm"}, match.Affected, "every version is affected, no fix is named", "N-5"},
		"listed":             {plimsoll.Package{Name: "z", Version: "v1.0.1", Ecosystem: "npm"}, match.Affected, "v1.0.1 is in the record's list of versions", "N-2"},
		"not listed":         {plimsoll.Package{Name: "z", Version: "1.0.2", Ecosystem: "npm"}, match.NotAffected, "1.0.2 is not in the record's list of versions", "N-2"},
		"no version":         {plimsoll.Package{Name: "y", Ecosystem: "npm"}, match.Affected, "its version is not known: taken for affected", "N-1"},
		"not comparable":     {plimsoll.Package{Name: "y", Version: strings.Repeat("9", 2000), Ecosystem: "npm"}, match.Unknown, "cannot be compared", "N-1"},
		"other module": {
			plimsoll.Package{Name: "nodejs", Version: "1:16.1.0-1.module_el9.2.0+1", Module: "nodejs:16", Ecosystem: "AlmaLinux:9"}, match.NotAffected,
			"other module: the record is about nodejs:18, the package is built for nodejs:16", "ALSA-1",
		},
		"other package":    {plimsoll.Package{Name: "bash", Version: "5.2-1", Ecosystem: "Debian:12"}, match.NotAffected, "other package: the record is about openssl, not bash", "D-1"},
		"other release":    {plimsoll.Package{Name: "openssl", Version: "3.0.15-1", Ecosystem: "Debian:13"}, match.Unknown, "no advisory data for Debian:13", ""},
		"judged by others": {plimsoll.Package{Name: "y", Version: "1.0.0", Ecosystem: "npm", NotMatched: "installed by node-y"}, match.NotAffected, "not judged itself: installed by node-y", ""},
		"no data at all":   {plimsoll.Package{Name: "y", Version: "1.0.0", Ecosystem: "CentOS:7"}, match.Unknown, "no advisory data for CentOS", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, id := range []string{"CVE-1", "D-1", "N-1"} { // every name of the flaw leads to it
				x := m.Explain(tt.p, id)
				if x.Flaw != "CVE-1" || x.Word != tt.word || !strings.HasPrefix(x.Reason, tt.reason) || len(x.Evidence) != 8 {
					t.Fatalf("%s: %s %q because %q by %d records; want %s because %q", id, x.Flaw, x.Word, x.Reason, len(x.Evidence), tt.word, tt.reason)
				}
				if tt.record != "" && x.Evidence[0].Record != tt.record && tt.word != match.NotAffected {
					t.Errorf("%s decides, want %s", x.Evidence[0].Record, tt.record)
				}
			}
		})
	}
	if x := m.Explain(plimsoll.Package{Name: "y", Version: "1.0.0", Ecosystem: "npm"}, "CVE-2"); x.Word != match.NotAffected || !strings.Contains(x.Reason, "no record of generation g is about CVE-2") {
		t.Errorf("a flaw that nobody knows: %+v", x)
	}
}

// TestExplainEvidence: a record's own range, whose order was used, what was asked, and how bad each source says it is.
func TestExplainEvidence(t *testing.T) {
	t.Parallel()
	r := record("DEBIAN-CVE-1", affected("Debian:12", "openssl", "3.0.0", "<3.0.16-1"))
	r.Upstream, r.Affected[0].Level = []string{"CVE-1"}, "low"
	r.Severity = []plimsoll.Score{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}
	other := record("BIT-1", affected("Bitnami", "openssl", "0"))
	other.Aliases, other.Severity = []string{"CVE-1"}, []plimsoll.Score{{Type: "CVSS_V3", Score: "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"}}
	m := matcher(r, other)
	x := m.Explain(plimsoll.Package{Name: "libssl3", Source: "openssl", Version: "3.0.15-1", Ecosystem: "Debian:12"}, "CVE-1")
	e := x.Evidence[0]
	if e.Record != "DEBIAN-CVE-1" || e.Feed != "Debian" || !e.Checked.Equal(now) || e.Generation != "g" || e.Comparer != "dpkg" || e.AskedName != "openssl" ||
		e.AskedVersion != "3.0.15-1" || e.Versions != ">=3.0.0,<3.0.16-1" || e.Ecosystem != "Debian:12" {
		t.Errorf("evidence %+v", e)
	}
	if x.Finding == nil || x.Finding.Severity != plimsoll.SeverityLow || x.Finding.Score != 9.8 || len(x.Ratings) != 2 {
		t.Errorf("finding %+v, rated %+v; want low 9.8 by two sources", x.Finding, x.Ratings)
	}
}

// TestExplainAgrees: for packages and records made at random, what explains and what finds say the same.
func TestExplainAgrees(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 9))
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	version := func() string {
		return fmt.Sprintf("%d.%d.%d%s", r.IntN(3), r.IntN(3), r.IntN(2), pick("", "", "-1", "-rc.1", "-1.module_el9+1"))
	}
	ecosystem := func() string {
		return pick("npm", "Debian:12", "Debian:11", "AlmaLinux:9", "Red Hat:enterprise_linux:9::appstream", "PyPI", "Alpine:v3.20", "CentOS:7")
	}
	for round := range 300 {
		var records []plimsoll.Advisory
		for i := range 6 {
			a := affected(ecosystem(), pick("a", "b"))
			for range r.IntN(3) {
				at := []string{pick("0", version())}
				for range r.IntN(3) {
					at = append(at, pick("<", "<=", "!", "")+version())
				}
				a.Ranges = append(a.Ranges, plimsoll.Range{Type: "ECOSYSTEM", Events: events(at...)})
			}
			for range r.IntN(3) {
				a.Versions = append(a.Versions, version())
			}
			x := record(fmt.Sprintf("R-%d", i), a)
			x.Aliases, x.Upstream = []string{pick("CVE-1", "CVE-2", "GHSA-1", "R-1")}, []string{pick("CVE-1", "CVE-3", "X-1")}
			x.Summary = pick("", "Moderate: nodejs:18 security update")
			records = append(records, x)
		}
		m := matcher(records...)
		for range 20 {
			p := plimsoll.Package{
				Name: pick("a", "b"), Source: pick("", "a"), Version: pick("", version(), version(), version(), "latest"), Ecosystem: ecosystem(),
				Module: pick("", "nodejs:18", "nodejs:16"), NotMatched: pick("", "", "", "installed by x"),
			}
			agree(t, round, m, p, records)
		}
	}
}

func agree(t *testing.T, round int, m *match.Matcher, p plimsoll.Package, records []plimsoll.Advisory) {
	t.Helper()
	result := m.Package(p)
	found := map[string]map[string]bool{} // flaw → records that matched
	for _, f := range result.Findings {
		found[f.ID] = map[string]bool{}
		for _, hit := range f.Matched {
			found[f.ID][hit.ID] = true
		}
	}
	unknown := false
	for i := range records {
		for _, flaw := range m.Flaws(records[i]) {
			x := m.Explain(p, flaw)
			if _, ok := found[flaw]; ok != (x.Word == match.Affected) || ok != (x.Finding != nil) {
				t.Fatalf("round %d: %+v: %s is found: %v; explained as %q because %q", round, p, flaw, ok, x.Word, x.Reason)
			}
			for _, e := range x.Evidence {
				if found[flaw][e.Record] && e.Word == match.NotAffected && len(records[i].Affected) == 1 {
					t.Fatalf("round %d: %+v: %s matched for %s, and evidence says %q", round, p, e.Record, flaw, e.Reason)
				}
				unknown = unknown || e.Word == match.Unknown
			}
		}
	}
	if unknown != (result.Undecided != "") {
		t.Fatalf("round %d: %+v: undecided %q, evidence says unknown: %v", round, p, result.Undecided, unknown)
	}
}
