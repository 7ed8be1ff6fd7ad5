package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// TestTools: what people push with skopeo and crane has its verdict by the registry's notifications alone; a sweep then answers
// the same and reads no layer. On distribution 3, and on the registry that Debian packages.
func TestTools(t *testing.T) {
	t.Parallel()
	for name, newRegistry := range map[string]func(t *testing.T, hook string) *distribution{
		"distribution": newDistribution, "debian": newDebianRegistry,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listen := freeAddress(t)
			d := newRegistry(t, "http://"+listen+"/hooks/corp")
			testTools(t, d, listen)
		})
	}
}

func testTools(t *testing.T, d *distribution, listen string) {
	ctx := testContext(t)
	skopeo, crane := d.skopeo(), d.crane()
	s := up(t, setup{listen: listen, registries: []plimsoll.Registry{d.configured()}, advisories: sampleAdvisories(t)})

	old, fixed := layoutOf(t, app(t, "amd64", "lodash", "4.17.11")), layoutOf(t, app(t, "amd64", "lodash", "4.17.23"))
	// skopeo compresses only what the registry does not hold in any repository.
	squeezed := layoutOf(t, app(t, "amd64", "lodash", "4.17.11", "minimist", "1.2.8"))
	index, err := imagetest.Index(imagetest.Child{Image: app(t, "amd64", "lodash", "4.17.11")}, imagetest.Child{Image: app(t, "arm64", "lodash", "4.17.23")})
	if err != nil {
		t.Fatal(err)
	}
	two := layoutOf(t, index)
	at := func(name string) string { return d.host + "/" + name }
	skopeo("copy", "oci:"+old, "docker://"+at("skopeo/web:1.0"))
	skopeo("copy", "--dest-compress-format", "zstd", "oci:"+squeezed, "docker://"+at("skopeo/zstd:1.0"))
	skopeo("copy", "--format", "v2s2", "oci:"+old, "docker://"+at("skopeo/docker:1.0"))
	skopeo("copy", "--all", "oci:"+two, "docker://"+at("skopeo/two:1.0"))
	skopeo("copy", "docker://"+at("skopeo/web:1.0"), "docker://"+at("skopeo/copied:1.0"))
	skopeo("copy", "oci:"+old, "docker://"+at("skopeo/moved:1.0"))
	skopeo("copy", "oci:"+fixed, "docker://"+at("skopeo/gone:1.0"))
	crane("push", fixed, at("crane/web:1.0"))
	crane("push", two, at("crane/two:1.0"))
	crane("copy", at("skopeo/zstd:1.0"), at("crane/copied:1.0"))
	crane("copy", at("skopeo/two:1.0"), at("crane/mirror/two:1.0"))
	crane("tag", at("crane/web:1.0"), "stable")
	crane("push", fixed, at("skopeo/moved:1.0"))
	if types := mediaTypesOf(t, crane("manifest", at("crane/copied:1.0"))); !slices.ContainsFunc(types, func(s string) bool { return strings.HasSuffix(s, "+zstd") }) {
		t.Errorf("layers of the image that skopeo compressed are %v, want zstd", types)
	}
	if types := mediaTypesOf(t, crane("manifest", at("skopeo/docker:1.0"))); !slices.Contains(types, "application/vnd.docker.image.rootfs.diff.tar.gzip") {
		t.Errorf("layers of the image that skopeo wrote in Docker's format are %v", types)
	}

	const bad, good = true, false // whether CVE-2019-10744 of lodash 4.17.11 is in it
	want := map[string]bool{
		"skopeo/web:1.0 linux/amd64": bad, "skopeo/zstd:1.0 linux/amd64": bad, "skopeo/docker:1.0 linux/amd64": bad, "skopeo/two:1.0 linux/amd64": bad,
		"skopeo/two:1.0 linux/arm64": good, "skopeo/copied:1.0 linux/amd64": bad, "skopeo/moved:1.0 linux/amd64": good, "skopeo/gone:1.0 linux/amd64": good,
		"crane/web:1.0 linux/amd64": good, "crane/two:1.0 linux/amd64": bad, "crane/two:1.0 linux/arm64": good, "crane/copied:1.0 linux/amd64": bad,
		"crane/mirror/two:1.0 linux/amd64": bad, "crane/mirror/two:1.0 linux/arm64": good, "crane/web:stable linux/amd64": good,
	}
	pushed := func() (all []scanned, err error) {
		all, err = s.images(ctx, "corp")
		if err != nil {
			return nil, err
		}
		got := map[string]bool{}
		for _, im := range all {
			if !im.complete() {
				return nil, fmt.Errorf("%s is read %v", im.Reference, im.Read)
			}
			got[strings.TrimPrefix(im.Reference, d.host+"/")+" "+im.Platform] = im.has("CVE-2019-10744")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return nil, fmt.Errorf("which images have CVE-2019-10744 (-want +got):\n%s", diff)
		}
		return all, nil
	}
	var before []scanned
	eventually(ctx, t, "verdicts of what was pushed", func() (err error) { before, err = pushed(); return err })
	for _, im := range before {
		if im.has("CVE-2019-10744") && im.Verdict != plimsoll.VerdictFail || !im.has("CVE-2024-58251") {
			t.Errorf("%s %s: verdict %s, CVE-2024-58251 of the base's busybox %t", im.Reference, im.Platform, im.Verdict, im.has("CVE-2024-58251"))
		}
	}
	skopeo("delete", "docker://"+at("skopeo/gone:1.0"))
	eventually(ctx, t, "the event of what skopeo deleted", func() error { return s.denied(ctx, "skopeo/gone") })
	if last, err := s.lastSweep(ctx, "corp"); err != nil || last.Slot != "" {
		t.Fatalf("the sweep %q (%v) has run before any was asked for", last.Slot, err)
	}

	const tags = 11
	bytes, reads := d.blobBytes.Load(), d.blobReads.Load()
	sweep := s.sweep(ctx, "corp")
	if c := sweep.Counts; sweep.State != plimsoll.SweepGreen || c.Listed != tags || c.Unchanged != tags || c.Gone != 1 || c.Requests != 0 || c.LayerBytes != 0 {
		t.Errorf("sweep after the pushes = %s %+v (%s), want green, all %d tags unchanged, one gone, nothing asked for", sweep.State, c, sweep.Error, tags)
	}
	if b, n := d.blobBytes.Load()-bytes, d.blobReads.Load()-reads; b != 0 || n != 0 {
		t.Errorf("the sweep read %d bytes of %d blobs, want none", b, n)
	}
	delete(want, "skopeo/gone:1.0 linux/amd64")
	before = slices.DeleteFunc(before, func(im scanned) bool { return im.Reference == at("skopeo/gone:1.0") })
	var after []scanned
	eventually(ctx, t, "the posture after the sweep", func() (err error) { after, err = pushed(); return err })
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the sweep answers otherwise than the pushes did (-pushes +sweep):\n%s", diff)
	}

	crane("copy", at("skopeo/web:1.0"), at("crane/late:1.0"))
	want["crane/late:1.0 linux/amd64"] = bad
	eventually(ctx, t, "the verdict of a push after the sweep", func() error { _, err := pushed(); return err })
	if sweep := s.sweep(ctx, "corp"); sweep.State != plimsoll.SweepGreen || sweep.Counts.Unchanged != tags+1 || sweep.Counts.Missed != 0 {
		t.Errorf("second sweep = %s %+v (%s), want green, all %d tags unchanged, no push missed", sweep.State, sweep.Counts, sweep.Error, tags+1)
	}
}

