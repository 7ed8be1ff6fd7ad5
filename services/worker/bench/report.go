package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// The targets (docs/benchmarks.md).
const (
	maxOverFloor     = 1.25
	maxOverFloorJars = 1.5
	maxSecrets       = 0.3 // what secrets add, in floors
	budgetMB         = 96  // beside the largest file handed over
	maxServed        = 1.01
	minSpeedUp       = 1.6
)

// table is printed as aligned text and as Markdown.
type table struct {
	title string
	head  []string
	rows  [][]string
	notes []string
}

// tables are all results beside their targets. A target that is not met says MISSED, one that was not measured says nothing.
func (r *results) tables() (all []table) {
	all = append(all, r.processorTable())
	if len(r.peers) > 0 {
		all = append(all, r.peerTable())
	}
	all = append(all, r.boundsTable())
	if len(r.fleet) > 0 {
		all = append(all, r.fleetTable())
	}
	return all
}

// verdict is "ok" or "MISSED"; of a number that is none it is empty.
func verdict(n float64, ok bool) string {
	switch {
	case math.IsNaN(n):
		return ""
	case ok:
		return "ok"
	}
	return "MISSED"
}

// number is n with some decimals, or a dash where there is none.
func number(n float64, decimals int) string {
	if math.IsNaN(n) {
		return "-"
	}
	return fmt.Sprintf("%.*f", decimals, n)
}

func mb(n int64) string { return fmt.Sprintf("%.0f", math.Ceil(float64(n)/1e6)) }

// times is the median of the ratios of each round.
func times(over, under map[int]float64) float64 { return median(ratios(over, under)) }

func (r *results) processorTable() table {
	t := table{
		title: "Processor time of a cold image, seconds; × is the median of ours ÷ the floor of the same round",
		head:  []string{"image", "raw MB", "floor", "analysers", "median", "p95", "×", "target", "met"},
	}
	var over []float64
	for _, i := range r.images {
		for n, v := range r.variants {
			s := r.ours[i.Name][v.Name]
			all := values(s.cpu)
			x := times(s.cpu, r.floor[i.Name])
			row := []string{"", "", "", v.Name, number(median(all), 2), number(percentile(all, 95), 2), number(x, 2)}
			if n == 0 {
				row[0], row[1], row[2] = i.Name, mb(i.Facts.Raw), number(median(values(r.floor[i.Name])), 2)
			}
			target, word := r.processorTarget(i, v, x)
			t.rows = append(t.rows, append(row, target, word))
			if v.Name == "files" || len(r.variants) == 1 {
				over = append(over, x)
			}
		}
	}
	t.notes = append(t.notes, fmt.Sprintf("median × over the images: %s; worst: %s", number(median(over), 2), number(worst(over), 2)))
	t.notes = append(t.notes, r.startNote())
	return t
}

func worst(all []float64) float64 {
	w := math.NaN()
	for _, n := range all {
		if !math.IsNaN(n) && !(w >= n) {
			w = n
		}
	}
	return w
}

// processorTarget is what a variant is held to: the floor's multiple, or what secrets add to the files of the same rounds.
func (r *results) processorTarget(i image, v variant, x float64) (target, word string) {
	if v.Name == "secrets" && r.ours[i.Name]["files"] != nil {
		added := x - times(r.ours[i.Name]["files"].cpu, r.floor[i.Name])
		return fmt.Sprintf("%+.2f ≤ %+.1f", added, maxSecrets), verdict(added, added <= maxSecrets)
	}
	limit := maxOverFloor
	if i.Facts.Jars {
		limit = maxOverFloorJars
	}
	if v.Name == "secrets" {
		limit += maxSecrets
	}
	return fmt.Sprintf("≤ %.2f", limit), verdict(x, x <= limit)
}

// startNote says what a worker takes before its first image.
func (r *results) startNote() string {
	var start, idle []float64
	for _, by := range r.ours {
		for _, s := range by {
			for _, one := range s.runs {
				start, idle = append(start, one.start.Seconds()), append(idle, float64(one.idle)/1e6)
			}
		}
	}
	return fmt.Sprintf("before its first image a worker takes %s s and holds %s MB (medians; not in the numbers above)",
		number(median(start), 2), number(median(idle), 0))
}

func (r *results) peerTable() table {
	t := table{title: "Against peers, inventory alone: processor seconds, and × as a multiple of ours", head: []string{"image", "ours"}}
	for _, p := range r.peers {
		t.head = append(t.head, p.name, "×", fmt.Sprintf("≥ %.1f", p.atLeast))
	}
	all := map[string][]float64{}
	first := r.variants[0].Name
	for _, i := range r.images {
		ours := r.ours[i.Name][first].cpu
		row := []string{i.Name, number(median(values(ours)), 2)}
		for _, p := range r.peers {
			theirs := r.others[i.Name][p.name]
			x := times(theirs, ours)
			all[p.name] = append(all[p.name], ratios(theirs, ours)...)
			row = append(row, number(median(values(theirs)), 2), number(x, 2), verdict(x, x >= p.atLeast))
		}
		t.rows = append(t.rows, row)
	}
	row := []string{"median of all", ""}
	for _, p := range r.peers {
		x := median(all[p.name])
		row = append(row, "", number(x, 2), verdict(x, x >= p.atLeast))
	}
	t.rows = append(t.rows, row)
	for _, why := range r.failed {
		t.notes = append(t.notes, oneLine(why))
	}
	return t
}

