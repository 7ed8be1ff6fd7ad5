package imagetest

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSpecimens: every row that a stored image can be has a case, and none shares its name or folder with another.
func TestSpecimens(t *testing.T) {
	t.Parallel()
	slug, slugs, rows := regexp.MustCompile(`^h[0-9]+(-[a-z0-9]+)+$`), map[string]bool{}, map[string]bool{}
	wants := map[string]bool{WantOK: true, WantPartial: true, WantOKPartial: true, WantRefused: true, WantNoImage: true}
	for _, s := range Specimens() {
		if !slug.MatchString(s.Slug()) || len(s.Slug()) > 128 || slugs[s.Slug()] {
			t.Errorf("%s: folder %q is of no form, or taken", s.Name, s.Slug())
		}
		if !wants[s.Want] {
			t.Errorf("%s: outcome %q", s.Name, s.Want)
		}
		slugs[s.Slug()], rows[s.Row()] = true, true
	}
	for _, skipped := range []int{27, 31, 32, 33, 34, 35, 36, 46} { // of registries alone
		rows[fmt.Sprintf("H%d", skipped)] = true
	}
	for row := 1; row <= 47; row++ {
		if !rows[fmt.Sprintf("H%d", row)] {
			t.Errorf("row H%d has no case", row)
		}
	}
}

// TestLayouts: what is written is a layout whose blobs are what they say, but for the cases that are about that; and it is the same
// the second time.
func TestLayouts(t *testing.T) {
	t.Parallel()
	large := map[string]bool{"H16": true, "H17": true, "H37": true, "H39": true, "H42": true, "H47": true} // of the same making as the others
	claimed := regexp.MustCompile(`^H2[015] .*(flipped|longer|shorter|other bytes|no bytes|itself|ring)`)
	var honest []Specimen
	for _, s := range Specimens() {
		if !claimed.MatchString(s.Name) && !large[s.Row()] {
			honest = append(honest, s)
		}
	}
	first := layoutOf(t, honest)
	for name, sum := range first {
		if hash, ok := strings.CutPrefix(name, "blobs/sha256/"); ok && hash != sum {
			t.Errorf("%s holds %s", name, sum)
		}
	}
	if diff := cmp.Diff(first, layoutOf(t, honest)); diff != "" {
		t.Errorf("the second time (-first +second):\n%s", diff)
	}
}

// layoutOf writes a layout and gives the hash of each file in it.
func layoutOf(t *testing.T, specimens []Specimen) map[string]string {
	t.Helper()
	dir, sums := t.TempDir(), map[string]string{}
	if err := WriteLayout(dir, specimens...); err != nil {
		t.Fatal(err)
	}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		sum := sha256.Sum256(b)
		sums[name] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var index struct{ Manifests []json.RawMessage }
	if err := json.Unmarshal(Must(os.ReadFile(filepath.Join(dir, "index.json"))), &index); err != nil || len(index.Manifests) != len(specimens) {
		t.Fatalf("index of %d images, want %d: %v", len(index.Manifests), len(specimens), err)
	}
	return sums
}

// TestFixtures: the honest forms that the hostile ones are made of are sound: refusing those for bad form would prove nothing.
func TestFixtures(t *testing.T) {
	t.Parallel()
	for name, jar := range map[string][]byte{"plain": zipArchive(pom("a"), zipSqueezed("b", repeated("b", 1000))), "nested": nested(3), "doubling": doubling(3)} {
		z, err := zip.NewReader(bytes.NewReader(jar), int64(len(jar)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, f := range z.File {
			if err := readMember(f); err != nil {
				t.Errorf("%s: %s: %v", name, f.Name, err)
			}
		}
	}
	info, err := buildinfo.Read(bytes.NewReader(goProgram(goInfo{modules: modules("example.com/dep")}.bytes())))
	if err != nil || len(info.Deps) != 1 || info.Main.Path != "example.com/app" {
		t.Errorf("build information %+v, %v", info, err)
	}
	f, err := elf.NewFile(bytes.NewReader(rustProgram([]byte("list"))))
	if err != nil || f.Section(".dep-v0") == nil {
		t.Errorf("program with a list: %+v, %v", f, err)
	}
}

func readMember(f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

// TestSqueezer: what it writes inflates to what it was given, once and again.
func TestSqueezer(t *testing.T) {
	t.Parallel()
	part := repeated("part", 1000)
	b := squeezed(func(s *squeezer) {
		s.add([]byte("head"))
		s.again(part, 3)
	})
	want := digestOf(append(append(append([]byte("head"), part...), part...), part...))
	if got := plainHash(b); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
}
