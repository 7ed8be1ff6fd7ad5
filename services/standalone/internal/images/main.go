// Command images writes the product's container images as OCI layouts, without docker: a static binary, the analysis child beside it, a passwd entry and
// an empty /tmp. The same sources, version and Go give the same digests.
//
//	images -out dist/images [-version v] [-platforms linux/amd64,linux/arm64] [-kustomization FILE]
package main

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user owns the process in the image; deploy/k8s names it too.
const user = 65532

// built are the images: a name and the package of its binary, relative to services/.
var built = []struct{ name, module, pkg, entrypoint string }{
	{"plimsoll", "standalone", "./cmd/plimsoll", "/usr/local/bin/plimsoll"},
	{"plimsoll-worker", "worker", "./cmd/worker", "/usr/local/bin/worker"},
}

func main() {
	out := flag.String("out", "dist/images", "folder for the layouts")
	version := flag.String("version", "dev", "version that the binary tells")
	platforms := flag.String("platforms", "linux/amd64", "platforms, comma-separated")
	kustomization := flag.String("kustomization", "", "kustomize component whose digests are set")
	services := flag.String("services", "..", "folder services/ of the checkout")
	flag.Parse()
	for _, image := range built {
		digest, err := write(*services, image.module, image.pkg, image.entrypoint, filepath.Join(*out, image.name), *version, strings.Split(*platforms, ","))
		if err == nil && *kustomization != "" {
			err = setDigest(*kustomization, image.name, digest)
		}
		if err != nil {
			log.Fatalf("images: %s: %v", image.name, err)
		}
		fmt.Printf("%-16s %s  %s\n", image.name, digest, filepath.Join(*out, image.name))
	}
}

// write builds one image for all platforms and writes its layout; an index stands over several platforms.
func write(services, module, pkg, entrypoint, out, version string, platforms []string) (v1.Hash, error) {
	if err := os.RemoveAll(out); err != nil {
		return v1.Hash{}, err
	}
	path, err := layout.Write(out, empty.Index)
	if err != nil {
		return v1.Hash{}, err
	}
	named := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": version})
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, platform := range platforms {
		image, p, err := build(filepath.Join(services, module), pkg, entrypoint, version, platform)
		if err != nil {
			return v1.Hash{}, fmt.Errorf("%s: %w", platform, err)
		}
		if len(platforms) == 1 {
			if err := path.AppendImage(image, named); err != nil {
				return v1.Hash{}, err
			}
			return image.Digest()
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: p}})
	}
	if err := path.AppendIndex(index, named); err != nil {
		return v1.Hash{}, err
	}
	return index.Digest()
}

func build(dir, pkg, entrypoint, version, platform string) (v1.Image, *v1.Platform, error) {
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, nil, err
	}
	binary, err := compile(dir, pkg, version, p)
	if err != nil {
		return nil, nil, err
	}
	child, err := compile(filepath.Join(dir, "../worker"), "./cmd/plimsoll-analyse", version, p)
	if err != nil {
		return nil, nil, err
	}
	layer, err := rootfs(entrypoint, binary, child)
	if err != nil {
		return nil, nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, MediaType: types.OCILayer,
		History: v1.History{CreatedBy: "plimsoll images: " + entrypoint, Created: v1.Time{Time: epoch()}}})
	if err != nil {
		return nil, nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	config.Created = v1.Time{Time: epoch()}
	config.Config = v1.Config{
		User: fmt.Sprint(user), Entrypoint: []string{entrypoint}, WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":    filepath.Base(entrypoint),
			"org.opencontainers.image.version":  version,
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	image, err = mutate.ConfigFile(image, config)
	return image, p, err
}

// compile builds a static binary that does not depend on where it is built.
func compile(dir, pkg, version string, p *v1.Platform) ([]byte, error) {
	out, err := os.MkdirTemp("", "images-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	file := filepath.Join(out, "binary")
	flags := "-s -w -buildid= -X github.com/plimsoll/plimsoll/services/standalone/internal/cli.version=" + version
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", file, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOOS="+p.OS, "GOARCH="+p.Architecture)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go build %s: %w", pkg, err)
	}
	return os.ReadFile(file)
}

// analyse is the child that a worker starts to analyse layers; every image of ours may hold a worker.
const analyse = "/usr/local/bin/plimsoll-analyse"

// rootfs is the image's one layer.
func rootfs(entrypoint string, binary, child []byte) (v1.Layer, error) {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	add := func(name string, mode int64, body []byte) error {
		h := &tar.Header{Name: strings.TrimPrefix(name, "/"), Mode: mode, Size: int64(len(body)), ModTime: epoch(), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if strings.HasSuffix(name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		_, err := tw.Write(body)
		return err
	}
	passwd := fmt.Sprintf("root:x:0:0:root:/:/nologin\nplimsoll:x:%d:%d:plimsoll:/:/nologin\n", user, user)
	for _, f := range []struct {
		name string
		mode int64
		body []byte
	}{
		{"/etc/", 0o755, nil}, {"/etc/passwd", 0o644, []byte(passwd)}, {"/tmp/", 0o1777, nil},
		{"/usr/", 0o755, nil}, {"/usr/local/", 0o755, nil}, {"/usr/local/bin/", 0o755, nil}, {entrypoint, 0o755, binary}, {analyse, 0o755, child},
	} {
		if err := add(f.name, f.mode, f.body); err != nil {
			return nil, fmt.Errorf("layer: %s: %w", f.name, err)
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	raw := b.Bytes()
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }, tarball.WithMediaType(types.OCILayer))
}

// epoch is the time of everything in the image.
func epoch() time.Time { return time.Unix(0, 0).UTC() }

// setDigest writes digest beside the image's name, and nothing else of the file.
func setDigest(file, name string, digest v1.Hash) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	entry := regexp.MustCompile(`(?m)(- name: ` + regexp.QuoteMeta(name) + `\n(?:    .*\n)*?    digest: )sha256:[0-9a-f]{64}`)
	if !entry.Match(raw) {
		return fmt.Errorf("%s: no image named %q with a digest", file, name)
	}
	return os.WriteFile(file, entry.ReplaceAll(raw, []byte("${1}"+digest.String())), 0o644)
}