// oneLine cuts a reason that may be pages of a program's output.
func oneLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if len(s) > 96 {
		s = strings.ToValidUTF8(s[:96], "") + "…"
	}
	return s
}

func (r *results) boundsTable() table {
	t := table{
		title: "Bounds, the worst of all runs: memory (anonymous + shared, with children, MB), disk, registry",
		head:  []string{"image", "analysers", "idle", "peak", "handed", "budget", "met", "temp B", "written B", "served/unique", "met"},
	}
	for _, i := range r.images {
		for n, v := range r.variants {
			s := r.ours[i.Name][v.Name]
			peak := s.most(func(o coldRun) int64 { return o.peak })
			budget := int64(budgetMB*1e6) + i.Facts.Handed
			temp, written := s.most(func(o coldRun) int64 { return o.temp }), s.most(func(o coldRun) int64 { return o.written })
			ratio := float64(s.most(func(o coldRun) int64 { return o.served })) / float64(i.Facts.unique())
			word := verdict(ratio, temp == 0 && written == 0 && ratio <= maxServed)
			row := []string{
				"", v.Name, mb(s.most(func(o coldRun) int64 { return o.idle })), mb(peak), mb(i.Facts.Handed), mb(budget), verdict(0, peak <= budget),
				fmt.Sprint(temp), fmt.Sprint(written), number(ratio, 3), word,
			}
			if n == 0 {
				row[0] = i.Name
			}
			t.rows = append(t.rows, row)
			for _, short := range s.shortOf() {
				t.notes = append(t.notes, fmt.Sprintf("%s, %s: not read whole: %s", i.Name, v.Name, short))
			}
		}
	}
	return t
}

func (r *results) fleetTable() table {
	t := table{
		title: fmt.Sprintf("%d images that share bases, cold, GOMAXPROCS=1 a worker", fleetSize),
		head:  []string{"workers", "wall s", "processor s", "served MB", "unique MB", "served/unique", "≤ 1.01", "speed-up", "≥ 1.6"},
	}
	var alone []float64
	for _, f := range r.fleet {
		ratio := float64(f.served) / float64(f.unique)
		speed := math.NaN()
		if f.workers == 1 {
			alone = append(alone, f.wall.Seconds())
		} else {
			speed = median(alone) / f.wall.Seconds()
		}
		t.rows = append(t.rows, []string{
			fmt.Sprint(f.workers), number(f.wall.Seconds(), 1), number(f.cpu.Seconds(), 1), mb(f.served), mb(f.unique),
			number(ratio, 3), verdict(ratio, ratio <= maxServed), number(speed, 2), verdict(speed, speed >= minSpeedUp),
		})
	}
	t.notes = append(t.notes, "registry, S3 server and caller share the machine's cores: the speed-up needs about four to show")
	return t
}

// text prints a table with aligned columns.
func (t table) text(w io.Writer) {
	widths := make([]int, len(t.head))
	for _, row := range slices.Concat([][]string{t.head}, t.rows) {
		for n, cell := range row {
			widths[n] = max(widths[n], utf8.RuneCountInString(cell))
		}
	}
	fmt.Fprintf(w, "\n%s\n\n", t.title)
	for _, row := range slices.Concat([][]string{t.head}, t.rows) {
		var line strings.Builder
		for n, cell := range row {
			pad := strings.Repeat(" ", widths[n]-utf8.RuneCountInString(cell))
			if n == 0 || cell != "" && !strings.ContainsAny(cell[:1], "-+0123456789≤≥") && t.head[n] != "" {
				line.WriteString(cell + pad)
			} else {
				line.WriteString(pad + cell)
			}
			line.WriteString("  ")
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
	for _, n := range t.notes {
		fmt.Fprintln(w, "  "+n)
	}
}

// markdown writes a table for docs/benchmarks.md.
func (t table) markdown(w io.Writer) {
	line := func(cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
	fmt.Fprintf(w, "**%s**\n\n", t.title)
	line(t.head)
	rule := make([]string, len(t.head))
	for n := range rule {
		rule[n] = "---"
	}
	line(rule)
	for _, row := range t.rows {
		line(row)
	}
	fmt.Fprintln(w)
	for _, n := range t.notes {
		fmt.Fprintf(w, "- %s\n", strings.ReplaceAll(n, "|", `\|`))
	}
	if len(t.notes) > 0 {
		fmt.Fprintln(w)
	}
}

// The marks between which results stand in a document.
const (
	beginMark = "<!-- bench-worker: results -->"
	endMark   = "<!-- bench-worker: end -->"
)

// writeMarkdown puts the tables between the marks of a file, or makes the file when it has none.
func writeMarkdown(file string, r *results, tables []table) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s; %d rounds.\n\n", beginMark, r.machine, r.rounds)
	for _, t := range tables {
		t.markdown(&b)
	}
	b.WriteString(endMark)
	old, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	text, ok := between(string(old), b.String())
	if !ok && len(old) > 0 {
		return fmt.Errorf("%s has no line %q followed by %q to put the tables between", file, beginMark, endMark)
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// between replaces what stands between the marks, marks included; without them it gives the new text alone.
func between(old, with string) (string, bool) {
	before, rest, ok := strings.Cut(old, beginMark)
	if !ok {
		return with + "\n", false
	}
	_, after, ok := strings.Cut(rest, endMark)
	if !ok {
		return with + "\n", false
	}
	return before + with + after, true
}
