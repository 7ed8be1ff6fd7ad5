package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// Source is one registry.
type Source interface {
	Head(ctx context.Context, repository, tag string) (registry.Descriptor, error)
	Manifest(ctx context.Context, repository, reference string) (registry.Descriptor, []byte, error)
	Config(ctx context.Context, repository string, digest plimsoll.Digest) ([]byte, error)
}

// Store is the bucket.
type Store interface {
	Image(ctx context.Context, digest plimsoll.Digest) (plimsoll.Image, error) // ErrNotFound
	KeepImage(ctx context.Context, img plimsoll.Image) error
	HasInventory(ctx context.Context, image plimsoll.Digest) (bool, error)
	// Lacking tells whether a layer lacks facts by any analyser.
	Lacking(ctx context.Context, layer plimsoll.Digest) (bool, error)
	Now() time.Time
}

// Configs analyses image configurations: blobs of which one analyser makes facts.
type Configs interface {
	// Lacking tells whether a configuration has no facts yet, and may still get them.
	Lacking(ctx context.Context, config plimsoll.Digest) (bool, error)
	// Analyze makes them. What the bytes make it fail at is counted and no error.
	Analyze(ctx context.Context, config plimsoll.Digest, b []byte) error
}

// Request names one reference: a tag, which is resolved first, or a digest, or both, of which the digest is read.
type Request struct {
	Repository string
	Tag        string
	Digest     plimsoll.Digest
	Scope      Scope
}

// Image is one image, or one entry of an index that is none.
type Image struct {
	Digest        plimsoll.Digest
	Platform      plimsoll.Platform
	NotApplicable string
	Failed        string // for good: of these bytes
	Assembled     bool
}

// Result is what a reference holds.
type Result struct {
	Digest        plimsoll.Digest
	NotApplicable string // no image at all; Images is empty
	Images        []Image
	Missing       []plimsoll.LayerRef // each once
	Asked         Asked
	Observed      time.Time // when the tag was resolved; zero when none was
}

// Asked is what the images of a reference consist of, each of its layers as often as an image has it: what reading them without
// knowing any layer would cost.
type Asked struct {
	Layers int
	Bytes  int64 // compressed, as the manifests claim
}

// Resolve reads what the reference names, writes an object for each image in it, and tells which layers lack facts. Errors wrap
// the registry client's: ErrNotFound, ErrDenied, ErrUnavailable, ErrIntegrity, ErrInvalid for a request of the wrong form.
//
// configs may be nil: then no configuration is analysed.
func Resolve(ctx context.Context, src Source, store Store, configs Configs, r Request) (Result, error) {
	if err := check(r); err != nil {
		return Result{}, err
	}
	run := &run{src: src, store: store, configs: configs, repository: r.Repository, scope: r.Scope, seen: map[plimsoll.Digest]struct{}{}, layers: map[plimsoll.Digest]struct{}{}}
	if r.Digest == "" {
		observed := store.Now()
		d, err := src.Head(ctx, r.Repository, r.Tag)
		if err != nil {
			return Result{}, fmt.Errorf("resolve: %w", err)
		}
		r.Digest, run.out.Observed = d.Digest, observed
	}
	run.out.Digest = r.Digest
	if err := run.manifest(ctx, r.Digest, descriptor{Digest: string(r.Digest)}, 0); err != nil {
		return Result{}, fmt.Errorf("resolve: %w", err)
	}
	run.settle()
	return run.out, nil
}

// settle makes a reference whose entries are all no images not applicable itself.
func (r *run) settle() {
	for _, img := range r.out.Images {
		if img.NotApplicable == "" {
			return
		}
	}
	if len(r.out.Images) > 0 {
		r.out.NotApplicable, r.out.Images = r.out.Images[0].NotApplicable, nil
	}
}

func check(r Request) error {
	if err := plimsoll.CheckRepository(r.Repository); err != nil {
		return err
	}
	if r.Digest == "" {
		return plimsoll.CheckTag(r.Tag)
	}
	_, err := plimsoll.ParseDigest(string(r.Digest))
	return err
}

