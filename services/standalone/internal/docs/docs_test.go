package docs

import (
	"errors"
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll/services/standalone/internal/cli"
)

// root is the repository, seen from this package.
const root = "../../../.."

// document is one Markdown file; name is its path from the root.
type document struct{ name, text string }

func documents(t *testing.T) []document {
	t.Helper()
	var all []document
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, document{filepath.ToSlash(name), read(t, name)})
		}
	}
	if len(all) < 10 {
		t.Fatalf("found %d documents under %s; want README, ARCHITECTURE and docs", len(all), root)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fence matches a fenced block, indented or not; its second group is the content.
var fence = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")

// blocks are the lines of fenced blocks, trimmed.
func (d document) blocks() (lines []string) {
	for _, m := range fence.FindAllStringSubmatch(d.text, -1) {
		for line := range strings.Lines(m[2]) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func (d document) prose() string { return fence.ReplaceAllString(d.text, "") }

var codeSpan = regexp.MustCompile("`([^`\n]+)`")

// spans are the words in backticks outside fenced blocks.
func (d document) spans() (all []string) {
	for _, m := range codeSpan.FindAllStringSubmatch(d.prose(), -1) {
		all = append(all, m[1])
	}
	return all
}

var pathForm = regexp.MustCompile(`^[A-Za-z0-9._/-]+$`)

// isPath tells a path of the repository from other words with a slash: its first part stands at the root; or it is a file at
// the root by its ending. Media types, routes and keys of the bucket are neither.
func isPath(word string, top map[string]bool) bool {
	if !pathForm.MatchString(word) || strings.HasPrefix(word, "/") {
		return false
	}
	first, _, nested := strings.Cut(word, "/")
	return nested && top[first] || !nested && slices.Contains([]string{".go", ".mod", ".work", ".yml"}, path.Ext(word))
}

func topLevel(t *testing.T) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	top := map[string]bool{}
	for _, e := range entries {
		top[e.Name()] = e.IsDir() && !slices.Contains([]string{"bin", "dist"}, e.Name()) // made, not kept
	}
	return top
}

func TestPathsExist(t *testing.T) {
	t.Parallel()
	top, seen := topLevel(t), 0
	for _, d := range documents(t) {
		for _, word := range d.spans() {
			if !isPath(word, top) {
				continue
			}
			seen++
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(word))); err != nil {
				t.Errorf("%s names %s, which is not there", d.name, word)
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d paths were checked: is the form of paths still known here?", seen)
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksResolve(t *testing.T) {
	t.Parallel()
	for _, d := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(d.prose(), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, path.Dir(d.name), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s links to %s, which is not there", d.name, m[1])
			}
		}
	}
}

// shell ends where a command's own words end: a pipe, a redirection, a comment, another command.
var shell = regexp.MustCompile(`\s(\||&&|;|#|\d?>>?)`)

// command is the words of a plimsoll command line; nil when line is none.
func command(line string) []string {
	line = strings.TrimPrefix(line, "$ ")
	if !strings.HasPrefix(line, "plimsoll ") {
		return nil
	}
	if at := shell.FindStringIndex(line); at != nil {
		line = line[:at[0]]
	}
	return strings.Fields(line)[1:]
}

// parse goes as far as running a command would before it begins to work.
func parse(words []string) error {
	c, rest, err := cli.New(strings.NewReader(""), io.Discard, io.Discard).Find(words)
	if err != nil {
		return err
	}
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	if !c.Runnable() {
		return fmt.Errorf("%s needs one of its commands, got %q", c.CommandPath(), c.Flags().Args())
	}
	return errors.Join(c.ValidateArgs(c.Flags().Args()), c.ValidateRequiredFlags())
}

func TestCommandsParse(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, d := range documents(t) {
		for _, line := range d.blocks() {
			words := command(line)
			if words == nil {
				continue
			}
			seen++
			if err := parse(words); err != nil {
				t.Errorf("%s: %q: %v", d.name, line, err)
			}
		}
		// In a sentence a command may stand without its arguments; it and its flags must exist all the same.
		for _, span := range d.spans() {
			words := command(span)
			if words == nil {
				continue
			}
			seen++
			if err := parseLoosely(words); err != nil {
				t.Errorf("%s: %q: %v", d.name, span, err)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d commands were checked", seen)
	}
}

func parseLoosely(words []string) error {
	c, rest, err := cli.New(strings.NewReader(""), io.Discard, io.Discard).Find(words)
	if err != nil {
		return err
	}
	if !c.Runnable() && len(rest) > 0 {
		return fmt.Errorf("%s has no command %q", c.CommandPath(), rest[0])
	}
	return c.ParseFlags(rest)
}

// The examples that the command line shows of itself parse too.
func TestExamplesParse(t *testing.T) {
	t.Parallel()
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			if words := command(strings.TrimSpace(line)); words != nil {
				if err := parse(words); err != nil {
					t.Errorf("example of %s: %q: %v", c.CommandPath(), line, err)
				}
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(cli.New(strings.NewReader(""), io.Discard, io.Discard))
}

func TestCommandLineIsRefused(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"plimsoll sweep retry", "plimsoll nothing", "plimsoll scan", "plimsoll scan a.example --no-such-flag", "plimsoll worker"} {
		if parse(command(line)) == nil {
			t.Errorf("%q was taken", line)
		}
	}
}

var makeLine = regexp.MustCompile(`^make ([a-z]+)`)

func TestTargetsExist(t *testing.T) {
	t.Parallel()
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z]+):`).FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets[m[1]] = true
	}
	for _, d := range documents(t) {
		for _, word := range append(d.blocks(), d.spans()...) {
			if m := makeLine.FindStringSubmatch(word); m != nil && !targets[m[1]] {
				t.Errorf("%s: %q: the Makefile has no target %s", d.name, word, m[1])
			}
		}
	}
}

var route = regexp.MustCompile(`/api/v1/[A-Za-z0-9._/-]*`)

// Each call that a document shows is one that openapi.yaml describes, which the API's own tests hold to its routes.
func TestCallsExist(t *testing.T) {
	t.Parallel()
	var known []*regexp.Regexp
	for _, m := range regexp.MustCompile(`(?m)^  (/api/v1/[^:]+):$`).FindAllStringSubmatch(read(t, "services/reporter/internal/api/openapi.yaml"), -1) {
		form := regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(m[1]), "[^/]+")
		known = append(known, regexp.MustCompile("^"+form+"$"))
	}
	if len(known) < 10 {
		t.Fatalf("openapi.yaml describes %d paths; want all of the API", len(known))
	}
	for _, d := range documents(t) {
		for _, call := range route.FindAllString(d.text, -1) {
			if !slices.ContainsFunc(known, func(r *regexp.Regexp) bool { return r.MatchString(call) }) {
				t.Errorf("%s shows %s, which openapi.yaml does not describe", d.name, call)
			}
		}
	}
}

var (
	limitRow = regexp.MustCompile("(?m)^\\| .+ \\| ([0-9,]+)( KiB| MiB| GiB)? \\| `([A-Za-z]+)` \\| `([a-z0-9/.-]+)` \\| .+ \\|$")
	units    = map[string]int64{"": 1, " KiB": 1 << 10, " MiB": 1 << 20, " GiB": 1 << 30}
)

// Each row of docs/limits.md names a constant of a file and its value.
func TestLimitsAreTrue(t *testing.T) {
	t.Parallel()
	text := read(t, "docs/limits.md")
	rows := limitRow.FindAllStringSubmatch(text, -1)
	if all := strings.Count(text, "\n| ") - strings.Count(text, "\n| what |"); len(rows) != all {
		t.Errorf("%d of %d rows have the form | what | bound | `constant` | `file` | when |", len(rows), all)
	}
	for _, r := range rows {
		var want int64
		if _, err := fmt.Sscan(strings.ReplaceAll(r[1], ",", ""), &want); err != nil {
			t.Errorf("%s: %v", r[0], err)
		}
		want *= units[r[2]]
		if got, err := valueOf(read(t, r[4]), r[3]); err != nil || got != want {
			t.Errorf("%s in %s is %d (%v); docs/limits.md says %d", r[3], r[4], got, err, want)
		}
	}
}

// valueOf evaluates the number that a constant or a field is given in a Go source.
func valueOf(source, name string) (int64, error) {
	m := regexp.MustCompile(`\b` + name + `\s*(?:[a-z0-9]+\s*)?[:=]\s*([0-9][0-9_ <*]*)`).FindStringSubmatch(source)
	if m == nil {
		return 0, fmt.Errorf("no number is given to %s", name)
	}
	v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, m[1])
	if err != nil {
		return 0, err
	}
	n, exact := constant.Int64Val(v.Value)
	if !exact {
		return 0, fmt.Errorf("%s is no whole number", m[1])
	}
	return n, nil
}

// Documents speak to whoever reads the project, and name no place where it was made. Modules and packages come from whatever
// mirror people have, so no index of packages is named either. The words are put together so that this file holds none.
func TestDocumentsKeepToTheProject(t *testing.T) {
	t.Parallel()
	words := []string{"ses" + "sion", "helper " + "agent", "/wo" + "rk/", "proxy.golang" + ".org", "registry.npmjs" + ".org", "pypi" + ".org",
		"rubygems" + ".org", "static.crates" + ".io", "index.crates" + ".io", "repo1.maven" + ".org", "deb.debian" + ".org", "dl-cdn.alpinelinux" + ".org"}
	for _, d := range documents(t) {
		text := strings.ToLower(d.text)
		for _, w := range words {
			if strings.Contains(text, w) {
				t.Errorf("%s holds %q", d.name, w)
			}
		}
	}
}
