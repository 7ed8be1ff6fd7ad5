package resolve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// shelf is a registry and a bucket in memory.
type shelf struct {
	manifests map[plimsoll.Digest]string
	types     map[plimsoll.Digest]string
	configs   map[plimsoll.Digest]string
	tags      map[string]plimsoll.Digest
	fail      map[plimsoll.Digest]error
	asked     []plimsoll.Digest

	images    map[plimsoll.Digest]plimsoll.Image
	present   map[plimsoll.Digest]bool
	assembled map[plimsoll.Digest]bool
}

func newShelf() *shelf {
	return &shelf{
		manifests: map[plimsoll.Digest]string{}, types: map[plimsoll.Digest]string{}, configs: map[plimsoll.Digest]string{},
		tags: map[string]plimsoll.Digest{}, fail: map[plimsoll.Digest]error{},
		images: map[plimsoll.Digest]plimsoll.Image{}, present: map[plimsoll.Digest]bool{}, assembled: map[plimsoll.Digest]bool{},
	}
}

func (s *shelf) Head(_ context.Context, _, tag string) (registry.Descriptor, error) {
	d, ok := s.tags[tag]
	if !ok {
		return registry.Descriptor{}, plimsoll.ErrNotFound
	}
	return registry.Descriptor{Digest: d}, nil
}

func (s *shelf) Manifest(_ context.Context, _, reference string) (registry.Descriptor, []byte, error) {
	d := plimsoll.Digest(reference)
	s.asked = append(s.asked, d)
	if err := s.fail[d]; err != nil {
		return registry.Descriptor{}, nil, err
	}
	m, ok := s.manifests[d]
	if !ok {
		return registry.Descriptor{}, nil, plimsoll.ErrNotFound
	}
	return registry.Descriptor{Digest: d, MediaType: s.types[d]}, []byte(m), nil
}

func (s *shelf) Config(_ context.Context, _ string, d plimsoll.Digest) ([]byte, error) {
	if err := s.fail[d]; err != nil {
		return nil, err
	}
	c, ok := s.configs[d]
	if !ok {
		return nil, plimsoll.ErrNotFound
	}
	return []byte(c), nil
}

func (s *shelf) Image(_ context.Context, d plimsoll.Digest) (plimsoll.Image, error) {
	img, ok := s.images[d]
	if !ok {
		return img, plimsoll.ErrNotFound
	}
	return img, nil
}

func (s *shelf) KeepImage(_ context.Context, img plimsoll.Image) error {
	s.images[img.Digest] = img
	return nil
}

func (s *shelf) HasInventory(_ context.Context, d plimsoll.Digest) (bool, error) {
	return s.assembled[d], nil
}

func (s *shelf) Lacking(_ context.Context, d plimsoll.Digest) (bool, error) {
	return !s.present[d], nil
}

// put adds a document under its digest.
func (s *shelf) Now() time.Time { return time.Now() }

func (s *shelf) put(doc, mediaType string) plimsoll.Digest {
	d := plimsoll.DigestOf([]byte(doc))
	s.manifests[d], s.types[d] = doc, mediaType
	return d
}

const emptyConfig = `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}`

func layerDigest(n int) plimsoll.Digest { return plimsoll.DigestOf(fmt.Appendf(nil, "layer %d", n)) }

func layersJSON(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":%d}`, layerDigest(i), i))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// image adds an image with so many layers and this configuration.
func (s *shelf) image(config string, layers int) plimsoll.Digest {
	c := plimsoll.DigestOf([]byte(config))
	s.configs[c] = config
	return s.put(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":%s}`,
		typeOCIManifest, typeOCIConfig, c, len(config), layersJSON(layers)), typeOCIManifest)
}

func (s *shelf) index(children ...string) plimsoll.Digest {
	return s.put(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, typeOCIIndex, strings.Join(children, ",")), typeOCIIndex)
}

