package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// hostileCase is a line of the corpus's cases.tsv.
type hostileCase struct {
	row, folder, name, want string
	holds                   []string // "name version"
}

func readCases(dir string) ([]hostileCase, error) {
	b, err := os.ReadFile(filepath.Join(dir, "cases.tsv"))
	if err != nil {
		return nil, fmt.Errorf("corpus: %w (make it with the command hostile)", err)
	}
	var all []hostileCase
	for i, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 6 {
			return nil, fmt.Errorf("corpus: cases.tsv: line %d has %d columns, want 6", i+1, len(f))
		}
		c := hostileCase{row: f[0], folder: f[1], name: f[2], want: f[3]}
		if f[5] != "" {
			c.holds = strings.Split(f[5], ", ")
		}
		if i > 0 {
			all = append(all, c)
		}
	}
	return all, nil
}

// outcome is one scanner's answer to one case: a line of the results.
type outcome struct {
	row, name, want, tool string
	result                string // ok, error, crash, timeout, memory, or "-": not applicable
	code                  int
	packages              int
	lacks                 int  // of the honest packages
	warned                bool // said that something was not read
	mebibytes             int64
	seconds               float64
}

// silent tells a scanner that ends well and says nothing of what it did not read.
func (o outcome) silent() bool {
	return o.result == "ok" && !o.warned && (o.want == "partial" || o.want == "refused") && !affordable.MatchString(o.name)
}

// affordable are cases that want "partial" for their size alone, in small form: whoever reads all of them has nothing to tell.
var affordable = regexp.MustCompile(`bomb|200,001|of (8|65|9|5|2|1\.5) MiB|gigabyte|513 layers|257 children|million digits|64 KiB|10 MB|many regions`)

func (o outcome) line() string {
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%v\t%d\t%.1f\n", o.row, o.name, o.want, o.tool, o.result, o.code, o.packages, o.lacks, o.warned, o.mebibytes, o.seconds)
}

func readOutcomes(file string) ([]outcome, error) {
	f, err := os.Open(file)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	defer func() { _ = f.Close() }()
	var all []outcome
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		if len(f) != 11 {
			return nil, fmt.Errorf("results: %q has %d columns, want 11", lines.Text(), len(f))
		}
		o := outcome{row: f[0], name: f[1], want: f[2], tool: f[3], result: f[4], warned: f[8] == "true"}
		if _, err := fmt.Sscan(strings.Join([]string{f[5], f[6], f[7], f[9], f[10]}, " "), &o.code, &o.packages, &o.lacks, &o.mebibytes, &o.seconds); err != nil {
			return nil, fmt.Errorf("results: %q: %w", lines.Text(), err)
		}
		all = append(all, o)
	}
	return all, lines.Err()
}
