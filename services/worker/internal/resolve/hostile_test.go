package resolve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// TestHostileDigests is H23: digests of another algorithm, case, length or none at all, wherever a document can hold one. Nothing is asked
// for by them.
func TestHostileDigests(t *testing.T) {
	t.Parallel()
	right := layerDigest(0).Hex()
	for name, digest := range map[string]string{
		"sha512": "sha512:" + strings.Repeat("a", 128), "md5": "md5:d41d8cd98f00b204e9800998ecf8427e", "upper case": "sha256:" + strings.ToUpper(right),
		"upper-case algorithm": "SHA256:" + right, "short": "sha256:" + right[:32], "long": "sha256:" + right + right, "no algorithm": right,
		"path": "sha256:../../../../etc/passwd", "path of the right length": "sha256:" + strings.Repeat("../", 21) + "x", "line end": "sha256:" + right + "\n",
		"NUL": "sha256:" + right[:63] + "\x00", "blank": " sha256:" + right, "empty": "",
	} {
		quoted, err := json.Marshal(digest)
		if err != nil {
			t.Fatal(err)
		}
		s := newShelf()
		whole := s.image(emptyConfig, 1)
		config := plimsoll.DigestOf([]byte(emptyConfig))
		for place, doc := range map[string]string{
			"layer":         fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q},"layers":[{"digest":%s,"size":1}]}`, typeOCIConfig, config, quoted),
			"configuration": fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%s},"layers":[]}`, typeOCIConfig, quoted),
			"child":         fmt.Sprintf(`{"schemaVersion":2,"manifests":[%s,{"digest":%s}]}`, child(whole, typeOCIManifest, ""), quoted),
		} {
			s.asked = nil
			r, err := s.resolve(t, s.put(doc, ""))
			if err != nil {
				t.Errorf("%s as %s: %v", name, place, err)
				continue
			}
			last := r.Images[len(r.Images)-1]
			if !strings.Contains(last.Failed, "invalid") || strings.ContainsAny(last.Failed, "\n\x00") {
				t.Errorf("%s as %s: %+v, want failed: invalid", name, place, last)
			}
			if place == "child" && (len(r.Images) != 2 || r.Images[0].Failed != "") {
				t.Errorf("%s as child: its neighbour is %+v", name, r.Images[0])
			}
			for _, asked := range s.asked {
				if string(asked) == digest {
					t.Errorf("%s as %s was asked for", name, place)
				}
			}
		}
	}
}

// TestHostileRings is H25: indexes that name themselves and each other end, with each digest asked for once.
func TestHostileRings(t *testing.T) {
	t.Parallel()
	s := newShelf()
	image := s.image(emptyConfig, 1)
	a, b := plimsoll.DigestOf([]byte("a")), plimsoll.DigestOf([]byte("b")) // claimed: no document can name its own digest
	claim := func(d plimsoll.Digest, children ...string) {
		s.manifests[d], s.types[d] = fmt.Sprintf(`{"schemaVersion":2,"manifests":[%s]}`, strings.Join(children, ",")), typeOCIIndex
	}
	claim(a, child(a, typeOCIIndex, ""), child(b, typeOCIIndex, ""), child(image, typeOCIManifest, ""))
	claim(b, child(a, typeOCIIndex, ""), child(b, typeOCIIndex, ""), child(image, typeOCIManifest, ""))
	r, err := s.resolve(t, a)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"image linux/amd64"}, short(r)); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	slices.Sort(s.asked)
	if n := len(s.asked); n != 3 || len(slices.Compact(s.asked)) != 3 {
		t.Errorf("%d manifests were read, want each of three once", n)
	}
}

