package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets run start this program as the process that measures.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == measureWord {
		exitWith(measure(os.Args[2], os.Args[3], os.Args[4:]))
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"exit 0": "ok", "exit 3": "error", "kill -SEGV $$": "crash", "echo 'panic: runtime error' >&2; exit 2": "crash", "echo 'it did not panic: fine' >&2": "ok",
	} {
		if r := run("/bin/sh", []string{"-c", script}, t.TempDir()); r.result() != want || r.Memory <= 0 {
			t.Errorf("%s: %s (%+v), want %s", script, r.result(), r.measured, want)
		}
	}
	if r := run("/nowhere/program", nil, t.TempDir()); r.result() != "-" {
		t.Errorf("a program that is not there: %s", r.result())
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "results.tsv")
	all := []outcome{
		{row: "H2", name: "H2 b", want: "partial", tool: "trivy", result: "ok", mebibytes: 7, seconds: 1.5},
		{row: "H1", name: "H1 a", want: "ok", tool: "trivy", result: "crash", code: 2, mebibytes: 9},
		{row: "H1", name: "H1 a", want: "ok", tool: "plimsoll", result: "ok", code: exitShort, warned: true, lacks: 1},
		{row: "H16", name: "H16 bomb", want: "partial", tool: "syft", result: "ok"},
	}
	var lines strings.Builder
	for _, o := range all {
		lines.WriteString(o.line())
	}
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := writeTable(&b, file); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| trivy | 2 | 1 | 0 | 0 | 0 | 0 | 1 | 9 |", "| plimsoll | 1 | 0 | 0 | 0 | 0 | 1 | 0 | 0 |", "| syft | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |",
		"| H1 a | ok | told, lacks 1 0 | **crash** 9 |  |\n| H2 b | partial |  | **silent clean** 7 |  |\n| H16 bomb | partial |  |  | ok 0 |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// TestArchive: layouts that an archive can stand for become one; digests that lead elsewhere do not.
func TestArchive(t *testing.T) {
	t.Parallel()
	for _, digest := range []string{"sha256:../../x", "md5:1", "", "sha256:" + strings.Repeat("A", 64)} {
		if path, err := blobPath("/layout", digest); err == nil {
			t.Errorf("%s leads to %s", digest, path)
		}
	}
}
