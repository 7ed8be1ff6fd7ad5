// Package demo is the sample registry of `plimsoll demo`: images that the program makes and advisories that it carries, so that
// everything works from the binary alone. Both take the same way as any others: registry, queue, workflow, worker, bucket.
package demo

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"

	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// Sample is one tag of the sample registry.
type Sample struct {
	Repository, Tag string
	Shows           string // what a person should see there
	what            partial.WithRawManifest
}

type packages = []imagetest.Package

// alpine is the distribution: the lowest link of the chain.
var alpine = packages{
	{Name: "alpine-baselayout", Version: "3.6.5-r0"}, {Name: "alpine-keys", Version: "2.4-r1"}, {Name: "apk-tools", Version: "2.14.4-r0"},
	{Name: "busybox", Version: "1.36.1-r28"}, {Name: "busybox-binsh", Version: "1.36.1-r28", Source: "busybox"},
	{Name: "ca-certificates-bundle", Version: "20240226-r0", Source: "ca-certificates"},
	{Name: "libcrypto3", Version: "3.3.0-r2", Source: "openssl"}, {Name: "libssl3", Version: "3.3.0-r2", Source: "openssl"},
	{Name: "musl", Version: "1.2.5-r0"}, {Name: "musl-utils", Version: "1.2.5-r0", Source: "musl"},
	{Name: "scanelf", Version: "1.3.7-r2", Source: "pax-utils"}, {Name: "ssl_client", Version: "1.36.1-r28", Source: "busybox"},
	{Name: "zlib", Version: "1.3.1-r1"},
}

// node is what the run-time adds.
var node = packages{
	{Name: "ada-libs", Version: "2.7.8-r0", Source: "ada"}, {Name: "brotli-libs", Version: "1.1.0-r2", Source: "brotli"},
	{Name: "c-ares", Version: "1.28.1-r0"}, {Name: "icu-libs", Version: "74.2-r0", Source: "icu"}, {Name: "libgcc", Version: "13.2.1_git20240309-r0", Source: "gcc"},
	{Name: "libstdc++", Version: "13.2.1_git20240309-r0", Source: "gcc"}, {Name: "nghttp2-libs", Version: "1.62.1-r0", Source: "nghttp2"},
	{Name: "nodejs", Version: "20.11.1-r0"},
}

// mended are the versions that Alpine's branch 3.20 has mended its base's source packages with.
var mended = map[string]string{"busybox": "1.36.1-r31", "musl": "1.2.5-r3", "openssl": "3.3.7-r0"}

// rebuilt is the distribution as a rebuild would find it.
func rebuilt() packages {
	all := slices.Clone(alpine)
	for i, p := range all {
		if v := mended[cmp.Or(p.Source, p.Name)]; v != "" {
			all[i].Version = v
		}
	}
	return all
}

var debian = packages{
	{Name: "apt", Version: "2.6.1"}, {Name: "base-files", Version: "12.4+deb12u2"}, {Name: "bash", Version: "5.2.15-2+b2", SourceVersion: "5.2.15-2"},
	{Name: "coreutils", Version: "9.1-1"}, {Name: "curl", Version: "7.88.1-10+deb12u4"}, {Name: "dpkg", Version: "1.21.22"},
	{Name: "libc-bin", Version: "2.36-9+deb12u3", Source: "glibc"}, {Name: "libc6", Version: "2.36-9+deb12u3", Source: "glibc"},
	{Name: "libcurl4", Version: "7.88.1-10+deb12u4", Source: "curl"}, {Name: "libssl3", Version: "3.0.11-1~deb12u2", Source: "openssl"},
	{Name: "libsystemd0", Version: "252.17-1~deb12u1", Source: "systemd"}, {Name: "openssl", Version: "3.0.11-1~deb12u2"},
	{Name: "zlib1g", Version: "1:1.2.13.dfsg-1", Source: "zlib"},
}

