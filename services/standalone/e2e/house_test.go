package e2e

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// TestHouse: a backup is made while everything runs; what it was made of is lost; restored, the same is answered, byte for byte, and
// no layer is read. fsck finds a damaged object and has it made again; gc takes nothing that is in use; a registry that is
// forgotten is gone.
func TestHouse(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	d := newDistribution(t, "")
	two, err := imagetest.Index(imagetest.Child{Image: app(t, "amd64", "lodash", "4.17.11")}, imagetest.Child{Image: app(t, "arm64", "lodash", "4.17.23")})
	if err != nil {
		t.Fatal(err)
	}
	d.push("shop/web", "1.0", app(t, "amd64", "lodash", "4.17.11"))
	d.push("shop/api", "2.0", app(t, "amd64", "minimist", "1.2.0"))
	d.push("shop/two", "1.0", two)
	set := setup{data: t.TempDir(), registries: []plimsoll.Registry{d.configured()}, advisories: sampleAdvisories(t)}
	s := up(t, set)
	if sweep := s.sweep(ctx, "corp"); sweep.State != plimsoll.SweepGreen {
		t.Fatalf("sweep = %s %+v (%s), want green", sweep.State, sweep.Counts, sweep.Error)
	}
	s.image(ctx, "corp", "shop/web:1.0", isComplete)
	want := s.document(ctx, t)
	if n := strings.Count(want, `"reference"`); n != 4 || !strings.Contains(want, "CVE-2019-10744") {
		t.Fatalf("%d images before anything is lost, want 4, with CVE-2019-10744 in\n%.2000s", n, want)
	}
	command := func(code int, args ...string) string {
		t.Helper()
		out, errOut, got := plimsollCommand(ctx, t, args...)
		if got != code {
			t.Fatalf("plimsoll %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, errOut)
		}
		return out
	}
	backup := filepath.Join(t.TempDir(), "backup.tar")
	command(0, "backup", "--data", set.data, backup)
	s.stop()

	// All of it is lost, and restored elsewhere.
	if err := os.RemoveAll(set.data); err != nil {
		t.Fatal(err)
	}
	set.data = t.TempDir()
	command(0, "restore", "--data", set.data, backup)
	reads := d.blobReads.Load()
	s = up(t, set)
	eventually(ctx, t, "the answers of the restored one", func() error { return s.answers(ctx, t, want) })
	command(0, "fsck", "--data", set.data)
	if out := command(0, "gc", "--data", set.data, "--delete"); !strings.Contains(out, "exit 0") {
		t.Errorf("gc says\n%s", out)
	}
	if err := s.answers(ctx, t, want); err != nil {
		t.Errorf("after gc: %v", err)
	}
	if n := d.blobReads.Load() - reads; n != 0 {
		t.Errorf("%d blobs were read after the restore, want none", n)
	}
	s.stop()

	// One inventory is damaged on the disk.
	damaged := damage(t, set.data)
	if out := command(2, "fsck", "--data", set.data); !strings.Contains(out, damaged) {
		t.Errorf("fsck does not name %s:\n%s", damaged, out)
	}
	if out := command(0, "fsck", "--data", set.data, "--repair"); !strings.Contains(out, "repaired") {
		t.Errorf("fsck --repair says\n%s", out)
	}
	s = up(t, set)
	if sweep := s.sweep(ctx, "corp"); sweep.State != plimsoll.SweepGreen {
		t.Errorf("sweep after the repair = %s %+v (%s), want green", sweep.State, sweep.Counts, sweep.Error)
	}
	eventually(ctx, t, "the answers after the repair", func() error { return s.answers(ctx, t, want) })
	s.stop()
	command(0, "fsck", "--data", set.data)

	// The registry is taken out of the configuration.
	set.registries = nil
	s = up(t, set)
	command(0, "registry", "forget", "corp", "--data", set.data)
	eventually(ctx, t, "the forgotten registry leaves the posture", func() error { return s.answers(ctx, t, "") })
}

// document is what is said of all images, as bytes; without the times at which feeds were looked at.
func (s *server) document(ctx context.Context, t *testing.T) string {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/scan?registry=corp", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, images, _ := strings.Cut(string(b), `"images"`)
	return images
}

// answers compares what is said with what was said. Nothing but an empty list, or no registry, is like "".
func (s *server) answers(ctx context.Context, t *testing.T, want string) error {
	t.Helper()
	got := s.document(ctx, t)
	if want == "" && !strings.Contains(got, `"reference"`) || got == want {
		return nil
	}
	return errDiffers(cmp.Diff(want, got))
}

type errDiffers string

func (e errDiffers) Error() string { return "other answers (-want +got):\n" + string(e) }

// damage changes one byte of an inventory in an embedded bucket, and returns its key's end.
func damage(t *testing.T, data string) (name string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(data, "bucket"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || name != "" || !e.Type().IsRegular() || !strings.Contains(path, "/inventories/") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[len(b)/2] ^= 1
		name = filepath.Base(path)
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil || name == "" {
		t.Fatalf("no inventory to damage: %v", err)
	}
	return name
}