func child(d plimsoll.Digest, mediaType, more string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1%s}`, mediaType, d, more)
}

func (s *shelf) resolve(t *testing.T, d plimsoll.Digest) (Result, error) {
	t.Helper()
	return Resolve(t.Context(), s, s, nil, Request{Repository: "team/app", Digest: d})
}

// short tells each entry in one word and a reason.
func short(r Result) (out []string) {
	for _, i := range r.Images {
		switch {
		case i.NotApplicable != "":
			out = append(out, "n/a "+i.NotApplicable)
		case i.Failed != "":
			out = append(out, "failed "+i.Failed)
		default:
			out = append(out, "image "+i.Platform.String())
		}
	}
	return out
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	config := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":2}`, typeOCIConfig, plimsoll.DigestOf([]byte("{}")))
	tests := map[string]struct {
		doc, mediaType string
		want           []string
		notApplicable  string
	}{
		"HTML":              {"<html>", "text/html", []string{"failed manifest: invalid: no JSON of the right form"}, ""},
		"schema 1":          {`{"schemaVersion":1,"fsLayers":[]}`, schema1Prefix + "prettyjws", []string{"failed manifest: unsupported: schema 1"}, ""},
		"both at once":      {`{"schemaVersion":2,"manifests":[],"config":` + config + `,"layers":[]}`, typeOCIManifest, []string{"failed manifest: invalid: it is a manifest and an index at once"}, ""},
		"contradiction":     {`{"schemaVersion":2,"mediaType":"` + typeOCIIndex + `","manifests":[]}`, typeOCIManifest, []string{`failed manifest: invalid: it calls itself "` + typeOCIIndex + `", its registry or index calls it "` + typeOCIManifest + `"`}, ""},
		"index as manifest": {`{"schemaVersion":2,"manifests":[]}`, typeDockerManifest, []string{"failed manifest: invalid: an index that calls itself a manifest"}, ""},
		"manifest as index": {`{"schemaVersion":2,"config":` + config + `,"layers":[]}`, typeOCIIndex, []string{"failed manifest: invalid: a manifest that calls itself an index"}, ""},
		"neither":           {`{"schemaVersion":2}`, "", []string{"failed manifest: invalid: neither a manifest nor an index"}, ""},
		"odd type":          {`{"schemaVersion":2,"config":` + config + `,"layers":[]}`, "application/octet-stream", []string{"image "}, ""},
		"empty index":       {`{"schemaVersion":2,"mediaType":"` + typeOCIIndex + `","manifests":[]}`, typeOCIIndex, nil, "index without manifests"},
		"chart":             {`{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"x"},"layers":[]}`, typeOCIManifest, nil, "Helm chart"},
		"old artifact":      {`{"mediaType":"` + typeArtifact + `","artifactType":"application/x","blobs":[]}`, typeArtifact, nil, "OCI artifact: application/x"},
		"bad layer":         {`{"schemaVersion":2,"config":` + config + `,"layers":[{"digest":"sha512:00","size":1}]}`, typeOCIManifest, []string{`failed layer: digest "sha512:00": invalid: only sha256 is accepted`}, ""},
		"negative size":     {`{"schemaVersion":2,"config":` + config + `,"layers":[{"digest":"` + string(layerDigest(0)) + `","size":-1}]}`, typeOCIManifest, []string{"failed layer " + layerDigest(0).Short() + ": invalid: a size below zero"}, ""},
		"bad config":        {`{"schemaVersion":2,"config":{"mediaType":"` + typeOCIConfig + `","digest":"sha256:XX"},"layers":[]}`, typeOCIManifest, []string{`failed configuration: digest "sha256:XX": invalid: want 64 lower-case hexadecimal digits after "sha256:"`}, ""},
		"many layers":       {`{"schemaVersion":2,"config":` + config + `,"layers":` + layersJSON(513) + `}`, typeOCIManifest, []string{"failed manifest: limit reached: more than 512 layers"}, ""},
		"no config blob":    {`{"schemaVersion":2,"config":{"mediaType":"` + typeOCIConfig + `","digest":"` + string(layerDigest(9)) + `"},"layers":[]}`, typeOCIManifest, []string{"failed configuration: not found"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf()
			s.configs[plimsoll.DigestOf([]byte("{}"))] = "{}"
			r, err := s.resolve(t, s.put(tt.doc, tt.mediaType))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, short(r)); diff != "" || r.NotApplicable != tt.notApplicable {
				t.Errorf("not applicable %q, want %q; images (-want +got):\n%s", r.NotApplicable, tt.notApplicable, diff)
			}
		})
	}
}

