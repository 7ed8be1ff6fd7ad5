package resolve

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Bounds on what one reference may hold.
const (
	maxDepth     = 2       // an index in an index; deeper ones exist in tests of registries alone
	maxChildren  = 256     // of one index: the largest honest ones have about 30 platforms
	maxManifests = 512     // read for one reference
	maxLayers    = 512     // of an image; file systems overlay at most 500
	maxConfig    = 4 << 20 // bytes of a configuration, as the registry client enforces too
	maxLabels    = 256
	maxLabel     = 4 << 10 // bytes of a label's value, or of an instruction of the history
	maxHistory   = 2048
	maxMissing   = 16_384 // layers in one answer, about 150 bytes each: a gRPC message holds 4 MiB
	maxReason    = 1 << 10
)

// Media types of the OCI image specification and of Docker's image manifest version 2, schema 2.
const (
	typeOCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	typeOCIIndex       = "application/vnd.oci.image.index.v1+json"
	typeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	typeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	typeOCIConfig      = "application/vnd.oci.image.config.v1+json"
	typeDockerConfig   = "application/vnd.docker.container.image.v1+json"
	typeArtifact       = "application/vnd.oci.artifact.manifest.v1+json"
	typeBuildCache     = "application/vnd.buildkit.cacheconfig.v0"
	schema1Prefix      = "application/vnd.docker.distribution.manifest.v1+"
)

