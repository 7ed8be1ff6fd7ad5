package assemble

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

// overlaid applies layers in memory.
func overlaid(layers ...[]plimsoll.TreeEntry) (*node, map[string]int) {
	var root *node
	faults := map[string]int{}
	for _, entries := range layers {
		o := newOverlay(root, plimsoll.PackTree(entries...))
		for _, e := range entries {
			o.apply(e, 0)
		}
		for why, n := range o.faults {
			faults[why] += n
		}
		root = o.root
	}
	return root, faults
}

// listing is the content of a tree, one line a path.
func listing(root *node) (out []string) {
	var walk func(n *node, at string)
	walk = func(n *node, at string) {
		for name, kid := range n.children() {
			p := path.Join(at, name)
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", p, kid.kind, kid.link)))
			walk(kid, p)
		}
	}
	walk(root, "")
	slices.Sort(out)
	return out
}

// disk applies layers to a real folder, as containerd's apply does (archive/tar.go, applyNaive), with the system's own files,
// links and folders: an implementation that shares nothing with the one under test.
type disk struct{ root string }

// real resolves the folder part of a path within the root, as containerd's RootPath does.
func (d disk) real(dir string) (string, error) {
	at, todo, links := d.root, dir, 0
	for todo != "" {
		var name string
		name, todo, _ = strings.Cut(todo, "/")
		switch name {
		case "", ".":
			continue
		case "..":
			if at != d.root {
				at = filepath.Dir(at)
			}
			continue
		}
		next := filepath.Join(at, name)
		target, err := os.Readlink(next)
		if err != nil {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", errLinks
		}
		if strings.HasPrefix(target, "/") {
			at = d.root
		}
		todo = target + "/" + todo
	}
	return at, nil
}

func (d disk) apply(entries []plimsoll.TreeEntry) {
	unpacked := map[string]bool{}
	for _, e := range entries {
		_ = d.entry(e, unpacked) // what containerd refuses is left out
	}
}

func (d disk) entry(e plimsoll.TreeEntry, unpacked map[string]bool) error {
	dir, base := path.Split(e.Path)
	if e.Type == plimsoll.EntryOpaque {
		dir, base = e.Path, ""
	}
	parent, err := d.real(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	at := filepath.Join(parent, base)
	switch e.Type {
	case plimsoll.EntryOpaque:
		return d.opaque(parent, unpacked)
	case plimsoll.EntryWhiteout:
		return os.RemoveAll(at)
	}
	if info, err := os.Lstat(at); err == nil && !(info.IsDir() && e.Type == plimsoll.EntryDir) {
		if err := os.RemoveAll(at); err != nil {
			return err
		}
	}
	unpacked[at] = true
	switch e.Type {
	case plimsoll.EntryDir:
		if err := os.Mkdir(at, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case plimsoll.EntrySymlink:
		return os.Symlink(e.Link, at)
	case plimsoll.EntryHardlink:
		dir, base := path.Split(e.Link)
		from, err := d.real(dir)
		if err != nil {
			return err
		}
		return os.Link(filepath.Join(from, base), at)
	}
	return os.WriteFile(at, nil, 0o644)
}

func (d disk) opaque(dir string, unpacked map[string]bool) error {
	return filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if p == dir || unpacked[p] {
			return nil
		}
		return os.RemoveAll(p)
	})
}

func (d disk) listing(t *testing.T) (out []string) {
	t.Helper()
	err := filepath.WalkDir(d.root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || p == d.root {
			return err
		}
		rel, _ := filepath.Rel(d.root, p)
		kind, link := plimsoll.EntryFile, ""
		switch {
		case e.IsDir():
			kind = plimsoll.EntryDir
		case e.Type()&fs.ModeSymlink != 0:
			kind = plimsoll.EntrySymlink
			if link, err = os.Readlink(p); err != nil {
				return err
			}
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", rel, kind, link)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// randomLayer makes entries over few names, so that they meet: on the same path, through links, below files.
func randomLayer(r *rand.Rand) []plimsoll.TreeEntry {
	names := []string{"a", "b", "c"}
	anyPath := func() string {
		parts := make([]string, 1+r.IntN(3))
		for i := range parts {
			parts[i] = names[r.IntN(len(names))]
		}
		return strings.Join(parts, "/")
	}
	targets := func() string {
		forms := []string{anyPath(), "/" + anyPath(), "../" + anyPath(), "../../..", ".", "./" + anyPath() + "/..", "/"}
		return forms[r.IntN(len(forms))]
	}
	entries := make([]plimsoll.TreeEntry, r.IntN(12))
	for i := range entries {
		e := plimsoll.TreeEntry{Path: anyPath()}
		switch n := r.IntN(20); {
		case n < 6:
			e.Type = plimsoll.EntryFile
		case n < 11:
			e.Type = plimsoll.EntryDir
		case n < 14:
			e.Type, e.Link = plimsoll.EntrySymlink, targets()
		case n < 16:
			e.Type, e.Link = plimsoll.EntryHardlink, anyPath()
		case n < 18:
			e.Type = plimsoll.EntryWhiteout
		default:
			e.Type = plimsoll.EntryOpaque
		}
		entries[i] = e
	}
	return entries
}

// TestOverlayIsWhatADiskHolds compares hundreds of small images with their layers really applied.
func TestOverlayIsWhatADiskHolds(t *testing.T) {
	t.Parallel()
	const rounds = 200 // a fuzz target goes on from there
	for seed := range rounds {
		compareWithDisk(t, uint64(seed))
		if t.Failed() {
			return
		}
	}
}

func compareWithDisk(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	layers := make([][]plimsoll.TreeEntry, 1+r.IntN(4))
	dir, err := os.MkdirTemp("", "plimsoll-overlay-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d := disk{dir}
	for i := range layers {
		layers[i] = randomLayer(r)
		d.apply(layers[i])
	}
	root, _ := overlaid(layers...)
	if diff := cmp.Diff(d.listing(t), listing(root)); diff != "" {
		t.Errorf("seed %d: layers %v\ndisk and overlay differ (-disk +overlay):\n%s", seed, layers, diff)
	}
}

func FuzzOverlay(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed)
	}
	f.Fuzz(compareWithDisk)
}

// TestLowerTreesStayAsTheyAre: an image's tree must not change when another image grows on its layers.
func TestLowerTreesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 2))
		base, _ := overlaid(randomLayer(r), randomLayer(r))
		before := listing(base)
		o := newOverlay(base, plimsoll.PackTree())
		for _, e := range randomLayer(r) {
			if e.Type == plimsoll.EntryOpaque && o.unpacked == nil {
				o.unpacked = map[string]struct{}{}
			}
			o.apply(e, 0)
		}
		if diff := cmp.Diff(before, listing(base)); diff != "" {
			t.Fatalf("seed %d: the lower tree changed (-before +after):\n%s", seed, diff)
		}
	}
}

