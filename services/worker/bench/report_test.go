package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func someResults() *results {
	images := []image{
		{Name: "team-a_1.0", Facts: facts{Raw: 200e6, Layers: map[string]int64{"sha256:1": 100}, Handed: 1e6}},
		{Name: "jars", Facts: facts{Raw: 50e6, Layers: map[string]int64{"sha256:2": 100}, Handed: 60e6, Jars: true}},
	}
	o := options{rounds: 2}
	for _, name := range []string{"inventory", "files", "secrets"} {
		v, _ := variantNamed(name)
		o.variants = append(o.variants, v)
	}
	r := newResults(images, o, "a machine")
	r.peers = knownPeers
	for n, i := range images {
		r.floor[i.Name] = map[int]float64{0: 1, 1: 2}
		r.others[i.Name]["trivy"] = map[int]float64{0: 1.5}
		for m, name := range []string{"inventory", "files", "secrets"} {
			x := 1 + 0.2*float64(n+m)
			s := r.ours[i.Name][name]
			s.cpu = map[int]float64{0: x, 1: 2 * x}
			s.runs = []coldRun{{cost: cost{peak: 100e6}, served: 100}, {cost: cost{peak: 90e6, written: int64(n)}, served: 101}}
		}
	}
	r.fleet = []fleetRun{{workers: 1, wall: 20e9, served: 100, unique: 100}, {workers: 2, wall: 10e9, served: 150, unique: 100}}
	return r
}

// rows are the cells of a table, joined.
func rows(all table) (lines []string) {
	for _, row := range all.rows {
		lines = append(lines, strings.Join(row, "|"))
	}
	return lines
}

func TestTablesHoldNumbersToTheirTargets(t *testing.T) {
	t.Parallel()
	r := someResults()
	want := []string{
		"team-a_1.0|200|1.50|inventory|1.50|2.00|1.00|≤ 1.25|ok",
		"|||files|1.80|2.40|1.20|≤ 1.25|ok",
		"|||secrets|2.10|2.80|1.40|+0.20 ≤ +0.3|ok",
		"jars|50|1.50|inventory|1.80|2.40|1.20|≤ 1.50|ok",
		"|||files|2.10|2.80|1.40|≤ 1.50|ok",
		"|||secrets|2.40|3.20|1.60|+0.20 ≤ +0.3|ok",
	}
	if diff := cmp.Diff(want, rows(r.processorTable())); diff != "" {
		t.Errorf("processor time (-want +got):\n%s", diff)
	}
	want = []string{
		"team-a_1.0|1.50|1.50|1.50|ok|-|-||-|-|",
		"jars|1.80|1.50|1.25|ok|-|-||-|-|",
		"median of all|||1.38|ok||-|||-|",
	}
	if diff := cmp.Diff(want, rows(r.peerTable())); diff != "" {
		t.Errorf("peers (-want +got):\n%s", diff)
	}
	bounds := rows(r.boundsTable())
	if got, want := bounds[0], "team-a_1.0|inventory|0|100|1|97|MISSED|0|0|1.010|ok"; got != want {
		t.Errorf("bounds = %s, want %s", got, want)
	}
	if got, want := bounds[3], "jars|inventory|0|100|60|156|ok|0|1|1.010|MISSED"; got != want {
		t.Errorf("bounds = %s, want %s", got, want)
	}
	want = []string{"1|20.0|0.0|1|1|1.000|ok|-|", "2|10.0|0.0|1|1|1.500|MISSED|2.00|ok"}
	if diff := cmp.Diff(want, rows(r.fleetTable())); diff != "" {
		t.Errorf("fleet (-want +got):\n%s", diff)
	}
}

// What was not measured is neither met nor missed.
func TestNothingMeasuredIsNoVerdict(t *testing.T) {
	t.Parallel()
	if got := verdict(math.NaN(), true); got != "" {
		t.Errorf("verdict of nothing = %q", got)
	}
	r := someResults()
	r.floor = map[string]map[int]float64{"team-a_1.0": {}, "jars": {}}
	for _, row := range r.processorTable().rows {
		if row[8] != "" {
			t.Errorf("without a floor the row %v has a verdict", row)
		}
	}
}

func TestTextFitsAScreen(t *testing.T) {
	t.Parallel()
	for _, table := range someResults().tables() {
		var b strings.Builder
		table.text(&b)
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 100 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	}
}

func TestMarkdownGoesBetweenTheMarks(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "notes.md")
	r := someResults()
	if err := os.WriteFile(file, []byte("before\n"+beginMark+"\nSTALE\n"+endMark+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeMarkdown(file, r, r.tables()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	if !strings.HasPrefix(got, "before\n"+beginMark+"\n\na machine; 2 rounds.") || !strings.HasSuffix(got, endMark+"\nafter\n") || strings.Contains(got, "STALE") {
		t.Errorf("the file is now:\n%s", got)
	}
	if err := os.WriteFile(file, []byte("a document without marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeMarkdown(file, r, nil); err == nil {
		t.Error("a document without marks was overwritten")
	}
}
