package assemble

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// allAnalyzers are those that read a layer's files and packages.
var allAnalyzers = configFacts{analyzers: []string{plimsoll.AnalyzerTree, plimsoll.AnalyzerPackages, plimsoll.AnalyzerFiles}}

// drawnTwice draws the inventory of layers twice: with owners read in the whole tree, and with those that are known of the lowest
// layers. The second is nil where these have to be read anew.
func drawnTwice(t testing.TB, base int, layers ...[]byte) (whole, known []byte) {
	t.Helper()
	img := plimsoll.Image{Digest: "sha256:x"}
	s, below := &state{}, &state{}
	for i, b := range layers {
		if i == base {
			below = s
		}
		ref := plimsoll.LayerRef{Digest: plimsoll.DigestOf(b), Size: int64(len(b))}
		img.Layers = append(img.Layers, ref)
		s = s.next(ref.Digest, ref.Size, factsOf(t, b))
	}
	draw := func(o *owners) []byte {
		b, err := json.MarshalIndent(inventory(img, "recipe", s, o, allAnalyzers), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	whole = draw(s.owned())
	if o := below.ownedBelow().above(below, s); o != nil {
		known = draw(o)
	}
	return whole, known
}

// TestOwnersOfABase: what is known of who owns a base's files gives the inventory that reading all lists in the whole tree gives,
// or is not used.
func TestOwnersOfABase(t *testing.T) {
	t.Parallel()
	const images = 3000
	used := 0
	for seed := range uint64(images) {
		c := ownedChooser{rand.New(rand.NewPCG(seed, 1))}
		layers := [][]byte{tarOf(c.base())}
		for range 1 + c.IntN(3) {
			layers = append(layers, tarOf(c.layer()))
		}
		base := 1 + c.IntN(len(layers)-1)
		whole, known := drawnTwice(t, base, layers...)
		if known == nil {
			continue
		}
		used++
		if diff := cmp.Diff(string(whole), string(known)); diff != "" {
			t.Fatalf("seed %d, %d layers on %d (-read anew +known of the base):\n%s", seed, len(layers)-base, base, diff)
		}
	}
	if used < images/5 || used > images*4/5 {
		t.Errorf("what is known of the base was used for %d of %d images: hardly a test of both ways", used, images)
	}
}

// ownedChooser makes layers of few names, so that they often meet: folders that are links, owned files at either name, lists of
// several kinds, packages of npm.
type ownedChooser struct{ *rand.Rand }

func (c ownedChooser) one(of ...string) string { return of[c.IntN(len(of))] }

func (c ownedChooser) folder() string {
	return c.one("bin", "usr/bin", "usr/lib", "lib", "opt/a", "opt/link", "app", "app/node_modules/x", "var/lib/dpkg/info")
}

func (c ownedChooser) path() string { return c.folder() + "/" + c.one("f", "g", "h", "curl") }

func (c ownedChooser) program() file1 {
	return withMode([]int64{0o755, 0o755, 0o4755, 0o777}[c.IntN(4)], program(c.path(), c.one("good", "evil")))
}

// lists are those of one package: some of its files, with a sum that is right or not.
func (c ownedChooser) lists(key string) []file1 {
	var paths []string
	content := sums{}
	for range 1 + c.IntN(4) {
		p := "/" + c.path()
		paths = append(paths, p)
		if c.IntN(3) > 0 {
			content[p] = program("x", c.one("good", "evil"))
		}
	}
	return dpkgOwns(key, content, paths...)
}

func (c ownedChooser) base() []file1 {
	out := slices.Concat(imagetest.DebianLike("12", pkg("curl", "1")), c.lists("curl"), c.lists("libc6:amd64"))
	if c.IntN(2) == 0 {
		out = append(out, imagetest.Dir("usr/bin"), imagetest.Symlink("bin", c.one("usr/bin", "/usr/bin")))
	}
	if c.IntN(3) == 0 {
		out = append(out, imagetest.Symlink("opt/link", c.one("a", "../usr/lib", "missing")))
	}
	if c.IntN(3) == 0 {
		out = append(out, imagetest.Text("var/lib/dpkg/diversions", "/"+c.path()+"\n/"+c.path()+"\n:\n"))
	}
	if c.IntN(2) == 0 {
		out = append(out, c.npm(), program("app/node_modules/x/f", "x"))
	}
	for range 1 + c.IntN(6) {
		out = append(out, c.program())
	}
	return out
}

func (c ownedChooser) npm() file1 {
	return imagetest.Text(c.one("app/node_modules/x", "usr/lib/node_modules/x", "app")+"/package.json", `{"name":"x","version":"1.0.0"}`)
}

func (c ownedChooser) layer() (out []file1) {
	for range 1 + c.IntN(4) {
		switch c.IntN(14) {
		case 0:
			out = append(out, imagetest.Whiteout(c.one(c.path(), c.folder(), c.npm().Name, "bin", "opt/link")))
		case 1:
			out = append(out, imagetest.Opaque(c.folder()))
		case 2:
			out = append(out, imagetest.Symlink(c.one(c.folder(), c.path()), c.one("f", "/"+c.path(), "/"+c.folder(), "../usr/bin")))
		case 3:
			out = append(out, imagetest.Hardlink(c.path(), c.one(c.path(), "app/node_modules/x/f")))
		case 4:
			out = append(out, c.lists(c.one("curl", "other"))...)
		case 5, 6:
			out = append(out, c.npm())
		case 7:
			out = append(out, imagetest.Dir(c.folder()))
		case 8:
			out = append(out, withMode(0o755, imagetest.Text("var/lib/dpkg/info/"+c.one("curl", "evil")+".postinst", "#!/bin/sh\n")))
		case 9:
			out = append(out, imagetest.Text(c.path(), "text"))
		case 10, 11:
			out = append(out, c.program())
		default:
			out = append(out, program(fmt.Sprintf("app/%d/main", c.IntN(9)), "app"))
		}
	}
	return out
}
