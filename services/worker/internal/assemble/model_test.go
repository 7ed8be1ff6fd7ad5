package assemble

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plimsoll/plimsoll"
)

// The model test compares images as this worker sees them with a disk on which their layers were really applied ([oracle]). An
// image is a random stack of layers over few names, so that entries meet, as tars; it goes the worker's own way: walk, analysers,
// merge, inventory.
const (
	modelStacks = 2000 // by default; PLIMSOLL_MODEL_STACKS gives another number
	modelSeed   = 1    // PLIMSOLL_MODEL_SEED likewise
	modelShards = 4    // so many tests at a time: half of the time one waits for the disk
)

// member is one entry of a tar.
type member struct {
	kind byte // tar.Type…
	name string
	link string
	body string
}

// label is how a file's content is told: its first line after "Name: ", which is different for each.
func label(body string) string {
	_, rest, _ := strings.Cut(body, "Name: ")
	name, _, _ := strings.Cut(rest, "\n")
	return name
}

func (m member) String() string {
	what := map[byte]string{
		tar.TypeReg: "file", tar.TypeDir: "dir", tar.TypeSymlink: "symlink", tar.TypeLink: "hard link",
		tar.TypeFifo: "fifo", tar.TypeChar: "device",
	}[m.kind]
	s := fmt.Sprintf("%-9s %s", what, m.name)
	if m.kind == tar.TypeSymlink || m.kind == tar.TypeLink {
		s += " -> " + m.link
	}
	if m.body != "" {
		s += " = " + cmp.Or(label(m.body), "plain")
	}
	return s
}

// stack is an image: its layers, lowest first.
type stack [][]member

func (s stack) String() string {
	var b strings.Builder
	for i, l := range s {
		for _, m := range l {
			fmt.Fprintf(&b, "  layer %d: %s\n", i, m)
		}
	}
	return b.String()
}

