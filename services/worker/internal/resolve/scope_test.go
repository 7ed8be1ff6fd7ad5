package resolve

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

// TestScope leaves out images by platform, before they are asked for, and by label, once their configuration is known; both are told.
func TestScope(t *testing.T) {
	t.Parallel()
	s := newShelf()
	labelled := func(architecture, labels string) plimsoll.Digest {
		return s.image(`{"os":"linux","architecture":"`+architecture+`","config":{"Labels":{`+labels+`}},"rootfs":{"diff_ids":["`+string(layerDigest(1))+`"]}}`, 1)
	}
	platform := func(architecture string) string {
		return `,"platform":{"os":"linux","architecture":"` + architecture + `"}`
	}
	amd64, arm64 := labelled("amd64", `"tier":"prod"`), labelled("arm64", "")
	index := s.index(child(amd64, typeOCIManifest, platform("amd64")), child(arm64, typeOCIManifest, platform("arm64")))
	untold := s.index(child(amd64, typeOCIManifest, ""), child(arm64, typeOCIManifest, ""))
	// The index says amd64, so that is what a pull gets there, whatever the configuration says.
	liar := s.index(child(arm64, typeOCIManifest, platform("amd64")))
	var crowded strings.Builder
	for i := range maxLabels + 1 {
		crowded.WriteString(`"a` + strings.Repeat("x", i) + `":"",`)
	}
	many := labelled("amd64", strings.TrimSuffix(crowded.String(), ","))
	for name, tt := range map[string]struct {
		what   plimsoll.Digest
		scope  Scope
		want   []string
		reason string
	}{
		"all":                      {index, Scope{}, []string{"image linux/amd64", "image linux/arm64"}, ""},
		"one platform":             {index, Scope{Platforms: []string{"linux/amd64"}}, []string{"image linux/amd64", "n/a out of scope: platform linux/arm64"}, ""},
		"no platform":              {index, Scope{Platforms: []string{"windows/amd64"}}, nil, "out of scope: platform linux/amd64"},
		"by the images' own word":  {untold, Scope{Platforms: []string{"linux/arm64/v8"}}, []string{"n/a out of scope: platform linux/amd64", "image linux/arm64"}, ""},
		"by the index's word":      {liar, Scope{Platforms: []string{"linux/amd64"}}, []string{"image linux/arm64"}, ""},
		"one image":                {arm64, Scope{Platforms: []string{"linux/amd64"}}, nil, "out of scope: platform linux/arm64"},
		"label":                    {index, Scope{Labels: []string{"tier=prod"}}, []string{"image linux/amd64", "n/a out of scope: label tier=prod"}, ""},
		"no label":                 {arm64, Scope{Labels: []string{"!other", "tier"}}, nil, "out of scope: label tier"},
		"more labels than we keep": {many, Scope{Labels: []string{"tier"}}, []string{"image linux/amd64"}, ""},
	} {
		for _, met := range []string{"first", "again"} { // again: the image is in the store
			s.asked = nil
			r, err := Resolve(t.Context(), s, s, nil, Request{Repository: "team/app", Digest: tt.what, Scope: tt.scope})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, short(r)); diff != "" || r.NotApplicable != tt.reason {
				t.Errorf("%s, %s: not applicable %q, want %q; images (-want +got):\n%s", name, met, r.NotApplicable, tt.reason, diff)
			}
		}
	}
	fresh := newShelf()
	left := fresh.image(emptyConfig, 2)
	if _, err := Resolve(t.Context(), fresh, fresh, nil, Request{Repository: "team/app", Scope: Scope{Platforms: []string{"linux/amd64"}},
		Digest: fresh.index(child(left, typeOCIManifest, platform("arm64")))}); err != nil || len(fresh.asked) != 1 {
		t.Errorf("an image that its index says is left out was asked for: %v, %v", fresh.asked, err)
	}
}

// TestKinds tells what is stored beside images by its types, so that none of it is an image that failed.
func TestKinds(t *testing.T) {
	t.Parallel()
	s := newShelf()
	layer := `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"` + string(layerDigest(0)) + `","size":1}`
	for doc, want := range map[string]string{
		// BuildKit's cache, as an index (its default for registries) and as an image manifest.
		`{"schemaVersion":2,"mediaType":"` + typeOCIIndex + `","manifests":[` + layer + `,{"mediaType":"` + typeBuildCache + `","digest":"` + string(layerDigest(1)) + `","size":1}]}`:                                                                         "build cache",
		`{"schemaVersion":2,"config":{"mediaType":"` + typeBuildCache + `","digest":"x"},"layers":[` + layer + `]}`:                                                                                                                                            "build cache",
		`{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"x"},"layers":[{"mediaType":"application/vnd.cncf.helm.chart.content.v1.tar+gzip"},{"mediaType":"application/vnd.cncf.helm.chart.provenance.v1.prov"}]}`: "Helm chart",
		`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"x"},"layers":[{"mediaType":"application/vnd.bytecodealliance.wasm.component.layer.v0+wasm"}]}`:                                                          "WebAssembly module",
		`{"schemaVersion":2,"artifactType":"application/vnd.goharbor.harbor.sbom.v1","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"x"},"layers":[{"mediaType":"application/vnd.goharbor.harbor.sbom.v1"}]}`:                              "SBOM: application/vnd.goharbor.harbor.sbom.v1",
		`{"schemaVersion":2,"config":{"mediaType":"application/vnd.docker.ai.model.config.v0.1+json","digest":"x"},"layers":[{"mediaType":"application/vnd.docker.ai.gguf.v3"}]}`:                                                                              "model",
		`{"schemaVersion":2,"artifactType":"application/sarif+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"x"},"layers":[{"mediaType":"application/sarif+json"}]}`:                                                                "scan report: application/sarif+json",
	} {
		r, err := s.resolve(t, s.put(doc, ""))
		if err != nil || r.NotApplicable != want || len(r.Images) != 0 {
			t.Errorf("%.120s: %q, %v, %v; want %s", doc, r.NotApplicable, short(r), err, want)
		}
	}
}