// denied waits for what a deletion event leads to: the registry, asked for the tag, denies it.
func (s *server) denied(ctx context.Context, repository string) error {
	var answer struct {
		Items []struct {
			Change plimsoll.Change `json:"change"`
		} `json:"items"`
	}
	if err := s.call(ctx, http.MethodGet, "/api/v1/changes", nil, &answer); err != nil {
		return err
	}
	for _, e := range answer.Items {
		if c := e.Change; c.Repository == repository && c.Ref != nil && c.Ref.Missing == 1 {
			return nil
		}
	}
	return fmt.Errorf("no change of %s says that its tag is missing", repository)
}

// layoutOf writes an OCI layout that holds one image or index alone.
func layoutOf(t *testing.T, what any) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	switch w := what.(type) {
	case v1.Image:
		err = path.AppendImage(w)
	case v1.ImageIndex:
		err = path.AppendIndex(w)
	default:
		err = fmt.Errorf("%T is neither an image nor an index", what)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func mediaTypesOf(t *testing.T, manifest string) (types []string) {
	t.Helper()
	var m v1.Manifest
	if err := json.Unmarshal([]byte(manifest), &m); err != nil {
		t.Fatalf("manifest: %v\n%.500s", err, manifest)
	}
	for _, l := range m.Layers {
		types = append(types, string(l.MediaType))
	}
	return types
}

// tool runs a command to its end, which must be good, and gives what it printed.
type tool func(args ...string) string

// skopeo is the installed one. Where there is none the test is skipped.
func (d *distribution) skopeo() tool {
	d.t.Helper()
	program, err := exec.LookPath("skopeo")
	if err != nil {
		d.t.Skipf("skopeo is not installed (Debian: skopeo): %v", err)
	}
	run := d.tool(program)
	return func(args ...string) string {
		d.t.Helper()
		insecure := map[string][]string{"copy": {"--src-tls-verify=false", "--dest-tls-verify=false"}, "delete": {"--tls-verify=false"}}[args[0]]
		return run(slices.Concat([]string{"--insecure-policy", args[0]}, insecure, args[1:])...)
	}
}

// crane is built from the library that Plimsoll uses, whose command it is. Where that cannot be the test is skipped.
func (d *distribution) crane() tool {
	d.t.Helper()
	program := filepath.Join(d.t.TempDir(), "crane")
	build := exec.CommandContext(d.t.Context(), "go", "build", "-o", program, "github.com/google/go-containerregistry/cmd/crane")
	if out, err := build.CombinedOutput(); err != nil {
		d.t.Skipf("crane cannot be built: %v\n%s", err, out)
	}
	return d.tool(program)
}

// tool is a program that is given the registry's account in Docker's form, which skopeo and crane both read.
func (d *distribution) tool(program string) tool {
	d.t.Helper()
	dir := d.t.TempDir()
	account := base64.StdEncoding.EncodeToString([]byte(d.user + ":" + d.password))
	config, err := json.Marshal(map[string]any{"auths": map[string]any{d.host: map[string]string{"auth": account}}})
	if d.user == "" {
		config = []byte("{}")
	}
	file := filepath.Join(dir, "config.json")
	if err == nil {
		err = os.WriteFile(file, config, 0o600)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return func(args ...string) string {
		d.t.Helper()
		cmd := exec.CommandContext(d.t.Context(), program, args...)
		cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+dir, "REGISTRY_AUTH_FILE="+file)
		var said buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			d.t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, &said)
		}
		return string(out)
	}
}
