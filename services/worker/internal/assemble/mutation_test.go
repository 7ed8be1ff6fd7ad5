package assemble

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mutation is a wrong rule of the overlay: a piece of a source file, which must stand there once, and what it becomes.
type mutation struct {
	rule, file string
	from, to   string
}

var mutations = []mutation{
	{"whiteouts are ignored", "tree.go", "\t\to.remove(parent, base)\n\t\treturn \"\", nil\n", "\t\treturn \"\", nil\n"},
	{"an opaque mark removes this layer's own too", "tree.go", "_, ours := o.unpacked[path]; !ours", "path != \"\""},
	{"an opaque mark keeps what earlier layers have", "tree.go", "_, ours := o.unpacked[path]; !ours", "_, ours := o.unpacked[path]; !ours && false"},
	{"a whiteout does not follow a linked folder", "tree.go",
		"\tp, err := o.parent(dir)\n\tif err != nil {\n\t\to.fail(err)\n\t\treturn \"\", nil\n\t}\n\tparent := p.top()\n",
		"\tif e.Type == plimsoll.EntryWhiteout && at(o.root, dir) == nil {\n\t\treturn \"\", nil\n\t}\n" +
			"\tp, err := o.parent(dir)\n\tif err != nil {\n\t\to.fail(err)\n\t\treturn \"\", nil\n\t}\n\tparent := p.top()\n"},
	{"a hard link brings an empty file", "tree.go", "\t\tn = target\n", "\t\tn = plainFile\n"},
	{"a folder over a folder drops its content", "tree.go", "e.Type == plimsoll.EntryDir && old.isDir()", "e.Type == plimsoll.EntryDir && old.isDir() && old.size() < 0"},
	{"a file over a folder leaves the folder", "tree.go", "e.Type == plimsoll.EntryDir && old.isDir()", "old.isDir() && old.size() > 0"},
	{"absolute links start at their own folder", "tree.go", `strings.HasPrefix(n.link, "/")`, `n.link == "/"`},
	{"\"..\" climbs one level too little", "tree.go", "\t\t\tp.pop()\n", "\t\t\tif len(p.names) > 1 {\n\t\t\t\tp.pop()\n\t\t\t}\n"},
	{"the first of two entries counts", "tree.go", "\tif e.Type == plimsoll.EntryDir && old.isDir() {\n",
		"\tif old != nil && old.by == o && old.kind == plimsoll.EntryFile || e.Type == plimsoll.EntryDir && old.isDir() {\n"},
	{"only one link is followed", "tree.go", "if links++; links > ", "if links++; links > 1 || links > "},
	{"links above a hard link's target are not followed", "tree.go", "\treturn p.top().child(base)\n", "\tif p.path() != dir {\n\t\treturn nil\n\t}\n\treturn p.top().child(base)\n"},
	{"a layer writes into the tree below it", "tree.go", "n != nil && n.by == o {", "n != nil {"},
	{"what is left out is not told", "tree.go", "!errors.Is(err, errLinks)", "false"},
	{"a removed file stays known as there", "state.go", "f.gone, f.until = true, index", "f.gone, f.until = false, index"},
	{"a file is gone with the first of its names", "state.go", "!f.gone && !s.named(id)", "!f.gone"},
}

// mutantStacks are compared for a mutant: each one here is caught within fewer.
const mutantStacks = 400

// TestMutations: the model test is worth something only if it finds wrong rules. Each mutant of this package must fail it, with
// a counterexample.
func TestMutations(t *testing.T) {
	if testing.Short() {
		t.Skip("left out by -short: builds this package's tests once for each mutation")
	}
	if os.Getenv(inMutant) != "" {
		t.Skip("this is a mutant")
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skipf("no go tool to build mutants with: %v", err)
	}
	// What the code itself fails, its mutants fail too: that would prove nothing.
	for i, base := 0, t.TempDir(); i < mutantStacks; i++ {
		if !checkStack(t, base, modelSeed, i) {
			return
		}
	}
	for _, m := range mutations {
		t.Run(m.rule, func(t *testing.T) { m.mustBeCaught(t, goTool) })
	}
}

// inMutant is set in the environment of a mutant's test.
const inMutant = "PLIMSOLL_MUTANT"

func (m mutation) mustBeCaught(t *testing.T, goTool string) {
	overlay, err := m.write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), goTool, "test", "-overlay", overlay, "-vet=off", "-count=1", "-timeout=2m", "-run=^TestModel$", ".")
	cmd.Env = append(os.Environ(), inMutant+"=1", fmt.Sprintf("PLIMSOLL_MODEL_STACKS=%d", mutantStacks), fmt.Sprintf("PLIMSOLL_MODEL_SEED=%d", modelSeed))
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		t.Errorf("the model test does not notice it in %d stacks", mutantStacks)
	case !bytes.Contains(out, []byte("--- FAIL: TestModel")) || !bytes.Contains(out, []byte(counterexample)):
		t.Errorf("no counterexample, but another failure (%v):\n%s", err, out)
	default:
		t.Logf("caught:\n%s", firstFind(string(out)))
	}
}

// write puts the mutated file into dir, and says there in a file for go's -overlay whose place it takes.
func (m mutation) write(dir string) (overlay string, err error) {
	source, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(b, []byte(m.from)); n != 1 {
		return "", fmt.Errorf("the piece to mutate stands %d times in %s, not once: adapt the mutation to the code:\n%s", n, m.file, m.from)
	}
	mutant := filepath.Join(dir, m.file)
	if err := os.WriteFile(mutant, bytes.Replace(b, []byte(m.from), []byte(m.to), 1), 0o644); err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {source: mutant}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, replace, 0o644)
}

// firstFind is the first counterexample of a test's output.
func firstFind(out string) string {
	lines := strings.Split(out, "\n")
	start := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, counterexample) })
	end := start + 1
	for end < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[end]), "--- FAIL") {
		end++
	}
	return strings.Join(lines[start:end], "\n")
}