func file0(p string) plimsoll.TreeEntry {
	return plimsoll.TreeEntry{Path: p, Type: plimsoll.EntryFile}
}

func TestOverlayRows(t *testing.T) {
	t.Parallel()
	dir := func(p string) plimsoll.TreeEntry { return plimsoll.TreeEntry{Path: p, Type: plimsoll.EntryDir} }
	link := func(p, to string) plimsoll.TreeEntry {
		return plimsoll.TreeEntry{Path: p, Type: plimsoll.EntrySymlink, Link: to}
	}
	hard := func(p, to string) plimsoll.TreeEntry {
		return plimsoll.TreeEntry{Path: p, Type: plimsoll.EntryHardlink, Link: to}
	}
	type layer = []plimsoll.TreeEntry
	tests := map[string]struct {
		layers []layer
		want   []string
		faults map[string]int
	}{
		"file through a link of a lower layer": {
			[]layer{{dir("etc"), link("a", "/etc")}, {file0("a/shadow")}},
			[]string{"a l /etc", "etc d", "etc/shadow f"}, nil,
		},
		"link out of the root": {
			[]layer{{link("out", "../../../../etc"), file0("out/shadow")}},
			[]string{"etc d", "etc/shadow f", "out l ../../../../etc"}, nil,
		},
		"loop": {
			[]layer{{link("a", "b"), link("b", "a"), file0("a/x"), file0("c")}},
			[]string{"a l b", "b l a", "c f"}, nil,
		},
		"folder becomes a link": {
			[]layer{{dir("srv"), dir("opt"), file0("opt/old")}, {link("opt", "srv"), file0("opt/new")}},
			[]string{"opt l srv", "srv d", "srv/new f"}, nil,
		},
		"entry below a file": {
			[]layer{{file0("f"), file0("f/x"), file0("g")}},
			[]string{"f f", "g f"}, map[string]int{errNotDir.Error(): 1},
		},
		"hard links": {
			[]layer{{dir("d"), file0("f"), hard("g", "f"), hard("h", "missing"), hard("i", "d"), hard("f", "f")}, {hard("lower", "g")}},
			[]string{"d d", "g f", "lower f"}, map[string]int{errHardlink.Error(): 3},
		},
		"opaque keeps what the layer wrote": {
			[]layer{{dir("d"), file0("d/old"), dir("d/sub"), file0("d/sub/old")},
				{dir("d"), file0("d/new"), dir("d/sub"), {Path: "d", Type: plimsoll.EntryOpaque}}},
			[]string{"d d", "d/new f", "d/sub d"}, nil,
		},
	}
	for name, tt := range tests {
		root, faults := overlaid(tt.layers...)
		if diff := cmp.Diff(tt.want, listing(root)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(faults) != len(tt.faults) || len(faults) > 0 && !cmp.Equal(faults, tt.faults) {
			t.Errorf("%s: faults %v, want %v", name, faults, tt.faults)
		}
	}
}

// TestWideAndDeep: time must be linear in the entries (HOSTILE H15).
func TestWideAndDeep(t *testing.T) {
	t.Parallel()
	var entries []plimsoll.TreeEntry
	deep := strings.Repeat("x/", 250)
	for i := range 100_000 {
		entries = append(entries, file0(fmt.Sprintf("wide/%06d", i)))
		if i%10 == 0 {
			entries = append(entries, file0(fmt.Sprintf("%s%06d", deep, i)))
		}
	}
	root, faults := overlaid(entries, []plimsoll.TreeEntry{file0("wide/one-more")})
	if got := at(root, "wide").size(); got != 100_001 || len(faults) != 0 {
		t.Errorf("%d entries, faults %v; want 100001 and none", got, faults)
	}
}
