package match_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// write has TestLabels write its tables into docs/matching.md.
var write = flag.Bool("write", false, "write what was measured to docs/matching.md")

// label is one line of anchore-labels-covered.jsonl.gz: people judged that a flaw is in a package of an image (TP) or is not (FP).
type label struct {
	CVE     string   `json:"effective_cve"`
	ID      string   `json:"vulnerability_id"`
	Image   string   `json:"image"`
	Kind    string   `json:"kind"`
	Label   string   `json:"label"`
	OSV     []string `json:"osv_ids"` // records that name package and flaw
	Records []string `json:"records"` // and their ecosystems, with release
	Package string   `json:"package"`
	Version string   `json:"version"`
	Module  string   `json:"-"` // guessed
}

// leastRecall is the share of true labels, in percent, that must be found, by kind. What is missing is explained in
// docs/matching.md; a fall below is a fault of matching.
var leastRecall = map[string]float64{"rpm": 90, "apk": 95, "deb": 90, "language-or-binary": 90}

// TestLabels measures recall on the true labels and the share of the false ones that is reported, by kind. The labels have no
// distribution: the branch of an image is guessed, and one for all of its packages of a kind.
func TestLabels(t *testing.T) {
	m := sharedMatcher(t)
	labels := readLabels(t, filepath.Join(shared(t), "truth", "anchore-labels-covered.jsonl.gz"))
	owned := ownedNames(t, filepath.Join(shared(t), "truth", "anchore-match-labels.jsonl.gz"))
	streams := streamsOf(labels)
	for i := range labels {
		if _, build, ok := strings.Cut(labels[i].Version, ".module"); ok {
			labels[i].Module = streams[build]
		}
	}
	branches := branchesOf(m, labels)
	sums := map[string]*tally{}
	for _, l := range labels {
		s := sums[l.Kind]
		if s == nil {
			s = &tally{missed: map[string][]string{}, false: map[string][]string{}}
			sums[l.Kind] = s
		}
		branch := branches[l.Image+" "+l.Kind]
		found := reported(m, l, branch)
		line := strings.TrimSpace(fmt.Sprintf("%s in %s %s", cmp.Or(l.CVE, l.ID), l.Package, l.Version))
		switch {
		case l.Label != "TP" && l.Label != "FP":
		case l.Kind != "language-or-binary" && !slices.Contains(l.Records, branch):
			s.without++
		case l.Label == "TP" && found:
			s.tp++
		case l.Label == "TP":
			why := missCause(m, l, branch)
			s.missed[why] = append(s.missed[why], line)
			s.fn++
		case found:
			why := falseCause(l, owned)
			s.false[why] = append(s.false[why], line)
			s.fp++
		default:
			s.tn++
		}
	}
	table := labelTables(sums)
	t.Log("\n" + table)
	for kind, s := range sums {
		if recall := 100 * float64(s.tp) / float64(s.tp+s.fn); recall < leastRecall[kind] {
			t.Errorf("%s: recall %.1f %%, want %.0f %%", kind, recall, leastRecall[kind])
		}
	}
	if *write {
		replaceInDocs(t, "labels", table)
	}
}

// tally counts the labels of one kind.
type tally struct {
	tp, fn, fp, tn int
	without        int                 // labels for whose branch there is no record: gaps of the data
	missed, false  map[string][]string // by cause
}

func readLabels(t *testing.T, file string) (out []label) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(z); lines.Scan(); {
		var l label
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		_, l.Image, _ = strings.Cut(l.Image, "@") // the same image under several names
		out = append(out, l)
	}
	return out
}

var (
	debRelease = regexp.MustCompile(`deb(\d+)u`)
	rpmRelease = regexp.MustCompile(`(?:\.|\+|_|module_)(el|cm|azl)(\d+)`)
)

// branchesOf guesses a release for the packages of one kind of each image: the one that most versions name ("deb10u2", "el8"), or,
// where versions name none, the one in which most of the true labels hold.
func branchesOf(m *match.Matcher, labels []label) map[string]string {
	votes := map[string]map[string]int{}
	vote := func(l label, ecosystem string, weight int) {
		key := l.Image + " " + l.Kind
		if votes[key] == nil {
			votes[key] = map[string]int{}
		}
		votes[key][ecosystem] += weight
	}
	const named = 1000 // outweighs what merely fits
	for _, l := range labels {
		if x := debRelease.FindStringSubmatch(l.Version); l.Kind == "deb" && x != nil {
			vote(l, "Debian:"+x[1], named)
		}
		if x := rpmRelease.FindStringSubmatch(l.Version); l.Kind == "rpm" && x != nil {
			vote(l, map[string]string{"el": "AlmaLinux:", "cm": "Azure Linux:", "azl": "Azure Linux:"}[x[1]]+x[2], named)
		}
		if l.Label != "TP" || l.Kind == "language-or-binary" {
			continue
		}
		for _, ecosystem := range l.Records {
			if ecosystem != "Alpine:edge" && reported(m, l, ecosystem) {
				vote(l, ecosystem, 1)
			}
		}
	}
	out := map[string]string{}
	for key, all := range votes {
		names := slices.Sorted(maps.Keys(all))
		out[key] = slices.MaxFunc(names, func(a, b string) int { return cmp.Compare(all[a], all[b]) })
	}
	return out
}

// reported says whether one of the records that name the flaw of a label matches its package.
func reported(m *match.Matcher, l label, branch string) bool {
	for _, p := range packagesOfLabel(m, l, branch) {
		for _, f := range m.Package(p).Findings {
			if slices.ContainsFunc(f.Matched, func(hit plimsoll.Match) bool { return slices.Contains(l.OSV, hit.ID) }) {
				return true
			}
		}
	}
	return false
}

