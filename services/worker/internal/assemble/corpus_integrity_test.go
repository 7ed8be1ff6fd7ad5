package assemble

import (
	"encoding/json"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

// corpus reads images of an OCI layout that PLIMSOLL_CORPUS names.
type corpus struct {
	dir    string
	images map[string][]string // layers' digests by the image's name
	layers map[string]*layerFacts
}

func openCorpus(t testing.TB) *corpus {
	t.Helper()
	dir := os.Getenv("PLIMSOLL_CORPUS")
	if dir == "" {
		t.Skip("PLIMSOLL_CORPUS is not set: the folder that holds layout/, the images of the corpus")
	}
	c := &corpus{filepath.Join(dir, "layout"), map[string][]string{}, map[string]*layerFacts{}}
	var index struct {
		Manifests []struct {
			Digest      string
			Annotations map[string]string
		}
	}
	c.json(t, filepath.Join(c.dir, "index.json"), &index)
	for _, m := range index.Manifests {
		var man struct{ Layers []struct{ Digest string } }
		c.json(t, c.blob(m.Digest), &man)
		for _, l := range man.Layers {
			name := m.Annotations["org.opencontainers.image.ref.name"]
			c.images[name] = append(c.images[name], l.Digest)
		}
	}
	return c
}

func (c *corpus) blob(digest string) string {
	return filepath.Join(c.dir, "blobs", strings.Replace(digest, ":", "/", 1))
}

func (c *corpus) json(t testing.TB, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// inventory analyses and assembles an image; each layer is analysed once.
func (c *corpus) inventory(t testing.TB, image string) (plimsoll.Inventory, *state) {
	t.Helper()
	if len(c.images[image]) == 0 {
		t.Fatalf("the corpus has no image %s", image)
	}
	merged, img := &state{}, plimsoll.Image{}
	for _, digest := range c.images[image] {
		l := c.layers[digest]
		if l == nil {
			b, err := os.ReadFile(c.blob(digest))
			if err != nil {
				t.Fatal(err)
			}
			l = factsOf(t, b)
			c.layers[digest] = l
		}
		ref := plimsoll.LayerRef{Digest: plimsoll.Digest(digest)}
		img.Layers = append(img.Layers, ref)
		merged = merged.next(ref.Digest, 0, l)
	}
	return inventory(img, "recipe", merged, merged.owned(), bothAnalyzers), merged
}

// reference is the image's name as a registry has it: the layout has "team-web_1.0" for team/web:1.0.
func reference(name string) string {
	return strings.Replace(strings.Replace(name, "_", ":", 1), "-", "/", 1)
}

// explained are the rows of docs/unowned.tsv: image and path pattern.
func explained(t testing.TB) map[[2]string]bool {
	t.Helper()
	b, err := os.ReadFile("../../../../docs/unowned.tsv")
	if err != nil {
		t.Fatal(err)
	}
	used := map[[2]string]bool{}
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		row := strings.Split(line, "\t")
		if len(row) != 3 || row[2] == "" {
			t.Fatalf("docs/unowned.tsv:%d: want image, path and reason", i+1)
		}
		if i > 0 {
			used[[2]string{row[0], row[1]}] = false
		}
	}
	return used
}

// TestCorpusIntegrity: in the corpus, executables that no package owns equal the committed, explained list, both ways; nothing is
// altered or set-uid without an owner but what was put there to be found; every list is read whole.
func TestCorpusIntegrity(t *testing.T) {
	t.Parallel()
	c := openCorpus(t)
	rows := explained(t)
	wrong := map[string][]string{
		"team/implant:1.0": {"usr/bin/curl L2 curl altered", "usr/local/bin/.kworkerd L2 unowned,set-uid"},
	}
	for name := range c.images {
		image := reference(name)
		inv, s := c.inventory(t, name)
		files, short := s.owned().integrity(s, false)
		if len(short) > 0 {
			t.Errorf("%s: read %+v", image, short)
		}
		if diff := cmp.Diff(files, inv.Files); diff != "" {
			t.Errorf("%s: the inventory's files differ:\n%s", image, diff)
		}
		var bad []string
		for _, f := range files {
			has := func(n plimsoll.FileNote) bool { return slices.Contains(f.Notes, n) }
			unowned := has(plimsoll.NoteUnowned)
			if has(plimsoll.NoteAltered) || has(plimsoll.NoteUnverified) || unowned && (has(plimsoll.NoteSetUID) || has(plimsoll.NoteSetGID)) {
				bad = append(bad, told([]plimsoll.File{f})...)
			}
			if unowned && !explain(rows, image, f.Path) {
				t.Errorf("%s: %s (layer %d) has no owner, and no row of docs/unowned.tsv", image, f.Path, f.Layer)
			}
		}
		if diff := cmp.Diff(wrong[image], bad); diff != "" {
			t.Errorf("%s: altered files and set-uid ones without an owner (-want +got):\n%s", image, diff)
		}
	}
	for row, used := range rows {
		if !used {
			t.Errorf("docs/unowned.tsv: %s in %s has an owner, or is gone: drop the row", row[1], row[0])
		}
	}
}

// explain marks the row that explains a file.
func explain(rows map[[2]string]bool, image, file string) bool {
	found := false
	for row := range rows {
		inImage, _ := path.Match(row[0], image)
		atPath, _ := path.Match(row[1], file)
		if inImage && atPath {
			rows[row], found = true, true
		}
	}
	return found
}

// BenchmarkCorpusIntegrity is what ownership and integrity add to the assembly of each image.
func BenchmarkCorpusIntegrity(b *testing.B) {
	c := openCorpus(b)
	for _, name := range slices.Sorted(maps.Keys(c.images)) {
		b.Run(name, func(b *testing.B) {
			_, s := c.inventory(b, name)
			for b.Loop() {
				s.owned().integrity(s, false)
			}
		})
	}
}