// TestHostileDepth is H25: a chain of a thousand indexes, and an index of a million children, cost a few requests and are told.
func TestHostileDepth(t *testing.T) {
	t.Parallel()
	s := newShelf()
	deep := s.image(emptyConfig, 1)
	kind := typeOCIManifest
	for range 1000 {
		deep, kind = s.index(child(deep, kind, "")), typeOCIIndex
	}
	wide := s.put(`{"schemaVersion":2,"manifests":[`+strings.Repeat("{},", 1_000_000)+`{}]}`, typeOCIIndex)
	for name, d := range map[string]plimsoll.Digest{"deep": deep, "wide": wide} {
		s.asked = nil
		r, err := s.resolve(t, d)
		if err != nil || len(r.Images) != 1 || !strings.Contains(r.Images[0].Failed, "limit reached") {
			t.Errorf("%s: %+v, %v; want failed by a limit", name, r, err)
		}
		if len(s.asked) > maxDepth+1 {
			t.Errorf("%s: %d manifests were read", name, len(s.asked))
		}
	}
}

// TestHostileData is H29 and H28: bytes and addresses that a descriptor brings along are never used in place of what its digest names.
func TestHostileData(t *testing.T) {
	t.Parallel()
	other := "eyJvcyI6ImV2aWwifQ==" // {"os":"evil"}
	for name, more := range map[string]string{
		"data": `,"data":"` + other + `"`, "large data": `,"data":"` + strings.Repeat("A", 1<<20) + `"`, "data of another type": `,"data":{"a":1}`,
		"urls": `,"urls":["http://169.254.169.254/latest","file:///etc/passwd"]`, "urls of another type": `,"urls":"x"`,
	} {
		s := newShelf()
		config := plimsoll.DigestOf([]byte(emptyConfig))
		s.configs[config] = emptyConfig
		d := s.put(fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":1%s},"layers":[{"digest":%q,"size":1%s}]}`, typeOCIConfig, config, more, layerDigest(0), more), typeOCIManifest)
		r, err := s.resolve(t, d)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"image linux/amd64"}, short(r)); diff != "" || len(r.Missing) != 1 || r.Missing[0].Digest != layerDigest(0) {
			t.Errorf("%s: missing %v; images (-want +got):\n%s", name, r.Missing, diff)
		}
	}
}

// TestHostileArtifacts is H21: what is no image is told from one by what it says of itself, and is never failed or clean.
func TestHostileArtifacts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ config, artifact, layer, want string }{
		{"application/vnd.cncf.helm.config.v1+json", "", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "Helm chart"},
		{"application/vnd.wasm.config.v0+json", "", "application/wasm", "WebAssembly module"},
		{typeOCIConfig, "", "application/vnd.dev.cosign.simplesigning.v1+json", "signature"},
		{"application/vnd.oci.empty.v1+json", "application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.sigstore.bundle.v0.3+json", "signature: application/vnd.dev.sigstore.bundle.v0.3+json"},
		{"application/vnd.oci.empty.v1+json", "", "application/spdx+json", "SBOM: application/vnd.oci.empty.v1+json"},
		{"application/vnd.oci.empty.v1+json", "application/x-\x1b[31m" + strings.Repeat("x", 1000), "application/x", ""},
	} {
		s := newShelf()
		artifact, err := json.Marshal(tt.artifact)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.resolve(t, s.put(fmt.Sprintf(`{"schemaVersion":2,"artifactType":%s,"config":{"mediaType":%q,"digest":"x"},"layers":[{"mediaType":%q,"digest":"x"}]}`, artifact, tt.config, tt.layer), typeOCIManifest))
		if err != nil || len(r.Images) != 0 || r.NotApplicable == "" || len(r.NotApplicable) > 300 || tt.want != "" && r.NotApplicable != tt.want {
			t.Errorf("%s %.40s: %q, %v, %v; want not applicable: %s", tt.config, tt.artifact, r.NotApplicable, short(r), err, tt.want)
		}
	}
}