// packagesOfLabel are the packages that a label may speak of: one of its image's branch, or, of a language, one for each name by
// which a fitting record knows it. Labels name jars by their artifact alone.
func packagesOfLabel(m *match.Matcher, l label, branch string) (out []plimsoll.Package) {
	if l.Kind != "language-or-binary" {
		return []plimsoll.Package{{Name: l.Package, Version: l.Version, Module: l.Module, Ecosystem: branch}}
	}
	for _, ecosystem := range l.Records {
		family, _, _ := strings.Cut(ecosystem, ":")
		names := map[string]bool{l.Package: true}
		for _, id := range l.OSV {
			r, _ := m.Index().Record(id)
			for _, a := range r.Affected {
				if _, artifact, ok := strings.Cut(a.Package, ":"); ok && family == "Maven" && artifact == l.Package {
					names[a.Package] = true
				}
			}
		}
		for name := range names {
			out = append(out, plimsoll.Package{Name: advisory.NormaliseName(family, name), Version: l.Version, Ecosystem: ecosystem})
		}
	}
	return out
}

// missCause groups what was not found: by what explain says of the record that comes nearest.
func missCause(m *match.Matcher, l label, branch string) string {
	best := "no record of that ecosystem has this name"
	for _, p := range packagesOfLabel(m, l, branch) {
		for _, id := range l.OSV {
			for _, e := range m.Explain(p, id).Evidence {
				switch {
				case strings.Contains(e.Reason, "≥ fixed"):
					return "the record says that the installed version has the fix"
				case strings.HasPrefix(e.Reason, "other module"):
					best = "the record is about another stream of the module"
				case e.AskedName != "":
					best = "the record's range or list leaves the version out"
				}
			}
		}
	}
	return best
}

// falseCause groups what was reported although people say that it is not there.
func falseCause(l label, owned map[string]bool) string {
	switch {
	case l.Kind == "rpm" && strings.Contains(l.Version, "module"):
		return "the stream of its module cannot be told from the label, so that records of every stream apply"
	case l.Kind != "language-or-binary":
		return "the distribution's record calls this version affected"
	case owned[l.Image+" "+strings.ToLower(l.Package)]:
		return "an OS package of the image brought it and mends it in its place: in an inventory it is marked “installed by” and its distribution judges it"
	case strings.HasPrefix(l.ID, "CVE-"):
		return "the label stems from a search for a product's name (CPE): another thing of that name, which an inventory has in another ecosystem or not at all"
	}
	return "the record calls this version affected"
}

// ownedNames are names that stand for packages which an OS package of the image brought: the last word of the OS package's name,
// at the same version.
func ownedNames(t *testing.T, file string) map[string]bool {
	out := map[string]bool{}
	for _, l := range readLabels(t, file) {
		if l.Kind == "rpm" || l.Kind == "deb" || strings.Contains(l.Version, ".el") {
			for _, word := range append(strings.FieldsFunc(l.Package, func(r rune) bool { return r == '-' }), l.Package) {
				out[l.Image+" "+strings.ToLower(word)] = true
			}
		}
	}
	return out
}

// streamsOf guesses the streams of modules as an rpm database tells them: packages that were built together share the end of
// their release, and one of them has the module's name and the stream's version.
func streamsOf(labels []label) map[string]string {
	parts := map[string]int{"nodejs": 1, "ruby": 2, "mariadb": 2, "nginx": 2, "postgresql": 1, "maven": 2, "php": 2, "httpd": 2}
	out := map[string]string{}
	for _, l := range labels {
		_, build, ok := strings.Cut(l.Version, ".module")
		if n := parts[l.Package]; ok && n > 0 {
			_, version, epoch := strings.Cut(l.Version, ":")
			if !epoch {
				version = l.Version
			}
			out[build] = l.Package + ":" + strings.Join(strings.SplitN(version, ".", n+1)[:n], ".")
		}
	}
	return out
}

func labelTables(sums map[string]*tally) string {
	var b strings.Builder
	b.WriteString("| kind | true labels | found | recall | false labels | reported | share | no branch, or no record for it |\n|---|---|---|---|---|---|---|---|\n")
	percent := func(n, of int) string {
		if of == 0 {
			return "-"
		}
		return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
	}
	for _, kind := range slices.Sorted(maps.Keys(sums)) {
		s := sums[kind]
		fmt.Fprintf(&b, "| %s | %d | %d | %s | %d | %d | %s | %d |\n", kind, s.tp+s.fn, s.tp, percent(s.tp, s.tp+s.fn), s.fp+s.tn, s.fp, percent(s.fp, s.fp+s.tn), s.without)
	}
	for _, part := range []struct {
		title string
		of    func(*tally) map[string][]string
	}{
		{"Reported, and labelled false", func(s *tally) map[string][]string { return s.false }},
		{"Not found, and labelled true", func(s *tally) map[string][]string { return s.missed }},
	} {
		fmt.Fprintf(&b, "\n%s:\n\n| kind | cause | labels | one of them |\n|---|---|---|---|\n", part.title)
		for _, kind := range slices.Sorted(maps.Keys(sums)) {
			causes := part.of(sums[kind])
			for _, why := range slices.SortedFunc(maps.Keys(causes), func(a, b string) int {
				return cmp.Or(len(causes[b])-len(causes[a]), strings.Compare(a, b))
			}) {
				fmt.Fprintf(&b, "| %s | %s | %d | %s |\n", kind, why, len(causes[why]), slices.Min(causes[why]))
			}
		}
	}
	return b.String()
}

// replaceInDocs writes what stands between two marks of docs/matching.md.
func replaceInDocs(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("..", "..", "..", "..", "docs", "matching.md")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no marks %q and %q", file, begin, end)
	}
	if err := os.WriteFile(file, []byte(before+begin+text+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
