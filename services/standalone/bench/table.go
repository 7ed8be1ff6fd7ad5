package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// render is the results as Markdown.
func render(all []result) string {
	var b strings.Builder
	for _, r := range all {
		fmt.Fprintf(&b, "### %s images, %d tags a repository\n\n", count(r.Images), r.Tags)
		sweepTable(&b, r)
		pushTable(&b, r)
		if f := r.Registries; f != nil {
			fmt.Fprintf(&b, "Four registries of %s images: %v alone, %v beside a fifth that answers one request a second: %+.1f %%.\n\n",
				count(max(10, r.Images/5)), f.Alone.Round(100*time.Millisecond), f.Beside.Round(100*time.Millisecond), 100*(float64(f.Beside)/float64(f.Alone)-1))
		}
		if r.Kill != nil {
			for _, k := range r.Kill.Parts {
				fmt.Fprintf(&b, "- %s killed in the first sweep and started again: steady after %v\n", k.Part, k.Steady.Round(100*time.Millisecond))
			}
			a := r.Kill.Asked
			fmt.Fprintf(&b, "\nIn that sweep the registry was asked for %s blobs (each image brings two), and layer bytes ÷ unique was %.4f.\n\n",
				count(int(a["blob_get"])), float64(a["layer_bytes"])/float64(a["unique_layer_bytes"]))
		}
		if f := r.Flood; f != nil {
			fmt.Fprintf(&b, "A flood of %s events of one registry: %s taken, notifications told to come later %d, at most %s requests queued, drained after %v; the scheduler held %s before and at most %s. "+
				"Pushes of another registry meanwhile: p50 %v, p99 %v (before: %v, %v), without a verdict %d.\n\n",
				count(f.Events), count(f.Accepted), f.Later, count(int(f.Depth)), f.Took.Round(time.Second), mb(f.Before["scheduler"]), mb(f.Most["scheduler"]),
				f.Beside.at(50), f.Beside.at(99), f.Alone.at(50), f.Alone.at(99), f.Beside.Failed)
		}
	}
	return b.String()
}

func sweepTable(b *strings.Builder, r result) {
	if r.First == nil {
		return
	}
	columns := []struct {
		name string
		s    *sweepResult
	}{{"first sweep", r.First}, {"second", r.Again}, {"third", r.Third}}
	b.WriteString("| |")
	line := "|---|"
	for _, c := range columns {
		if c.s != nil {
			b.WriteString(" " + c.name + " |")
			line += "---|"
		}
	}
	b.WriteString("\n" + line + "\n")
	row := func(name string, value func(*sweepResult) string) {
		b.WriteString("| " + name + " |")
		for _, c := range columns {
			if c.s != nil {
				b.WriteString(" " + value(c.s) + " |")
			}
		}
		b.WriteByte('\n')
	}
	n := float64(r.Images)
	row("state", func(s *sweepResult) string { return string(s.Sweep.State) })
	row("took", func(s *sweepResult) string {
		return fmt.Sprintf("%v, %.0f images/s", s.Took.Round(100*time.Millisecond), n/s.Took.Seconds())
	})
	row("layer bytes ÷ unique", func(s *sweepResult) string {
		return fmt.Sprintf("%.4f", float64(s.Asked["layer_bytes"])/float64(s.Asked["unique_layer_bytes"]))
	})
	row("requests: HEAD, GET manifest, GET blob, listings", func(s *sweepResult) string {
		a := s.Asked
		return fmt.Sprintf("%s, %s, %s, %s", count(int(a["manifest_head"])), count(int(a["manifest_get"])), count(int(a["blob_get"])), count(int(a["tags"]+a["catalog"])))
	})
	row("ScanImages workflows", func(s *sweepResult) string { return count(int(s.Workflows)) })
	row("CPU an image, without the registry", func(s *sweepResult) string { return fmt.Sprintf("%.2f ms", float64(own(s.CPU).Microseconds())/1000/n) })
	row("orchestration (NATS, Temporal, scheduler)", func(s *sweepResult) string {
		return fmt.Sprintf("%.0f %%", 100*float64(s.CPU["NATS and Temporal"]+s.CPU["scheduler"])/float64(own(s.CPU)))
	})
	for _, part := range slices.Sorted(maps.Keys(r.First.CPU)) {
		row("CPU of "+part, func(s *sweepResult) string { return s.CPU[part].Round(100 * time.Millisecond).String() })
	}
	for _, part := range slices.Sorted(maps.Keys(r.First.CPU)) {
		if part != "registry" {
			row("memory of "+part+": before, most", func(s *sweepResult) string { return mb(s.Before[part]) + ", " + mb(s.Memory[part]) })
		}
	}
	row("kept afterwards: bucket, NATS, Temporal, open files", func(s *sweepResult) string {
		return fmt.Sprintf("%s, %s, %s, %d", mb(s.Kept.Bucket), mb(s.Kept.NATS), mb(s.Kept.Temporal), s.Kept.Files)
	})
	b.WriteByte('\n')
}

// own is the processor time of Plimsoll and its engines, without the registry's.
func own(cpu map[string]time.Duration) (sum time.Duration) {
	for name, d := range cpu {
		if name != "registry" {
			sum += d
		}
	}
	return sum
}

func pushTable(b *strings.Builder, r result) {
	for _, one := range []struct {
		name string
		p    *pushResult
	}{{"5 pushes a second, cached base and one small layer", r.Push}, {"the same during the first sweep", r.Busy}} {
		if one.p != nil {
			fmt.Fprintf(b, "Push to verdict, %s: p50 %v, p90 %v, p99 %v, worst %v, over %v (%d pushes, without a verdict %d).\n\n", one.name,
				one.p.at(50), one.p.at(90), one.p.at(99), one.p.at(100), one.p.Took.Round(time.Second), len(one.p.Times), one.p.Failed)
		}
	}
}

func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func mb(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

// Marks in the file that the results go into.
const markFrom, markTo = "<!-- bench-pipeline: results -->", "<!-- bench-pipeline: end -->"

// replace writes the results between the marks of a file.
func replace(file, table string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), markFrom)
	_, after, ok2 := strings.Cut(rest, markTo)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %q and %q", file, markFrom, markTo)
	}
	return os.WriteFile(file, []byte(before+markFrom+"\n\n"+table+markTo+after), 0o644)
}