// TestHostilePlatforms is H30: one image under two hundred platforms is one image; attestations are none.
func TestHostilePlatforms(t *testing.T) {
	t.Parallel()
	s := newShelf()
	image := s.image(emptyConfig, 1)
	var children []string
	for i := range 200 {
		children = append(children, child(image, typeOCIManifest, fmt.Sprintf(`,"platform":{"os":"linux","architecture":"arch%d"}`, i)))
	}
	children = append(children, child(layerDigest(7), typeOCIManifest, `,"platform":{"os":"unknown","architecture":"unknown"}`))
	r, err := s.resolve(t, s.index(children...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"image linux/amd64", "n/a attestation"}, short(r)); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}

// moving is a registry whose tag names another image each time it is asked.
type moving struct {
	*shelf
	next []plimsoll.Digest
	head int
}

func (m *moving) Head(context.Context, string, string) (registry.Descriptor, error) {
	d := m.next[m.head%len(m.next)]
	m.head++
	return registry.Descriptor{Digest: d}, nil
}

// TestHostileTag is H27: a tag is resolved once, and what follows is read by that digest.
func TestHostileTag(t *testing.T) {
	t.Parallel()
	m := &moving{shelf: newShelf()}
	m.next = []plimsoll.Digest{m.image(emptyConfig, 1), m.image(strings.Replace(emptyConfig, "amd64", "arm64", 1), 2)}
	r, err := Resolve(t.Context(), m, m.shelf, nil, Request{Repository: "team/app", Tag: "1"})
	if err != nil || r.Digest != m.next[0] || m.head != 1 || !slices.Equal(m.asked, m.next[:1]) {
		t.Errorf("resolved %s after %d HEADs by %v, %v; want %s by one", r.Digest, m.head, m.asked, err, m.next[0])
	}
}

// TestHostileConfigurations is H21, H22 and H45: configurations that lie, or carry more than a page or a log should see.
func TestHostileConfigurations(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{
		"no fields": "{}", "null": "null", "two diff IDs": `{"rootfs":{"diff_ids":["` + string(layerDigest(1)) + `","` + string(layerDigest(2)) + `"]}}`,
		"sha512": `{"rootfs":{"diff_ids":["sha512:` + strings.Repeat("a", 128) + `"]}}`, "a path": `{"rootfs":{"diff_ids":["sha256:../../x"]}}`,
	} {
		s := newShelf()
		d := s.image(config, 1)
		if _, err := s.resolve(t, d); err != nil || len(s.images[d].Faults) == 0 {
			t.Errorf("%s: faults %q, %v; want one", name, s.images[d].Faults, err)
		}
	}
	for name, config := range map[string]string{
		"HTML": "<html>", "empty": "", "array": "[]", "other types": `{"rootfs":"none"}`, "deep": strings.Repeat(`{"a":`, 1<<19), "not UTF-8 beyond a string": "{\xff}",
	} {
		s := newShelf()
		r, err := s.resolve(t, s.image(config, 1))
		if err != nil || len(r.Images) != 1 || !strings.Contains(r.Images[0].Failed, "invalid") {
			t.Errorf("%s: %v, %v; want failed: invalid", name, short(r), err)
		}
	}
	for name, value := range map[string]string{
		"markup": `<img src=x onerror=alert(1)>`, "template": "{{.}}${jndi:ldap://x}", "escapes": "\x1b[31m\x9b", "lines": "a\r\nb", "no UTF-8": "\xff\xfe", "long": strings.Repeat("é", 3<<20),
	} {
		s := newShelf()
		quoted, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		d := s.image(fmt.Sprintf(`{"os":%s,"config":{"Labels":{%s:%s}},"rootfs":{"diff_ids":[%q]},"history":[{"created_by":%s,"comment":%s}]}`, quoted, quoted, quoted, layerDigest(1), quoted, quoted), 1)
		if _, err := s.resolve(t, d); err != nil && !errors.Is(err, plimsoll.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
		stored, err := json.Marshal(s.images[d])
		if err != nil || len(stored) > 64<<10 || !json.Valid(stored) {
			t.Errorf("%s: kept as %d bytes, %v", name, len(stored), err)
		}
	}
}