// document is a manifest or an index: the fields of both, so that one which is both can be told.
type document struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        *descriptor       `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Manifests     []descriptor      `json:"manifests"`
	FSLayers      json.RawMessage   `json:"fsLayers"` // schema 1
	Blobs         json.RawMessage   `json:"blobs"`    // OCI artifact manifest, withdrawn from the specification
	Annotations   map[string]string `json:"annotations"`
}

type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Platform     *platform         `json:"platform"`
	ArtifactType string            `json:"artifactType"`
	Annotations  map[string]string `json:"annotations"`
	// data and urls are not read: bytes are always asked for by their digest, from the registry itself.
}

type platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
}

func (p *platform) noun() plimsoll.Platform {
	if p == nil {
		return plimsoll.Platform{}
	}
	return plimsoll.Platform{OS: cut(p.OS), Architecture: cut(p.Architecture), Variant: cut(p.Variant)}
}

// cut shortens what people see: names of platforms and media types come from the image.
func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), 256)], "\ufffd") }

// kind is what a document turned out to be.
type kind int

const (
	isImage kind = iota
	isIndex
	isOther // holds no image; the reason tells what
)

// parse tells what a document is. contentType is what the registry, or the index that names it, says; it must not contradict the
// document. An error (ErrInvalid, ErrUnsupported) is a property of these bytes.
func parse(b []byte, contentType string) (d document, k kind, notApplicable string, err error) {
	if err := json.Unmarshal(b, &d); err != nil {
		return d, 0, "", fmt.Errorf("manifest: %w: no JSON of the right form", plimsoll.ErrInvalid)
	}
	said := d.MediaType
	if said == "" {
		said = contentType
	}
	switch {
	case d.SchemaVersion == 1 || d.FSLayers != nil || strings.HasPrefix(said, schema1Prefix):
		return d, 0, "", fmt.Errorf("manifest: %w: schema 1", plimsoll.ErrUnsupported)
	case d.Manifests != nil && (d.Config != nil || d.Layers != nil):
		// CVE-2021-41190: two readers would see two different things.
		return d, 0, "", fmt.Errorf("manifest: %w: it is a manifest and an index at once", plimsoll.ErrInvalid)
	case contradicts(d.MediaType, contentType):
		return d, 0, "", fmt.Errorf("manifest: %w: it calls itself %q, its registry or index calls it %q", plimsoll.ErrInvalid, cut(d.MediaType), cut(contentType))
	case said == typeArtifact || d.Config == nil && d.Blobs != nil:
		return d, isOther, artifact(d.ArtifactType, "OCI artifact"), nil
	case d.Manifests != nil || said == typeOCIIndex || said == typeDockerList:
		return indexOrFault(d, said)
	case d.Config == nil:
		return d, 0, "", fmt.Errorf("manifest: %w: neither a manifest nor an index", plimsoll.ErrInvalid)
	case said == typeOCIIndex || said == typeDockerList:
		return d, 0, "", fmt.Errorf("manifest: %w: a manifest that calls itself an index", plimsoll.ErrInvalid)
	}
	if why := noImage(d); why != "" {
		return d, isOther, why, nil
	}
	return d, isImage, "", nil
}

// isBuildCache tells BuildKit's cache exported as an index: its entries are layers beside one cache configuration, and no manifests.
func isBuildCache(d document) bool {
	for _, m := range d.Manifests {
		if m.MediaType == typeBuildCache {
			return true
		}
	}
	return false
}

func indexOrFault(d document, said string) (document, kind, string, error) {
	switch {
	case isBuildCache(d):
		return d, isOther, "build cache", nil
	case said == typeOCIManifest || said == typeDockerManifest:
		return d, 0, "", fmt.Errorf("manifest: %w: an index that calls itself a manifest", plimsoll.ErrInvalid)
	case d.Config != nil || d.Layers != nil:
		return d, 0, "", fmt.Errorf("manifest: %w: a manifest that calls itself an index", plimsoll.ErrInvalid)
	case len(d.Manifests) > maxChildren:
		return d, 0, "", fmt.Errorf("index: %w: more than %d manifests", plimsoll.ErrLimit, maxChildren)
	}
	return d, isIndex, "", nil
}

// manifestTypes are the media types that contradict each other; anything else a registry may say (text/plain …) says nothing.
var manifestTypes = map[string]bool{typeOCIManifest: true, typeOCIIndex: true, typeDockerManifest: true, typeDockerList: true}

func contradicts(own, said string) bool {
	return own != said && manifestTypes[own] && manifestTypes[said]
}

// configKinds name artifacts by the media type of their configuration.
var configKinds = map[string]string{
	"application/vnd.cncf.helm.config.v1+json":            "Helm chart",
	"application/vnd.wasm.config.v1+json":                 "WebAssembly module",
	"application/vnd.wasm.config.v0+json":                 "WebAssembly module",
	"application/vnd.docker.plugin.v1+json":               "Docker plugin",
	"application/vnd.buildkit.cacheconfig.v0":             "build cache",
	"application/vnd.docker.ai.model.config.v0.1+json":    "model",
	"application/vnd.cncf.model.config.v1+json":           "model",
	"application/vnd.devcontainers":                       "dev container feature",
	"application/vnd.cnab.config.v1+json":                 "bundle (CNAB)",
	"application/vnd.cncf.falco.rulesfile.config.v1+json": "Falco rules",
	"application/vnd.cncf.falco.plugin.config.v1+json":    "Falco plugin",
	"application/vnd.cncf.flux.config.v1+json":            "Flux artifact",
	"application/vnd.gitlab.packages.npm":                 "package",
	"application/vnd.cncf.openpolicyagent.config.v1+json": "Open Policy Agent bundle",
}

// layerKinds name artifacts by the media type of what they carry: tools use an image's configuration for them.
var layerKinds = []struct{ mark, kind string }{
	{"vnd.dev.cosign.simplesigning", "signature"},
	{"vnd.dev.sigstore.bundle", "signature"},
	{"vnd.cncf.notary", "signature"},
	{"vnd.in-toto", "attestation"},
	{"vnd.dsse.envelope", "attestation"},
	{"spdx", "SBOM"},
	{"cyclonedx", "SBOM"},
	{"vnd.syft", "SBOM"},
	{"vnd.cncf.helm.chart", "Helm chart"},
	{"vnd.cncf.helm.provenance", "Helm chart"},
	{"vnd.buildkit.cacheconfig", "build cache"},
	{"application/wasm", "WebAssembly module"},
	{"vnd.wasm", "WebAssembly module"},
	{"vnd.bytecodealliance.wasm", "WebAssembly module"},
	{"openvex", "VEX statement"},
	{"vnd.goharbor.harbor.sbom", "SBOM"},
	{"sarif", "scan report"},
	{"vnd.security.vulnerability.report", "scan report"},
	{"vnd.docker.ai.gguf", "model"},
	{"vnd.cncf.model", "model"},
	{"vnd.ollama.image.model", "model"},
}

// noImage tells why a manifest holds no image; empty when it does.
func noImage(d document) string {
	if d.ArtifactType != "" && d.Config.MediaType != typeOCIConfig && d.Config.MediaType != typeDockerConfig {
		return artifact(d.ArtifactType, byLayers(d))
	}
	if d.Config.MediaType != typeOCIConfig && d.Config.MediaType != typeDockerConfig {
		if k, ok := configKinds[d.Config.MediaType]; ok {
			return k
		}
		return artifact(d.Config.MediaType, byLayers(d))
	}
	// An image's layers are tars; one that carries nothing else than other things is no image.
	if k := byLayers(d); k != "" {
		return k
	}
	return ""
}

// byLayers names what all layers are, empty when one of them may be a tar.
func byLayers(d document) string {
	found := ""
	for _, l := range d.Layers {
		k := layerKind(l.MediaType)
		if k == "" {
			return ""
		}
		found = k
	}
	return found
}

func layerKind(mediaType string) string {
	for _, l := range layerKinds {
		if strings.Contains(mediaType, l.mark) {
			return l.kind
		}
	}
	return ""
}

func artifact(mediaType, known string) string {
	if known == "" {
		known = "artifact"
	}
	if mediaType == "" {
		return known
	}
	return known + ": " + cut(mediaType)
}

// childNotApplicable tells index entries that are no platform: BuildKit puts attestations beside the images that they are about.
func childNotApplicable(d descriptor) string {
	if kind, ok := d.Annotations["vnd.docker.reference.type"]; ok {
		return artifact("", cut(strings.TrimSuffix(kind, "-manifest")))
	}
	if d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown" {
		return "attestation"
	}
	return ""
}
