package main

import (
	"archive/tar"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// entry is what a container's run-time sees of a file.
type entry struct {
	Type byte
	Mode int64
	Body string
}

func entries(t *testing.T, layer v1.Layer) (all map[string]entry, order []string) {
	t.Helper()
	r, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all = map[string]entry{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return all, order
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(epoch()) || strings.HasPrefix(h.Name, "/") {
			t.Errorf("%s: owner %d:%d, time %s; want root, the epoch and a relative name", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		all[h.Name] = entry{h.Typeflag, h.Mode, string(body)}
		order = append(order, h.Name)
	}
}

// TestRootfs: the layer holds the binary, a user that is not root and a /tmp for all, each below a folder that came before.
func TestRootfs(t *testing.T) {
	t.Parallel()
	layer, err := rootfs("/usr/local/bin/worker", []byte("program"), []byte("child"))
	if err != nil {
		t.Fatal(err)
	}
	got, order := entries(t, layer)
	dir := entry{tar.TypeDir, 0o755, ""}
	want := map[string]entry{
		"etc/": dir, "usr/": dir, "usr/local/": dir, "usr/local/bin/": dir, "tmp/": {tar.TypeDir, 0o1777, ""},
		"etc/passwd":                     {tar.TypeReg, 0o644, fmt.Sprintf("root:x:0:0:root:/:/nologin\nplimsoll:x:%d:%d:plimsoll:/:/nologin\n", user, user)},
		"usr/local/bin/worker":           {tar.TypeReg, 0o755, "program"},
		"usr/local/bin/plimsoll-analyse": {tar.TypeReg, 0o755, "child"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	seen := map[string]bool{"": true}
	for _, name := range order {
		if parent := name[:strings.LastIndexByte(strings.TrimSuffix(name, "/"), '/')+1]; !seen[parent] {
			t.Errorf("%s stands before its folder %q", name, parent)
		}
		seen[name] = true
	}
}

// TestRootfsSame: the same binary gives the same layer, another gives another.
func TestRootfsSame(t *testing.T) {
	t.Parallel()
	digest := func(body string) v1.Hash {
		t.Helper()
		layer, err := rootfs("/usr/local/bin/worker", []byte(body), nil)
		if err != nil {
			t.Fatal(err)
		}
		d, err := layer.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if a, b := digest("program"), digest("program"); a != b {
		t.Errorf("made twice: %s and %s", a, b)
	}
	if a, b := digest("program"), digest("programs"); a == b {
		t.Errorf("two programs, one layer: %s", a)
	}
}