// run is the reading of one reference.
type run struct {
	src        Source
	store      Store
	configs    Configs
	repository string
	scope      Scope
	out        Result
	seen       map[plimsoll.Digest]struct{}
	layers     map[plimsoll.Digest]struct{}
}

// manifest reads one manifest and, of an index, those below it. What is wrong with the bytes for good becomes a failed image; an
// error may pass.
func (r *run) manifest(ctx context.Context, digest plimsoll.Digest, named descriptor, depth int) error {
	if _, ok := r.seen[digest]; ok {
		return nil // an index that names the same manifest twice, or itself
	}
	if len(r.seen) >= maxManifests {
		r.fail(digest, named, fmt.Errorf("%w: more than %d manifests behind one reference", plimsoll.ErrLimit, maxManifests))
		return nil
	}
	r.seen[digest] = struct{}{}
	known, err := r.store.Image(ctx, digest)
	if err == nil {
		return r.image(ctx, known, named, nil)
	}
	if !errors.Is(err, plimsoll.ErrNotFound) {
		return err
	}
	desc, body, err := r.src.Manifest(ctx, r.repository, string(digest))
	if err != nil {
		return r.lasting(digest, named, depth, err)
	}
	said := named.MediaType
	if said == "" {
		said = desc.MediaType
	}
	d, kind, why, err := parse(body, said)
	switch {
	case err != nil:
		r.fail(digest, named, err)
		return nil
	case kind == isIndex:
		return r.index(ctx, digest, named, d, depth)
	case kind == isOther:
		r.notApplicable(digest, named, depth, why)
		return nil
	}
	return r.fresh(ctx, digest, named, d, depth)
}

// lasting tells faults that reading again cannot mend, below an index, from those that may pass. One child that is gone does not
// fail the others; the reference itself being gone is an error.
func (r *run) lasting(digest plimsoll.Digest, named descriptor, depth int, err error) error {
	switch {
	case errors.Is(err, plimsoll.ErrLimit), errors.Is(err, plimsoll.ErrInvalid):
	case errors.Is(err, plimsoll.ErrNotFound) && depth > 0:
	default:
		return err
	}
	r.fail(digest, named, err)
	return nil
}