func TestIndexes(t *testing.T) {
	t.Parallel()
	s := newShelf()
	amd, arm := s.image(emptyConfig, 2), s.image(strings.Replace(emptyConfig, "amd64", "arm64", 1), 3)
	inner := s.index(child(arm, typeOCIManifest, ""))
	attestation := `,"platform":{"os":"unknown","architecture":"unknown"}`
	chart := s.put(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"x"},"layers":[]}`, typeOCIManifest)
	deep := s.index(child(s.index(child(s.index(child(amd, typeOCIManifest, "")), typeOCIIndex, "")), typeOCIIndex, ""))
	gone := plimsoll.DigestOf([]byte("gone"))
	var many []string
	for i := range maxChildren + 1 {
		many = append(many, child(layerDigest(i), typeOCIManifest, ""))
	}
	tests := map[string]struct {
		index         plimsoll.Digest
		want          []string
		notApplicable string
		missing       int
	}{
		"platforms and nested": {s.index(child(amd, typeOCIManifest, ""), child(inner, typeOCIIndex, ""), child(amd, typeOCIManifest, "")), []string{"image linux/amd64", "image linux/arm64"}, "", 3},
		"what is no image":     {s.index(child(amd, typeOCIManifest, ""), child(layerDigest(1), typeOCIManifest, attestation), child(chart, typeOCIManifest, "")), []string{"image linux/amd64", "n/a attestation", "n/a Helm chart"}, "", 2},
		"no image at all":      {s.index(child(chart, typeOCIManifest, "")), nil, "Helm chart", 0},
		"a child that is gone": {s.index(child(amd, typeOCIManifest, ""), child(gone, typeOCIManifest, `,"platform":{"os":"linux","architecture":"s390x"}`)), []string{"image linux/amd64", "failed not found"}, "", 2},
		"too deep":             {deep, []string{"failed limit reached: indexes nested deeper than 2"}, "", 0},
		"too many":             {s.index(many...), []string{"failed index: limit reached: more than 256 manifests"}, "", 0},
		"bad digest":           {s.index(`{"digest":"md5:1"}`), []string{`failed digest "md5:1": invalid: only sha256 is accepted`}, "", 0},
	}
	for name, tt := range tests {
		r, err := s.resolve(t, tt.index)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, short(r)); diff != "" || r.NotApplicable != tt.notApplicable || len(r.Missing) != tt.missing {
			t.Errorf("%s: not applicable %q, %d missing, want %q, %d; images (-want +got):\n%s", name, r.NotApplicable, len(r.Missing), tt.notApplicable, tt.missing, diff)
		}
	}
}

// TestManyManifests: fan-out times fan-out is bounded, and each digest is read once (HOSTILE H25).
func TestManyManifests(t *testing.T) {
	t.Parallel()
	s := newShelf()
	var inner []string
	for i := range 8 {
		var children []string
		for j := range 200 {
			children = append(children, child(s.put(fmt.Sprintf(`{"schemaVersion":2,"x":%d}`, 200*i+j), ""), typeOCIManifest, ""))
		}
		inner = append(inner, child(s.index(children...), typeOCIIndex, ""))
	}
	r, err := s.resolve(t, s.index(inner...))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.asked) != maxManifests {
		t.Errorf("%d manifests were read, want %d", len(s.asked), maxManifests)
	}
	if last := r.Images[len(r.Images)-1]; !strings.Contains(last.Failed, "limit reached") {
		t.Errorf("the last entry is %+v, want failed by the limit", last)
	}
	slices.Sort(s.asked)
	if len(slices.Compact(s.asked)) != maxManifests {
		t.Error("a manifest was read twice")
	}
}

func TestErrorsThatMayPass(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]error{"down": plimsoll.ErrUnavailable, "denied": plimsoll.ErrDenied, "gone": plimsoll.ErrNotFound, "wrong bytes": plimsoll.ErrIntegrity} {
		s := newShelf()
		d := s.image(emptyConfig, 1)
		s.fail[d] = want
		if _, err := s.resolve(t, d); !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", name, err, want)
		}
	}
	s := newShelf()
	d := s.image(emptyConfig, 1)
	s.fail[plimsoll.DigestOf([]byte(emptyConfig))] = plimsoll.ErrIntegrity
	if r, err := s.resolve(t, d); err != nil || !strings.HasPrefix(r.Images[0].Failed, "configuration: integrity") {
		t.Errorf("a damaged configuration gives %v, %v; want a failed image", r, err)
	}
}

func TestKnownImageIsNotReadAgain(t *testing.T) {
	t.Parallel()
	s := newShelf()
	s.tags["1"] = s.image(emptyConfig, 2)
	req := Request{Repository: "team/app", Tag: "1"}
	first, err := Resolve(t.Context(), s, s, nil, req)
	if err != nil || first.Observed.IsZero() || len(first.Missing) != 2 {
		t.Fatalf("Resolve = %+v, %v", first, err)
	}
	s.present[layerDigest(0)], s.asked = true, nil
	second, err := Resolve(t.Context(), s, s, nil, req)
	if err != nil || len(s.asked) != 0 || len(second.Missing) != 1 {
		t.Errorf("second Resolve asked for %v and misses %v (%v)", s.asked, second.Missing, err)
	}
	s.assembled[s.tags["1"]] = true
	third, err := Resolve(t.Context(), s, s, nil, req)
	if err != nil || len(third.Missing) != 0 || !third.Images[0].Assembled {
		t.Errorf("an assembled image gives %+v, %v", third, err)
	}
}

// TestAsked: what a reference consists of is told whether it is known or not; claims of sizes below zero or beyond what is read
// count as such.
func TestAsked(t *testing.T) {
	t.Parallel()
	s := newShelf()
	known, fresh := s.image(emptyConfig, 5), s.image(emptyConfig+" ", 4)
	s.assembled[known], s.present[layerDigest(3)] = true, true
	got, err := s.resolve(t, s.index(child(known, typeOCIManifest, ""), child(fresh, typeOCIManifest, "")))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Asked{Layers: 9, Bytes: 0 + 1 + 2 + 3 + 4 + 0 + 1 + 2 + 3}); got.Asked != want || len(got.Missing) != 3 {
		t.Errorf("asked %+v with %d missing, want %+v with 3", got.Asked, len(got.Missing), want)
	}
	var a Asked
	a.add([]plimsoll.LayerRef{{Size: -1}, {Size: 1 << 62}, {Size: 1 << 62}, {Size: 7}})
	if want := (Asked{Layers: 4, Bytes: 2*maxClaim + 7}); a != want {
		t.Errorf("asked %+v, want %+v", a, want)
	}
}

func TestConfigurations(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLabel+1)
	labels := map[string]string{}
	for i := range maxLabels + 5 {
		labels[fmt.Sprintf("l%04d", i)] = "v"
	}
	manyLabels, _ := json.Marshal(map[string]any{"config": map[string]any{"Labels": labels}})
	id := plimsoll.DigestOf([]byte("tar"))
	tests := map[string]struct {
		config string
		check  func(plimsoll.Image) bool
	}{
		"history gives instructions": {`{"rootfs":{"diff_ids":["` + string(id) + `"]},"history":[{"created_by":"ENV A=b","empty_layer":true},{"created_by":"COPY . /"}]}`, func(i plimsoll.Image) bool {
			return i.Layers[0].CreatedBy == "COPY . /" && i.Layers[0].Claim == plimsoll.DiffID(id) && len(i.History) == 2 && i.Faults == nil
		}},
		"history of another length": {`{"rootfs":{"diff_ids":["` + string(id) + `"]},"history":[{"created_by":"a"},{"created_by":"b"}]}`, func(i plimsoll.Image) bool {
			return i.Layers[0].CreatedBy == "" && slices.Equal(i.Faults, []string{"the history names 2 layers, the manifest 1"})
		}},
		"other diff IDs": {`{"rootfs":{"diff_ids":[]}}`, func(i plimsoll.Image) bool {
			return slices.Equal(i.Faults, []string{"the configuration names 0 layers, the manifest 1"})
		}},
		"diff ID of the wrong form": {`{"rootfs":{"diff_ids":["md5:1"]}}`, func(i plimsoll.Image) bool { return len(i.Faults) == 1 && i.Layers[0].Claim == "" }},
		"wrong time":                {`{"created":"yesterday","rootfs":{"diff_ids":["` + string(id) + `"]}}`, func(i plimsoll.Image) bool { return i.Created.IsZero() }},
		"variant":                   {`{"os":"linux","architecture":"arm","variant":"v7","rootfs":{"diff_ids":["` + string(id) + `"]}}`, func(i plimsoll.Image) bool { return i.Platform.String() == "linux/arm/v7" }},
		"long label":                {`{"config":{"Labels":{"a":"` + long + `"}}}`, func(i plimsoll.Image) bool { return i.Labels["a"] == long[:maxLabel]+truncated }},
		"many labels":               {string(manyLabels), func(i plimsoll.Image) bool { return len(i.Labels) == maxLabels && len(i.Faults) == 2 }},
		"a label names the base":    {`{"config":{"Labels":{"org.opencontainers.image.base.name":"debian:12"}}}`, func(i plimsoll.Image) bool { return i.Base == plimsoll.BaseClaim{Name: "debian:12"} }},
		"markup stays data":         {`{"config":{"Labels":{"a":"<script>"}}}`, func(i plimsoll.Image) bool { return i.Labels["a"] == "<script>" }},
	}
	for name, tt := range tests {
		s := newShelf()
		d := s.image(tt.config, 1)
		if _, err := s.resolve(t, d); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !tt.check(s.images[d]) {
			t.Errorf("%s: image %+v", name, s.images[d])
		}
	}
	s := newShelf()
	r, err := s.resolve(t, s.image("<html>500</html>", 1))
	if want := []string{"failed configuration: invalid: no JSON of the right form"}; err != nil || !slices.Equal(short(r), want) {
		t.Errorf("no JSON: %v, %v; want %v", short(r), err, want)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	for _, r := range []Request{{Repository: "UPPER", Tag: "1"}, {Repository: "a"}, {Repository: "a", Tag: "../x"}, {Repository: "a", Digest: "sha256:../x"}} {
		if _, err := Resolve(t.Context(), newShelf(), newShelf(), nil, r); !errors.Is(err, plimsoll.ErrInvalid) {
			t.Errorf("Resolve(%+v) = %v, want invalid", r, err)
		}
	}
}

func FuzzManifest(f *testing.F) {
	s := newShelf()
	for _, d := range []plimsoll.Digest{s.image(emptyConfig, 2), s.index(child(layerDigest(0), typeOCIManifest, ""))} {
		f.Add([]byte(s.manifests[d]), typeOCIManifest, []byte(emptyConfig))
	}
	f.Fuzz(func(t *testing.T, manifest []byte, mediaType string, config []byte) {
		s := newShelf()
		d := s.put(string(manifest), mediaType)
		s.configs[plimsoll.DigestOf(config)] = string(config)
		r, err := s.resolve(t, d)
		if err != nil {
			t.Fatalf("a document of any form is an answer, got %v", err)
		}
		if r.NotApplicable == "" && len(r.Images) == 0 {
			t.Errorf("nothing is said of %q", manifest)
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(emptyConfig))
	f.Fuzz(func(t *testing.T, config []byte) {
		s := newShelf()
		d := s.image(string(config), 1)
		if _, err := s.resolve(t, d); err != nil {
			t.Fatal(err)
		}
		if img, ok := s.images[d]; ok {
			if _, err := json.Marshal(img); err != nil {
				t.Errorf("image cannot be written: %v", err)
			}
		}
	})
}
