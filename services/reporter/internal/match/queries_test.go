package match_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// query is what osv-scanner once asked osv.dev, and the ids that it was answered.
type query struct {
	IDs   []string `json:"ids"`
	Query struct {
		Version string
		Package struct{ Name, Ecosystem string }
	}
}

// TestQueries compares with recorded answers of osv.dev. Its data is another and a later one, so that only a record that both have
// can tell a difference of semantics.
func TestQueries(t *testing.T) {
	m := sharedMatcher(t)
	f, err := os.Open(filepath.Join(shared(t), "truth", "osv-api", "queries.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]*[4]int{} // by ecosystem: queries, ids of both, data gaps, ours alone
	var ours, theirs []string
	for lines := bufio.NewScanner(z); lines.Scan(); {
		var q query
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			t.Fatal(err)
		}
		p := plimsoll.Package{Name: q.Query.Package.Name, Version: q.Query.Version, Ecosystem: q.Query.Package.Ecosystem}
		family, _, _ := strings.Cut(p.Ecosystem, ":")
		if _, ok := match.OrderOf(family); !ok {
			continue // commits
		}
		sum := sums[family]
		if sum == nil {
			sum = new([4]int)
			sums[family] = sum
		}
		sum[0]++
		got := map[string]bool{}
		for _, x := range m.Package(p).Findings {
			for _, hit := range x.Matched {
				got[bareID(hit.ID)] = true
			}
		}
		for _, id := range q.IDs {
			switch id = bareID(id); {
			case got[id]:
				sum[1]++
				delete(got, id)
			case !speaksOf(m, p, id):
				sum[2]++
			default:
				theirs = append(theirs, fmt.Sprintf("%s %s %s: %s", p.Ecosystem, p.Name, p.Version, id))
			}
		}
		for _, id := range slices.Sorted(maps.Keys(got)) {
			sum[3]++
			ours = append(ours, fmt.Sprintf("%s %s %s: %s", p.Ecosystem, p.Name, p.Version, id))
		}
	}
	var b strings.Builder
	b.WriteString("| ecosystem | queries | ids that both give | ids without a record here | ours alone |\n|---|---|---|---|---|\n")
	for _, family := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", family, sums[family][0], sums[family][1], sums[family][2], sums[family][3])
	}
	t.Logf("\n%s", b.String())
	if len(theirs) > 0 {
		t.Errorf("osv.dev's answers hold %d ids that ours don't, although a record speaks of the package:\n%s", len(theirs), strings.Join(theirs, "\n"))
	}
	for _, line := range ours {
		if !slices.ContainsFunc(oursAlone, func(start string) bool { return strings.HasPrefix(line, start) }) {
			t.Errorf("only ours, and not explained: %s", line)
		}
	}
	if *write {
		replaceInDocs(t, "queries", b.String())
	}
}

// oursAlone are the beginnings of what only we report. The first ranges start at 0 and hold by OSV's evaluation, while osv.dev's own
// records of Alpine list the versions that the branch had; the others are records which osv.dev's answers are too old for, or
// those of another database than osv.dev's.
var oursAlone = []string{
	"Alpine:v3.18 apk-tools 2.10.6-r0: CVE-2021-", "Alpine:v3.18 busybox 1.30.1-r5: CVE-2021-", "Alpine:v3.18 openssl 1.1.1k-r0: CVE-202",
	"Alpine:v3.21 openssl 3.3.2-r4: CVE-2026-",
	"Go ", // records of autumn 2026
	"Maven dnsjava:dnsjava 3.4.0: GHSA-", "Packagist league/flysystem 1.0.8: FOP-", "RubyGems json 2.10.1: RUBYSEC-", "RubyGems nokogiri 1.18.2: RUBYSEC-",
	"npm cryo 0.0.6: NSWG-",
}

// bareID is the CVE of an id that a converter made of it.
func bareID(id string) string {
	for _, prefix := range []string{"ALPINE-", "DEBIAN-", "UBUNTU-"} {
		id = cmp.Or(strings.TrimPrefix(id, prefix), id)
	}
	return id
}

// speaksOf reports whether one of our records by that id is about the package, in its release.
func speaksOf(m *match.Matcher, p plimsoll.Package, id string) bool {
	name, _ := match.Asked(p)
	for _, e := range m.Index().Entries(p.Ecosystem, name) {
		if r, _ := m.Index().Affected(e); bareID(r.ID) == id {
			return true
		}
	}
	return false
}
