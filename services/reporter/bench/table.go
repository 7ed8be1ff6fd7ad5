package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Where results stand in the document.
const (
	begin = "<!-- bench-reporter: results -->"
	end   = "<!-- bench-reporter: end -->"
)

// render is the table of results with the targets. A target holds for the size that it names alone.
func render(all []result) string {
	var b strings.Builder
	if processor {
		b.WriteString("Processor time, all processors added up, because the machine had other work. ")
	}
	fmt.Fprintf(&b, "%d processors, load %s when it ended, %s/%s, %s; %s.\n\n", runtime.NumCPU(), load(), runtime.GOOS, runtime.GOARCH, runtime.Version(), time.Now().UTC().Format(time.DateOnly))
	b.WriteString("| images | what | median | p99 | target | met |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, r := range all {
		for _, l := range lines(r, all) {
			met := ""
			if l.target > 0 {
				met = "ok"
				if l.judged > l.target {
					met = "MISSED"
				}
			}
			target := ""
			if l.target > 0 {
				target = "≤ " + l.unit(l.target)
			}
			p99 := ""
			if l.p99 > 0 {
				p99 = l.unit(l.p99)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", comma(r.Images), l.what, l.unit(l.median), p99, target, met)
		}
	}
	return b.String()
}

// line is one number with its target, which judged must not exceed; 0 is none.
type line struct {
	what                        string
	median, p99, judged, target float64
	unit                        func(float64) string
}

func ms(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.1f s", v/1000)
	}
	return fmt.Sprintf("%.1f ms", v)
}
func mib(v float64) string   { return fmt.Sprintf("%.0f MB", v*(1<<20)/1e6) }
func times(v float64) string { return fmt.Sprintf("%.2f ×", v) }
func plain(v float64) string { return comma(int(v)) }

const mb = 1e6 / (1 << 20)

func lines(r result, all []result) []line {
	at := func(n int, target float64) float64 {
		if r.Images == n {
			return target
		}
		return 0
	}
	memory := at(100_000, 1000*mb) + at(1_000_000, 8000*mb)
	out := []line{
		{what: "findings of all images", median: float64(r.Places), unit: plain},
		{what: "findings of all repositories, over time", median: float64(r.Followed), unit: plain},
		{what: "fold of all inventories, made instead of read", median: r.Fold, unit: ms},
		{what: "first look of the history of findings: all open", median: r.Observe, unit: ms},
		{what: "full re-match", median: r.Rematch, judged: r.Rematch, target: at(100_000, 5000), unit: ms},
		{what: "one new advisory that hits 1,000 images", median: nth(r.Advisory, 50), p99: nth(r.Advisory, 99), judged: nth(r.Advisory, 99), target: at(100_000, 250), unit: ms},
	}
	if r.Images == 100_000 {
		for _, small := range all {
			if small.Images == 10_000 {
				flat := nth(r.Advisory, 50) / nth(small.Advisory, 50)
				out = append(out, line{what: "the same ÷ that of 10,000 images", median: flat, judged: flat, target: 1.2, unit: times})
			}
		}
	}
	out = append(out,
		line{what: "… until the history of findings has it", median: nth(r.Noted, 50), p99: nth(r.Noted, 99), unit: ms},
		line{what: "one push", median: nth(r.Push, 50), p99: nth(r.Push, 99), unit: ms},
		line{what: "memory: heap in use", median: r.Live, unit: mib},
		line{what: "memory: resident at rest", median: r.Resident, judged: r.Resident, target: memory, unit: mib},
		line{what: "memory: resident at its highest, two engines at the end", median: r.Peak, unit: mib},
		line{what: "write a snapshot", median: r.Save, unit: ms},
		line{what: "size of the snapshot", median: r.Stored, unit: mib},
		line{what: "write the history of findings", median: r.SaveHistory, unit: ms},
		line{what: "size of the history of findings", median: r.StoredHistory, unit: mib},
		line{what: "start from the snapshot", median: r.Start, judged: r.Start, target: at(100_000, 10_000), unit: ms},
		line{what: "read the history of findings, and count what is overdue", median: r.Recall, unit: ms},
		line{what: "write a day as Parquet", median: r.Export, unit: ms},
		line{what: "size of the day", median: r.Exported, unit: mib},
		line{what: "memory: growth of the heap meanwhile", median: r.ExportHeap, unit: mib},
	)
	for _, name := range []string{"images", "repositories", "findings", "findings by package", "advisories"} {
		t := r.Pages[name]
		out = append(out, line{what: "list: " + name, median: nth(t, 50), p99: nth(t, 99), judged: nth(t, 99), target: at(100_000, 100), unit: ms})
	}
	return append(out,
		line{what: "search", median: nth(r.Search, 50), p99: nth(r.Search, 99), judged: nth(r.Search, 99), target: at(100_000, 250), unit: ms},
		line{what: "find a package in a range of versions", median: nth(r.Find, 50), p99: nth(r.Find, 99), judged: nth(r.Find, 99), target: at(100_000, 250), unit: ms})
}

// nth is the nearest rank of sorted values.
func nth(sorted []float64, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, (len(sorted)*percent+99)/100-1)]
}

func comma(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// replace writes the table between the marks of a document.
func replace(file, table string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s: the marks %q and %q are not there", file, begin, end)
	}
	return os.WriteFile(file, []byte(before+begin+"\n\n"+table+"\n"+end+after), 0o644)
}