// packed is a layer as a tar. Files with a content of their own are set-uid, so that the files analyser tells its sum: by that
// the merged tree says whose content it means.
func packed(layer []member) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range layer {
		h := &tar.Header{Typeflag: m.kind, Name: m.name, Linkname: m.link, Mode: 0o644, Size: int64(len(m.body)), Format: tar.FormatPAX}
		if label(m.body) != "" {
			h.Mode = 0o4755
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("header of %q: %w", m.name, err)
		}
		if _, err := w.Write([]byte(m.body)); err != nil {
			return nil, fmt.Errorf("body of %q: %w", m.name, err)
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// chooser makes stacks of choices: pick gives one of n.
type chooser struct {
	pick  func(n int) int
	made  int      // files so far, to tell their contents apart
	used  []string // paths of earlier entries, which are taken again with good odds
	files []string // those of files
	links []string // those of symlinks
}

func (c *chooser) one(of ...string) string { return of[c.pick(len(of))] }

// packageName ends as the metadata of an installed Python package does, so that packages are found in the model too.
const packageName = "p.egg-info"

// newPath has up to four names. Folders seldom have the names of files, or nearly every layer would have an entry that no disk
// can take.
func (c *chooser) newPath() string {
	parts := make([]string, 1+c.pick(4)*c.pick(2))
	for i := range parts {
		parts[i] = c.one("a", "b", "c")
	}
	if c.pick(3) > 0 {
		parts[len(parts)-1] = c.fileName()
	}
	if c.pick(40) == 0 {
		parts[0] = ".wh." + parts[0] // as a folder's name it means nothing
	}
	return path.Join(parts...)
}

// isFolder tells the names that folders have.
func isFolder(name string) bool { return len(name) == 1 && name < "f" }

// fitting swaps the last name of most paths for one that such an entry has.
func (c *chooser) fitting(p string, folder bool) string {
	dir, base := path.Split(p)
	switch {
	case folder == isFolder(base) || c.pick(8) == 0:
		return p
	case folder:
		return dir + c.one("a", "b", "c")
	}
	return dir + c.fileName()
}

func (c *chooser) fileName() string { return c.one("f", "f", "g", packageName) }

// path is a clean path, often one that was there before, or behind a link.
func (c *chooser) path() string {
	if len(c.links) > 0 && c.pick(8) == 0 {
		return path.Join(c.links[c.pick(len(c.links))], c.fileName())
	}
	if len(c.used) > 0 && c.pick(2) == 0 {
		p := c.used[c.pick(len(c.used))]
		switch c.pick(16) {
		case 0:
			return path.Join(p, c.one("a", c.fileName())) // often below a file
		case 1, 2:
			if dir := path.Dir(p); dir != "." {
				return dir
			}
		case 3, 4, 5:
			return path.Join(path.Dir(p), c.one("a", c.fileName()))
		}
		return p
	}
	return c.newPath()
}

// written is a path as some writer of tars might write it.
func (c *chooser) written(p string, kind byte) string {
	if kind == tar.TypeDir && c.pick(2) == 0 {
		p += "/"
	}
	switch c.pick(16) {
	case 0:
		return "./" + p
	case 1:
		return "/" + p
	case 2:
		return "../../" + p
	case 3:
		return "a/../" + p
	case 4:
		return strings.Replace(p, "/", "//", 1)
	case 5:
		return strings.Replace(p, "/", "/./", 1)
	}
	return p
}

// target is where a symlink points: on, up, round in a circle or nowhere.
func (c *chooser) target() string {
	switch p := c.fitting(c.path(), c.pick(4) > 0); c.pick(12) {
	case 0, 1, 2:
		return "/" + p
	case 3, 4:
		return "../" + p
	case 5:
		return "../../../../" + p
	case 6:
		return c.one(".", "..", "/", "../..", "./")
	case 7:
		return c.one("./", "a/../", "b/../../", "/c/../") + p
	default:
		return p
	}
}

// linked is what a hard link may point at, mostly a file.
func (c *chooser) linked() string {
	if len(c.files) == 0 || c.pick(8) == 0 {
		return c.path()
	}
	file := c.files[max(c.pick(len(c.files)), c.pick(len(c.files)))] // late ones are more likely to be there
	if len(c.links) > 0 && c.pick(4) == 0 {
		return path.Join(c.links[c.pick(len(c.links))], path.Base(file))
	}
	return file
}

// file gives a file a content of its own; where a package's metadata is expected, a package. A few are of a kind that no analyser
// has a word for.
func (c *chooser) file(name string) member {
	c.made++
	body := fmt.Sprintf("content\nName: f%d\n", c.made)
	switch {
	case strings.HasSuffix(name, packageName):
		body = fmt.Sprintf("Metadata-Version: 2.1\nName: p%d\nVersion: 1\n", c.made)
	case c.pick(3) == 0:
		body = "plain\n"
	}
	return member{kind: tar.TypeReg, name: name, body: body}
}

// whiteout hides a path, which may be missing.
func (c *chooser) whiteout(p string) member {
	dir, base := path.Split(p)
	if c.pick(3) == 0 {
		base = ".wh..opq"
		if c.pick(4) == 0 {
			dir = p + "/" // often no folder
		}
	}
	if c.pick(40) == 0 {
		base = c.one("", ".", "..", ".wh.a")
	}
	kind := byte(tar.TypeReg)
	if c.pick(20) == 0 {
		kind = tar.TypeDir // the name alone counts
	}
	return member{kind: kind, name: c.written(dir+".wh."+base, kind)}
}

func (c *chooser) member() member {
	kind, n := byte(tar.TypeReg), c.pick(50)
	p := c.path()
	if n < 31 || n >= 46 {
		p = c.fitting(p, n >= 15 && n < 31)
	}
	c.used = append(c.used, p)
	switch {
	case n < 15:
		c.files = append(c.files, p)
		return c.file(c.written(p, kind))
	case n < 22:
		kind = tar.TypeDir
	case n < 31:
		c.links = append(c.links, p)
		return member{kind: tar.TypeSymlink, name: c.written(p, kind), link: c.target()}
	case n < 35:
		return member{kind: tar.TypeLink, name: c.written(p, kind), link: c.one("", "", "./", "/", "../") + c.linked()}
	case n < 46:
		return c.whiteout(p)
	case n < 48:
		kind = tar.TypeFifo
	case n < 49 || c.pick(4) > 0:
		kind = tar.TypeChar
	default:
		return c.root()
	}
	return member{kind: kind, name: c.written(p, kind)}
}

// root is an entry that would stand in place of the image's root.
func (c *chooser) root() member {
	kind := []byte{tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink}[c.pick(4)]
	name := c.one(".", "..", "a/..", "../..")
	if kind != tar.TypeReg && c.pick(2) == 0 {
		name = c.one("./", "/") // names of files must not end so
	}
	return member{kind: kind, name: name, link: "a"}
}

func (c *chooser) stack() stack {
	s := make(stack, 1+c.pick(4))
	for i := range s {
		s[i] = make([]member, 1+c.pick(9))
		for j := range s[i] {
			s[i][j] = c.member()
		}
	}
	return s
}

// outcome is what the comparison looks at.
type outcome struct {
	Trees    [][]string // after each layer, one line a path
	Packages []string   // with the layer that brought each
	Hidden   []string   // likewise, and the layer that removed it
	Partial  bool       // something was left out
	Panic    string     // of the merge: a bug, to be shown like any other
}

// merged is the worker's way from a stack's tars to what the image holds. The trees are looked at after the last layer was
// merged: no layer may change those below it.
func merged(t testing.TB, s stack, tars [][]byte) (o outcome) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			o.Panic = fmt.Sprint(r)
		}
	}()
	states := []*state{{}}
	var img plimsoll.Image
	for _, b := range tars {
		ref := plimsoll.LayerRef{Digest: plimsoll.DigestOf(b), Size: int64(len(b))}
		img.Layers = append(img.Layers, ref)
		states = append(states, states[len(states)-1].next(ref.Digest, ref.Size, factsOf(t, b)))
	}
	last := states[len(states)-1]
	inv := inventory(img, "recipe", last, last.owned(), bothAnalyzers)
	bodies := s.bodies()
	for _, st := range states[1:] {
		o.Trees = append(o.Trees, contentOf(st, bodies).lines())
	}
	for _, p := range inv.Packages {
		o.Packages = append(o.Packages, fmt.Sprintf("%s of layer %d", p.Name, p.Layer))
	}
	for _, p := range inv.Hidden {
		o.Hidden = append(o.Hidden, fmt.Sprintf("%s of layer %d hidden in layer %d", p.Name, p.Layer, p.HiddenIn))
	}
	slices.Sort(o.Packages)
	slices.Sort(o.Hidden)
	o.Partial = inv.Read[plimsoll.AnalyzerTree].Short()
	return o
}

