package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// An edit changes one place of a source of the product.
type edit struct {
	file     string // from the repository's root, or that of Go when it begins with GOROOT/
	old, new string // old stands in the file once
}

// The products that differ from the one under test: what an upgrade brings, and a mistake that must be noticed.
var (
	ackEarly = changed("ack-early", edit{"services/scheduler/internal/queue/hold.go",
		"\ttraced, end := h.traced(ctx, g)\n", "\tfor _, m := range g {\n\t\t_ = m.Ack()\n\t}\n\ttraced, end := h.traced(ctx, g)\n"})
	otherWorkflows = changed("other-workflows",
		edit{"workflows/scan.go", "workflow.NewSemaphore(ctx, batchesAtOnce)", "workflow.NewSemaphore(ctx, batchesAtOnce-1)"},
		edit{"workflows/bounds.go", "attempts: 20, first", "attempts: 19, first"}) // of boundConclude
	otherFacts = changed("other-facts", edit{"services/worker/internal/analyze/recipe.go",
		"\tfilesVersion    = 1\n", "\tfilesVersion    = 1 + 1\n"})
	otherComparer = changed("other-comparer", edit{"services/reporter/internal/match/comparer.go",
		"\treturn order, nil\n", "\treturn max(order, 1), nil\n"})
	// otherClock reads the time with as many seconds added as PLIMSOLL_FAULT_CLOCK says. Everything is compiled again for it.
	otherClock = changed("other-clock",
		edit{"GOROOT/src/time/time.go", "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {", "\tsec, nsec, mono := runtimeNow()\n\tsec += faultClock()\n\tif mono == 0 {"},
		edit{"GOROOT/src/time/zoneinfo.go", "func LoadLocation(", faultClock + "\n\nfunc LoadLocation("})
)

const faultClock = `var faultClock = sync.OnceValue(func() (seconds int64) {
	text, _ := syscall.Getenv("PLIMSOLL_FAULT_CLOCK")
	digits := text
	if text != "" && text[0] == '-' {
		digits = text[1:]
	}
	for _, c := range []byte(digits) {
		seconds = 10*seconds + int64(c-'0')
	}
	if digits != text {
		return -seconds
	}
	return seconds
})`

// changed builds the product with edits, once and when it is first asked for: the sources stay as they are.
func changed(name string, edits ...edit) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir := filepath.Join(programs.dir, name)
		replace := map[string]string{}
		for i, e := range edits {
			file, err := e.path()
			if err != nil {
				return "", err
			}
			b, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			if n := strings.Count(string(b), e.old); n != 1 {
				return "", fmt.Errorf("%s: %q stands there %d times, want once", e.file, e.old, n)
			}
			replace[file] = filepath.Join(dir, fmt.Sprintf("%d.go", i))
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return "", err
			}
			if err := os.WriteFile(replace[file], []byte(strings.Replace(string(b), e.old, e.new, 1)), 0o600); err != nil {
				return "", err
			}
		}
		overlay, err := json.Marshal(map[string]any{"Replace": replace})
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
			return "", err
		}
		program := filepath.Join(dir, "plimsoll")
		return program, buildProduct(program, "-overlay", filepath.Join(dir, "overlay.json"))
	})
}

func (e edit) path() (string, error) {
	if rest, ok := strings.CutPrefix(e.file, "GOROOT/"); ok {
		root, err := exec.Command("go", "env", "GOROOT").Output()
		return filepath.Join(strings.TrimSpace(string(root)), rest), err
	}
	return filepath.Abs(filepath.Join("../../..", e.file))
}

// replace has parts replaced by another build, one after the other; nil: by the one under test.
func (s *system) replace(t *testing.T, parts []*part, program func() (string, error)) {
	t.Helper()
	path := ""
	if program != nil {
		var err error
		if path, err = program(); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range parts {
		if took, err := p.proc.stop(drain); err != nil {
			t.Errorf("%s ended after %s with %v, want within %s and well", p.name, took, err, drain)
		}
		p.rpc.Aim("")
		p.program = path
		s.start(t, p)
	}
}
