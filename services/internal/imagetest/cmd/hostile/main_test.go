package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrite: each case has a folder, and the table names it with its outcome.
func TestWrite(t *testing.T) {
	t.Parallel()
	for name, together := range map[string]bool{"apart": false, "together": true} {
		dir := t.TempDir()
		if err := write(dir, false, "H52", together); err != nil {
			t.Fatal(err)
		}
		table, err := os.ReadFile(filepath.Join(dir, "cases.tsv"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(table), "\n"), "\n")
		if len(lines) < 10 {
			t.Fatalf("%s: %d lines", name, len(lines))
		}
		for _, line := range lines[1:] {
			fields := strings.Split(line, "\t")
			layout := filepath.Join(dir, fields[1])
			if together {
				layout = dir
			}
			if _, err := os.Stat(filepath.Join(layout, "index.json")); err != nil || len(fields) != 6 || fields[0] != "H52" {
				t.Errorf("%s: %q: %v", name, line, err)
			}
		}
	}
}