// bodies are the contents of files by their sum.
func (s stack) bodies() map[string]string {
	all := map[string]string{}
	for _, l := range s {
		for _, m := range l {
			sum := sha256.Sum256([]byte(m.body))
			all[hex.EncodeToString(sum[:])] = m.body
		}
	}
	return all
}

// contentOf is a merged tree, with the contents that it says its files have.
func contentOf(s *state, bodies map[string]string) content {
	kinds := map[plimsoll.EntryType]string{
		plimsoll.EntryFile: "file", plimsoll.EntryDir: "dir", plimsoll.EntrySymlink: "link", plimsoll.EntryDevice: "device",
	}
	c := content{}
	var walk func(n *node, at string)
	walk = func(n *node, at string) {
		for name, kid := range n.children() {
			x := thing{kind: kinds[kid.kind], link: kid.link}
			if kid.file > len(s.files) {
				x.body = "Name: of another layer"
			} else if kid.file > 0 && s.files[kid.file-1].entry != nil {
				x.body = bodies[s.files[kid.file-1].entry.SHA256]
			}
			c[path.Join(at, name)] = x
			walk(kid, path.Join(at, name))
		}
	}
	walk(s.root, "")
	return c
}

// unpacked applies the tars to a disk.
func unpacked(t testing.TB, base string, tars [][]byte) (out outcome) {
	t.Helper()
	root, err := os.MkdirTemp(base, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(root) }()
	o := newOracle(root)
	for _, b := range tars {
		if err := o.apply(b); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range o.after {
		out.Trees = append(out.Trees, c.lines())
	}
	for body, layer := range o.wrote {
		if !strings.HasPrefix(body, "Metadata-Version") {
			continue
		}
		said := fmt.Sprintf("%s of layer %d", label(body), layer)
		if until, gone := o.gone[body]; gone {
			out.Hidden = append(out.Hidden, fmt.Sprintf("%s hidden in layer %d", said, until))
			continue
		}
		out.Packages = append(out.Packages, said)
	}
	slices.Sort(out.Packages)
	slices.Sort(out.Hidden)
	out.Partial = len(o.refused) > 0
	return out
}

// differs tells how disk and merge differ; empty when they do not.
func differs(t testing.TB, base string, s stack) string {
	t.Helper()
	var tars [][]byte
	for _, l := range s {
		b, err := packed(l)
		if err != nil {
			t.Fatal(err)
		}
		tars = append(tars, b)
	}
	disk, merge := unpacked(t, base, tars), merged(t, s, tars)
	if reflect.DeepEqual(disk, merge) {
		return ""
	}
	return gocmp.Diff(disk, merge, cmpopts.EquateEmpty())
}

// shrunk leaves out of a stack all that it differs without.
func shrunk(s stack, differs func(stack) bool) stack {
	for again := true; again; {
		again = false
		for i := len(s) - 1; i >= 0; i-- {
			if less := slices.Delete(slices.Clone(s), i, i+1); differs(less) {
				s, again = less, true
				continue
			}
			for j := len(s[i]) - 1; j >= 0; j-- {
				less := slices.Clone(s)
				less[i] = slices.Delete(slices.Clone(s[i]), j, j+1)
				if differs(less) {
					s, again = less, true
				}
			}
		}
	}
	return s
}

// counterexample is the mark of a difference that was found, as opposed to a test that broke.
const counterexample = "disk and merged tree differ"

// check compares one stack, and shows the smallest part of it that still differs.
func check(t testing.TB, base, what string, s stack) (ok bool) {
	t.Helper()
	if differs(t, base, s) == "" {
		return true
	}
	s = shrunk(s, func(less stack) bool { return differs(t, base, less) != "" })
	t.Errorf("%s: %s (-disk +merged):\n%s\n%s", what, counterexample, s, differs(t, base, s))
	return false
}

// checkStack compares one random stack.
func checkStack(t testing.TB, base string, seed, i int) (ok bool) {
	t.Helper()
	c := chooser{pick: rand.New(rand.NewPCG(uint64(seed), uint64(i))).IntN}
	return check(t, base, fmt.Sprintf("stack %d of seed %d", i, seed), c.stack())
}

// setting is a number from the environment.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("%s=%s: no number", name, v)
	}
	return n
}

// TestModel compares thousands of images with the disk they are on (HOSTILE H3 to H9).
func TestModel(t *testing.T) {
	t.Parallel()
	stacks, seed := setting(t, "PLIMSOLL_MODEL_STACKS", modelStacks), setting(t, "PLIMSOLL_MODEL_SEED", modelSeed)
	t.Logf("%d stacks, PLIMSOLL_MODEL_SEED=%d", stacks, seed)
	for shard := range modelShards {
		t.Run(strconv.Itoa(shard), func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			for i := shard; i < stacks; i += modelShards {
				if !checkStack(t, base, seed, i) {
					return
				}
			}
		})
	}
}

// FuzzModel lets the fuzzer choose: each byte is one choice.
func FuzzModel(f *testing.F) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(modelSeed, seed))
		b := make([]byte, 200)
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		c := chooser{pick: func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			v := int(choices[0]) % n
			choices = choices[1:]
			return v
		}}
		check(t, t.TempDir(), "choices", c.stack())
	})
}
