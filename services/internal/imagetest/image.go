package imagetest

import (
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Options say what an image is made of. Only Layers matters for most; the zero value of the rest is an honest linux/amd64
// OCI image.
type Options struct {
	Layers   []Blob
	Platform v1.Platform       // zero: linux/amd64
	Config   v1.Config         // environment, user, entry point …
	Labels   map[string]string // added to Config's
	History  []v1.History      // nil: one entry a layer
	Created  time.Time         // zero: Epoch
	Docker   bool              // Docker's media types in place of OCI's

	Annotations map[string]string
	// What follows is for images that lie or are none.
	DiffIDs         []v1.Hash // in place of the layers' own
	RawConfig       []byte    // in place of the configuration
	ConfigMediaType string
	ArtifactType    string
	Subject         *v1.Descriptor
}

// manifest adds what go-containerregistry's own lacks.
type manifest struct {
	SchemaVersion int64             `json:"schemaVersion"`
	MediaType     types.MediaType   `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        v1.Descriptor     `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Subject       *v1.Descriptor    `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Image makes an image. Its manifest and configuration are the same bytes for the same options.
func Image(o Options) (v1.Image, error) {
	config := o.RawConfig
	if config == nil {
		var err error
		if config, err = json.Marshal(o.configFile()); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
	}
	m := manifest{SchemaVersion: 2, MediaType: o.manifestType(), ArtifactType: o.ArtifactType, Subject: o.Subject, Annotations: o.Annotations,
		Config: v1.Descriptor{MediaType: o.configType(), Size: int64(len(config)), Digest: hash(config)}, Layers: []v1.Descriptor{}}
	core := &core{kind: m.MediaType, config: config, layers: map[v1.Hash]Blob{}}
	for _, l := range o.Layers {
		if o.Docker {
			l.MediaType = dockerType(l.MediaType)
		}
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: l.MediaType, Size: int64(len(l.Bytes)), Digest: l.Digest()})
		core.layers[l.Digest()] = l
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	core.manifest = raw
	return partial.CompressedToImage(core)
}

func (o Options) configFile() *v1.ConfigFile {
	platform := o.Platform
	if platform.OS == "" {
		platform = v1.Platform{OS: "linux", Architecture: "amd64"}
	}
	created := o.Created
	if created.IsZero() {
		created = Epoch
	}
	c := o.Config
	if len(o.Labels) > 0 {
		labels := map[string]string{}
		for _, from := range []map[string]string{c.Labels, o.Labels} {
			for k, v := range from {
				labels[k] = v
			}
		}
		c.Labels = labels
	}
	return &v1.ConfigFile{
		Architecture: platform.Architecture, OS: platform.OS, Variant: platform.Variant, OSVersion: platform.OSVersion,
		Created: v1.Time{Time: created}, Config: c, History: o.history(created), RootFS: v1.RootFS{Type: "layers", DiffIDs: o.diffIDs()},
	}
}

func (o Options) diffIDs() []v1.Hash {
	if o.DiffIDs != nil {
		return o.DiffIDs
	}
	ids := []v1.Hash{}
	for _, l := range o.Layers {
		ids = append(ids, l.DiffID)
	}
	return ids
}

func (o Options) history(created time.Time) []v1.History {
	if o.History != nil {
		return o.History
	}
	var out []v1.History
	for i, l := range o.Layers {
		by := l.CreatedBy
		if by == "" {
			by = fmt.Sprintf("COPY layer%d / # imagetest", i)
		}
		out = append(out, v1.History{Created: v1.Time{Time: created}, CreatedBy: by})
	}
	return out
}

func (o Options) manifestType() types.MediaType {
	if o.Docker {
		return types.DockerManifestSchema2
	}
	return types.OCIManifestSchema1
}

func (o Options) configType() types.MediaType {
	switch {
	case o.ConfigMediaType != "":
		return types.MediaType(o.ConfigMediaType)
	case o.Docker:
		return types.DockerConfigJSON
	}
	return types.OCIConfigJSON
}

func dockerType(t types.MediaType) types.MediaType {
	switch t {
	case types.OCILayer:
		return types.DockerLayer
	case types.OCIUncompressedLayer:
		return types.DockerUncompressedLayer
	}
	return t
}

// core holds an image's documents as bytes; partial makes a v1.Image of it.
type core struct {
	kind             types.MediaType
	manifest, config []byte
	layers           map[v1.Hash]Blob
}

func (c *core) RawManifest() ([]byte, error)        { return c.manifest, nil }
func (c *core) RawConfigFile() ([]byte, error)      { return c.config, nil }
func (c *core) MediaType() (types.MediaType, error) { return c.kind, nil }
func (c *core) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	if l, ok := c.layers[h]; ok {
		return stored{l}, nil
	}
	if h == hash(c.config) {
		return stored{Stored(c.config, string(types.OCIConfigJSON))}, nil
	}
	return nil, fmt.Errorf("no layer %s", h)
}

// Child is one manifest of an index. Platform nil: the image's own, from its configuration.
type Child struct {
	Image       mutate.Appendable // v1.Image or v1.ImageIndex
	Platform    *v1.Platform
	Annotations map[string]string
}

// Index makes an OCI index. Its children may be indexes.
func Index(children ...Child) (v1.ImageIndex, error) {
	var add []mutate.IndexAddendum
	for _, c := range children {
		a := mutate.IndexAddendum{Add: c.Image, Descriptor: v1.Descriptor{Platform: c.Platform, Annotations: c.Annotations}}
		if image, ok := c.Image.(v1.Image); ok && c.Platform == nil {
			config, err := image.ConfigFile()
			if err != nil {
				return nil, fmt.Errorf("platform of a child: %w", err)
			}
			a.Platform = config.Platform()
		}
		add = append(add, a)
	}
	return mutate.IndexMediaType(mutate.AppendManifests(empty.Index, add...), types.OCIImageIndex), nil
}

// Attestation is an index's child that holds provenance of another child, as BuildKit makes them: no image.
func Attestation(subject v1.Hash) (Child, error) {
	const statement = `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.2"}`
	unknown := v1.Platform{OS: "unknown", Architecture: "unknown"}
	image, err := Image(Options{Platform: unknown, Layers: []Blob{Stored([]byte(statement), "application/vnd.in-toto+json")}})
	if err != nil {
		return Child{}, err
	}
	return Child{Image: image, Platform: &unknown, Annotations: map[string]string{
		"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject.String(),
	}}, nil
}

// Artifact is a manifest that is no image: a chart, a signature, an SBOM. configType names it in the older way, artifactType
// (may be empty) in that of OCI 1.1.
func Artifact(configType, artifactType, layerType string, body []byte) (v1.Image, error) {
	return Image(Options{ConfigMediaType: configType, ArtifactType: artifactType, RawConfig: []byte("{}"), Layers: []Blob{Stored(body, layerType)}})
}