func (r *run) index(ctx context.Context, digest plimsoll.Digest, named descriptor, d document, depth int) error {
	if depth >= maxDepth {
		r.fail(digest, named, fmt.Errorf("%w: indexes nested deeper than %d", plimsoll.ErrLimit, maxDepth))
		return nil
	}
	if len(d.Manifests) == 0 && depth == 0 {
		r.out.NotApplicable = "index without manifests"
		return nil
	}
	for _, child := range d.Manifests {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		id, err := plimsoll.ParseDigest(child.Digest)
		if err != nil {
			r.fail(digest, child, err)
			continue
		}
		why := childNotApplicable(child)
		if why == "" && child.Platform != nil {
			why = r.scope.platform(child.Platform.noun())
		}
		if why != "" {
			r.notApplicable(id, child, depth+1, why)
			continue
		}
		if err := r.manifest(ctx, id, child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// fresh reads the configuration of an image that was not met before, and keeps the image.
func (r *run) fresh(ctx context.Context, digest plimsoll.Digest, named descriptor, d document, depth int) error {
	id, err := plimsoll.ParseDigest(d.Config.Digest)
	if err != nil {
		r.fail(digest, named, fmt.Errorf("configuration: %w", err))
		return nil
	}
	if d.Config.Size > maxConfig {
		r.fail(digest, named, fmt.Errorf("configuration: %w: more than %d bytes", plimsoll.ErrLimit, maxConfig))
		return nil
	}
	config, err := r.src.Config(ctx, r.repository, id)
	if err != nil {
		// A manifest stands although its configuration is gone or wrong: that is the image's fault, not the reference's. The client
		// has read wrong bytes twice by then.
		if errors.Is(err, plimsoll.ErrNotFound) || errors.Is(err, plimsoll.ErrIntegrity) {
			r.fail(digest, named, fmt.Errorf("configuration: %w", err))
			return nil
		}
		return r.lasting(digest, named, depth, fmt.Errorf("configuration: %w", err))
	}
	img, err := image(digest, cmp.Or(d.MediaType, typeOCIManifest), d, named.Platform.noun(), config)
	if err != nil {
		r.fail(digest, named, err)
		return nil
	}
	if err := r.store.KeepImage(ctx, img); err != nil {
		return err
	}
	return r.image(ctx, img, named, config)
}

// image adds an image and the layers that it lacks facts of. named is what its index says of it; config is nil when it was not read.
func (r *run) image(ctx context.Context, img plimsoll.Image, named descriptor, config []byte) error {
	if why := r.scope.image(img, named.Platform.noun()); why != "" {
		r.out.Images = append(r.out.Images, Image{Digest: img.Digest, Platform: img.Platform, NotApplicable: why})
		return nil
	}
	assembled, err := r.store.HasInventory(ctx, img.Digest)
	if err != nil {
		return err
	}
	r.out.Asked.add(img.Layers)
	r.out.Images = append(r.out.Images, Image{Digest: img.Digest, Platform: img.Platform, Assembled: assembled})
	if assembled {
		return nil // its layers had facts by this recipe when it was made
	}
	if err := r.configuration(ctx, img, config); err != nil {
		return err
	}
	if len(r.out.Missing)+len(img.Layers) > maxMissing {
		r.out.Images[len(r.out.Images)-1].Failed = fmt.Sprintf("limit reached: more than %d layers without facts behind one reference", maxMissing)
		return nil
	}
	for _, l := range img.Layers {
		if _, ok := r.layers[l.Digest]; ok {
			continue
		}
		r.layers[l.Digest] = struct{}{}
		lacking, err := r.store.Lacking(ctx, l.Digest)
		if err != nil {
			return err
		}
		if lacking {
			r.out.Missing = append(r.out.Missing, l)
		}
	}
	return nil
}

// maxClaim bounds what one layer's claimed size counts, in bytes: layers beyond it are not read (see layer.Limits).
const maxClaim = 16 << 30

func (a *Asked) add(layers []plimsoll.LayerRef) {
	a.Layers += len(layers)
	for _, l := range layers {
		a.Bytes += min(max(l.Size, 0), maxClaim)
	}
}

// configuration has an image's configuration analysed if it lacks facts. An image met before is asked for it again.
func (r *run) configuration(ctx context.Context, img plimsoll.Image, config []byte) error {
	if r.configs == nil {
		return nil
	}
	lacking, err := r.configs.Lacking(ctx, img.Config)
	if err != nil || !lacking {
		return err
	}
	if config == nil {
		if config, err = r.src.Config(ctx, r.repository, img.Config); err != nil {
			if errors.Is(err, plimsoll.ErrNotFound) || errors.Is(err, plimsoll.ErrIntegrity) {
				return nil // it was there once: its facts stay missing, and the inventory says so
			}
			return fmt.Errorf("configuration: %w", err)
		}
	}
	return r.configs.Analyze(ctx, img.Config, config)
}

func (r *run) notApplicable(digest plimsoll.Digest, named descriptor, depth int, why string) {
	if depth == 0 {
		r.out.NotApplicable = why
		return
	}
	r.out.Images = append(r.out.Images, Image{Digest: digest, Platform: named.Platform.noun(), NotApplicable: why})
}

func (r *run) fail(digest plimsoll.Digest, named descriptor, err error) {
	r.out.Images = append(r.out.Images, Image{Digest: digest, Platform: named.Platform.noun(), Failed: oneLine(err.Error())})
}

// oneLine fits a reason into the answer, whose size is bounded.
func oneLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return strings.ToValidUTF8(s[:min(len(s), maxReason)], "\ufffd")
}
