package resolve

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// configuration is the part of an image's configuration that is kept (OCI image specification, config.md). Times are read
// leniently: a wrong one is no reason to refuse an image.
type configuration struct {
	OS           string          `json:"os"`
	Architecture string          `json:"architecture"`
	Variant      string          `json:"variant"`
	Created      json.RawMessage `json:"created"`
	Config       struct {
		Labels map[string]string `json:"Labels"`
	} `json:"config"`
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []history `json:"history"`
}

type history struct {
	Created    json.RawMessage `json:"created"`
	CreatedBy  string          `json:"created_by"`
	Comment    string          `json:"comment"`
	EmptyLayer bool            `json:"empty_layer"`
}

// image makes the noun of a manifest and its configuration. Lies and limits become faults of it; an error is a property of the
// bytes (ErrInvalid, ErrLimit).
func image(digest plimsoll.Digest, mediaType string, d document, at plimsoll.Platform, config []byte) (plimsoll.Image, error) {
	img := plimsoll.Image{Digest: digest, MediaType: cut(mediaType), Platform: at, Config: plimsoll.Digest(d.Config.Digest)}
	if err := addLayers(&img, d.Layers); err != nil {
		return img, err
	}
	var c configuration
	if err := json.Unmarshal(config, &c); err != nil {
		return img, fmt.Errorf("configuration: %w: no JSON of the right form", plimsoll.ErrInvalid)
	}
	own := (&platform{c.OS, c.Architecture, c.Variant}).noun()
	if own.String() != "" {
		img.Platform = own // the index only speaks for configurations that do not
	}
	img.Created = when(c.Created)
	img.Labels = labels(&img, c.Config.Labels)
	img.Base = baseClaim(d.Annotations, c.Config.Labels)
	addClaims(&img, c.RootFS.DiffIDs)
	addHistory(&img, c.History)
	return img, nil
}

func addLayers(img *plimsoll.Image, layers []descriptor) error {
	if len(layers) > maxLayers {
		return fmt.Errorf("manifest: %w: more than %d layers", plimsoll.ErrLimit, maxLayers)
	}
	img.Layers = []plimsoll.LayerRef{}
	for _, l := range layers {
		digest, err := plimsoll.ParseDigest(l.Digest)
		if err != nil {
			return fmt.Errorf("layer: %w", err)
		}
		if l.Size < 0 {
			return fmt.Errorf("layer %s: %w: a size below zero", digest.Short(), plimsoll.ErrInvalid)
		}
		img.Layers = append(img.Layers, plimsoll.LayerRef{Digest: digest, Size: l.Size, MediaType: cut(l.MediaType)})
	}
	return nil
}

// addClaims notes the configuration's diff IDs where their number fits; it is a lie or a mistake where it does not.
func addClaims(img *plimsoll.Image, ids []string) {
	if len(ids) != len(img.Layers) {
		img.Lies = true
		img.Faults = append(img.Faults, fmt.Sprintf("the configuration names %d layers, the manifest %d", len(ids), len(img.Layers)))
		return
	}
	for i, id := range ids {
		d, err := plimsoll.ParseDiffID(id)
		if err != nil {
			img.Lies = true
			img.Faults = append(img.Faults, "a diff ID of the configuration has the wrong form")
			continue
		}
		img.Layers[i].Claim = d
	}
}

// addHistory keeps the steps and gives each layer its instruction: the steps that made a layer, in order, are the layers.
func addHistory(img *plimsoll.Image, steps []history) {
	if len(steps) > maxHistory {
		img.Faults = append(img.Faults, fmt.Sprintf("history cut after %d steps", maxHistory))
		steps = steps[:maxHistory]
	}
	var by []string
	for _, h := range steps {
		e := plimsoll.HistoryEntry{Created: when(h.Created), CreatedBy: clip(h.CreatedBy), Comment: clip(h.Comment), Empty: h.EmptyLayer}
		img.History = append(img.History, e)
		if !h.EmptyLayer {
			by = append(by, e.CreatedBy)
		}
	}
	if len(by) != len(img.Layers) {
		if len(steps) > 0 {
			img.Faults = append(img.Faults, fmt.Sprintf("the history names %d layers, the manifest %d", len(by), len(img.Layers)))
		}
		return
	}
	for i := range by {
		img.Layers[i].CreatedBy = by[i]
	}
}

// baseClaim is what the manifest says of the base, else what the configuration says. BuildKit writes annotations, others labels.
func baseClaim(annotations, labels map[string]string) plimsoll.BaseClaim {
	const name, digest = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"
	from := annotations
	if from[name] == "" && from[digest] == "" {
		from = labels
	}
	return plimsoll.BaseClaim{Name: cut(from[name]), Digest: cut(from[digest])}
}

// labels keeps the first maxLabels by name, each cut at maxLabel.
func labels(img *plimsoll.Image, all map[string]string) map[string]string {
	keys := slices.Sorted(maps.Keys(all))
	if len(keys) > maxLabels {
		img.Faults = append(img.Faults, fmt.Sprintf(labelsCut+"%d of %d kept", maxLabels, len(keys)))
		keys = keys[:maxLabels]
	}
	kept := make(map[string]string, len(keys))
	for _, k := range keys {
		kept[cut(k)] = clip(all[k])
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// labelsCut begins the fault of an image with more labels than are kept.
const labelsCut = "labels cut: "

// truncated marks text that was cut.
const truncated = "… (cut)"

func clip(s string) string {
	if len(s) > maxLabel {
		s = s[:maxLabel] + truncated
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

func when(raw json.RawMessage) time.Time {
	var t time.Time
	if json.Unmarshal(raw, &t) != nil {
		return time.Time{}
	}
	return t
}
