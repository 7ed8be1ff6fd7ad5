package analyze

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// walked gives what all analysers say of a stored layer, as the worker's child does. It is the one place of these tests that knows
// how a session is made and fed.
func walked(ctx context.Context, b []byte) ([]plimsoll.Facts, error) {
	lim, key := layer.DefaultLimits(), bytes.Repeat([]byte{7}, 32)
	secrets, err := Secrets(lim, key)
	if err != nil {
		return nil, err
	}
	s, err := New(ctx, append(Analyzers(lim, nil), secrets), Options{Key: key})
	if err != nil {
		return nil, err
	}
	want := layer.Blob{Digest: plimsoll.DigestOf(b), Size: int64(len(b))}
	res, err := layer.Walk(layer.NewSource(ctx, bytes.NewReader(b), want, nil), lim, s)
	if err != nil {
		return nil, err
	}
	return s.Facts(want, res), nil
}

// claimed gives the packages of a layer with one file that is so large by its header: nothing of it follows.
func claimed(ctx context.Context, path string, size int64) (*plimsoll.PackageFacts, error) {
	s, err := New(ctx, Analyzers(layer.DefaultLimits(), nil), Options{})
	if err != nil {
		return nil, err
	}
	h := &layer.Header{Name: path, Typeflag: tar.TypeReg, Size: size, Mode: 0o755}
	if err := s.Visit(path, h, strings.NewReader("")); err != nil {
		return nil, err
	}
	return s.Facts(layer.Blob{}, layer.Result{Read: plimsoll.Complete()})[1].Packages, nil
}

// wrong are cases that the analyser answers otherwise than the catalogue asks. The list must be empty; a case that has become right
// must be taken off it.
var wrong = map[string]string{}

// onlyAssembled are rows whose outcome only the whole image shows: databases that are missing, links, or no files.
func onlyAssembled(c imagetest.Case) bool {
	return c.Row() == "H52" || strings.Contains(c.Name, "is a folder") || strings.Contains(c.Name, "is a device")
}

// TestHostileContent: no package file, however made, stops the walk; what could not be read is told with a reason; and the
// honest packages beside it are found.
func TestHostileContent(t *testing.T) {
	t.Parallel()
	for _, c := range append(imagetest.HostileContent(), imagetest.HostileText()...) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			facts, err := walked(t.Context(), c.Layer)
			if err != nil {
				t.Fatalf("walk of right bytes: %v", err)
			}
			packages := facts[1].Packages
			if packages == nil {
				t.Fatalf("no packages: %+v", facts[1].Read)
			}
			short, held := shortOf(t, facts), heldBy(packages)
			right := c.Want == imagetest.WantOKPartial || onlyAssembled(c) || short == (c.Want == imagetest.WantPartial)
			for _, p := range c.Holds {
				if !slices.Contains(held, p) {
					right = false
					t.Logf("lacks %s, has %.20q", p, held)
				}
			}
			switch why, listed := wrong[c.Name]; {
			case !right && !listed:
				t.Errorf("want %s, got short=%v: %v", c.Want, short, reasonsOf(facts))
			case right && listed:
				t.Errorf("is right now: take it off the list (%s)", why)
			}
		})
	}
}

// shortOf tells whether packages or secrets are short, and checks that what is short says why.
func shortOf(t *testing.T, facts []plimsoll.Facts) (short bool) {
	t.Helper()
	for _, read := range reads(facts) {
		if !read.Short() {
			continue
		}
		short = true
		if read.Reason == "" || len(read.Reason) > 200 || strings.ContainsAny(read.Reason, "\n\x00\x1b") {
			t.Errorf("reason %q", read.Reason)
		}
		if strings.Contains(read.Reason, "panicked") {
			t.Errorf("an extractor panicked: %s", read.Reason)
		}
	}
	return short
}

func reads(facts []plimsoll.Facts) (all []plimsoll.Coverage) {
	for _, f := range facts {
		all = append(all, f.Read)
		if f.Packages != nil {
			for _, s := range f.Packages.Sources {
				all = append(all, s.Read)
			}
		}
		if f.Secrets != nil {
			for _, s := range f.Secrets.Files {
				all = append(all, s.Read)
			}
		}
	}
	return all
}

func reasonsOf(facts []plimsoll.Facts) (all []string) {
	for _, r := range reads(facts) {
		if r.Reason != "" {
			all = append(all, r.Reason)
		}
	}
	return all
}

func heldBy(f *plimsoll.PackageFacts) (all []string) {
	for _, s := range f.Sources {
		for _, p := range s.Packages {
			all = append(all, p.Name+" "+p.Version)
		}
	}
	return all
}

// TestHostileSizes: a package file that is larger than any reader takes is told, whatever its size: no extractor's own bound may pass
// over it without a word.
func TestHostileSizes(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"var/lib/dpkg/status", "lib/apk/db/installed", "var/lib/rpm/rpmdb.sqlite", "usr/lib/python3/site-packages/x-1.dist-info/METADATA",
		"app/node_modules/.package-lock.json", "app/node_modules/x/package.json", "usr/lib/ruby/gems/3.3.0/specifications/x-1.gemspec", "app/x.deps.json", "app/x.jar",
	} {
		for _, size := range []int64{maxDatabase + 1, maxDatabase + 2, 1 << 40, 1<<63 - 1} {
			name := fmt.Sprintf("%s of %d bytes", path, size)
			facts, err := claimed(t.Context(), path, size)
			if err != nil {
				t.Fatal(err)
			}
			told := len(facts.Sources) == 1 && strings.Contains(facts.Sources[0].Read.Reason, "limit reached")
			if !told {
				t.Errorf("%s: %+v", name, facts.Sources)
			}
		}
	}
}

// TestHostileOrder: the same layers give byte-identical facts one after the other and eight at a time in any order (H55).
func TestHostileOrder(t *testing.T) {
	t.Parallel()
	var layers [][]byte
	for _, c := range append(imagetest.Hostile(), imagetest.HostileContent()...) {
		if len(c.Layer) < 1<<20 {
			layers = append(layers, c.Layer)
		}
	}
	want := make([][]byte, len(layers))
	for i, b := range layers {
		want[i] = factBytes(t, b)
	}
	const workers = 8
	order, todo := rand.New(rand.NewPCG(1, 2)).Perm(len(layers)), make(chan int)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := range todo {
				if got := factBytes(t, layers[i]); !bytes.Equal(got, want[i]) {
					t.Errorf("layer %d: other facts:\n%.300s\nfirst\n%.300s", i, got, want[i])
				}
			}
		})
	}
	for _, i := range order {
		todo <- i
	}
	close(todo)
	all.Wait()
}

func factBytes(t *testing.T, b []byte) []byte {
	t.Helper()
	facts, err := walked(t.Context(), b)
	if err != nil {
		t.Error(err)
	}
	out, err := json.Marshal(facts)
	if err != nil {
		t.Error(err)
	}
	return out
}