// Samples makes the images. binary is the running program: its own Go build information is one of them.
func Samples(binary string) ([]Sample, error) {
	self, err := os.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("sample image of this program: %w", err)
	}
	distribution := layer("ADD alpine-minirootfs-3.20.1-x86_64.tar.gz /", imagetest.AlpineLike("3.20.1", alpine...)...)
	runtime := layer("RUN apk add --no-cache nodejs", append(database(append(slices.Clone(alpine), node...)), imagetest.Program("usr/bin/node", []byte("#!node\n")))...)
	web := func(packages ...imagetest.Package) imagetest.Blob {
		return layer("COPY . /app && npm ci --omit=dev", imagetest.NodeApp("web", packages...)...)
	}
	lodash := imagetest.Package{Name: "lodash", Version: "4.17.11"}
	bookworm := layer("ADD rootfs.tar.xz /", imagetest.DebianLike("12", debian...)...)
	secret := layer("COPY . /", imagetest.Dir("root/.aws"), imagetest.Text("root/.aws/credentials", credentials()))
	clean := layer("RUN rm -rf /root/.aws", imagetest.Whiteout("root/.aws"))
	own := imagetest.Plain(imagetest.Layer(imagetest.Dir("usr"), imagetest.Dir("usr/local"), imagetest.Dir("usr/local/bin"), imagetest.Program("usr/local/bin/plimsoll", self))).By("COPY plimsoll /usr/local/bin/plimsoll")

	b := builder{}
	b.image("base/alpine", "3.20", "the distribution, an Alpine base", distribution)
	b.image("base/alpine", "3.20-rebuilt", "the base rebuilt with what Alpine mended since: only its end of life is left", layer("ADD alpine-minirootfs-3.20.9-x86_64.tar.gz /", imagetest.AlpineLike("3.20.9", rebuilt()...)...))
	b.image("runtime/node", "20", "a run-time on that base", distribution, runtime)
	b.image("shop/web", "1.0", "an application on that run-time, below the line", distribution, runtime,
		web(lodash, imagetest.Package{Name: "minimist", Version: "1.2.0"}, imagetest.Package{Name: "axios", Version: "0.21.0"}, imagetest.Package{Name: "express", Version: "4.18.2"}))
	b.image("shop/web", "1.1", "its own packages mended: what is left came with its bases", distribution, runtime,
		web(imagetest.Package{Name: "lodash", Version: "4.17.23"}, imagetest.Package{Name: "minimist", Version: "1.2.8"}, imagetest.Package{Name: "express", Version: "4.18.2"}))
	b.image("base/debian", "12", "another distribution, a Debian base", bookworm)
	b.image("team/leaky", "1.0", "a secret that a later layer removes: hidden, still downloadable", bookworm, secret, clean)
	b.image("tools/plimsoll", "latest", "this very program, from its Go build information", own)
	b.index("shop/worker", "2.0", "an index of two platforms", distribution, web(lodash))
	b.chart("charts/shop", "0.1.0", "a Helm chart: no image, not applicable")
	return b.samples, b.err
}

// Push puts one sample into a registry on loopback.
func Push(ctx context.Context, host string, s Sample) error {
	return imagetest.Push(ctx, host, s.Repository, s.Tag, s.what)
}

// credentials have the form of a cloud's key and open nothing. They are made here, so that neither this file nor the program
// holds what looks like a secret; the key of that cloud's documentation would not do, because it is known to be none.
func credentials() string {
	id, key := sha256.Sum256([]byte("plimsoll demo, key id")), sha256.Sum256([]byte("plimsoll demo, key"))
	secret := strings.NewReplacer("+", "p", "/", "s").Replace(base64.StdEncoding.EncodeToString(key[:]))
	return "[default]\naws_access_key_id = AKIA" + base32.StdEncoding.EncodeToString(id[:])[:16] + "\naws_secret_access_key = " + secret[:40] + "\n"
}

func layer(by string, files ...imagetest.File) imagetest.Blob {
	return imagetest.Gzip(imagetest.Layer(files...)).By(by)
}

// database is apk's database alone, as a layer that installs packages rewrites it.
func database(all packages) []imagetest.File {
	var files []imagetest.File
	for _, f := range imagetest.AlpineLike("3.20.1", all...) {
		if f.Name == "lib/apk/db/installed" {
			files = append(files, f)
		}
	}
	return files
}

// builder collects samples; the first error stays.
type builder struct {
	samples []Sample
	err     error
}

func (b *builder) add(repository, tag, shows string, what partial.WithRawManifest, err error) {
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("sample %s:%s: %w", repository, tag, err)
	}
	b.samples = append(b.samples, Sample{Repository: repository, Tag: tag, Shows: shows, what: what})
}

func (b *builder) image(repository, tag, shows string, layers ...imagetest.Blob) {
	image, err := imagetest.Image(imagetest.Options{Layers: layers, Labels: map[string]string{"org.opencontainers.image.title": repository}})
	b.add(repository, tag, shows, image, err)
}

func (b *builder) index(repository, tag, shows string, layers ...imagetest.Blob) {
	var children []imagetest.Child
	for _, arch := range []string{"amd64", "arm64"} {
		image, err := imagetest.Image(imagetest.Options{Layers: layers, Platform: v1.Platform{OS: "linux", Architecture: arch}})
		if err != nil {
			b.add(repository, tag, shows, nil, err)
			return
		}
		children = append(children, imagetest.Child{Image: image})
	}
	index, err := imagetest.Index(children...)
	b.add(repository, tag, shows, index, err)
}

func (b *builder) chart(repository, tag, shows string) {
	image, err := imagetest.Artifact("application/vnd.cncf.helm.config.v1+json", "", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", []byte("chart"))
	b.add(repository, tag, shows, image, err)
}
