package assemble

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/gate"
)

// Bounds of the caches. A node of a merged tree takes about 150 bytes, an entry of decoded facts about 120.
const (
	maxStateNodes = 1_500_000 // of merged trees: some 220 MB, or the bases of about a hundred kinds of images
	maxFactsBytes = 192 << 20 // of decoded facts
	maxOwnerBytes = 32 << 20  // of who owns the files of bases: some hundred bases
	maxWholes     = 20_000    // images whose layers were merged, remembered by name alone: about 2 MB
	maxLayers     = 512       // of an image; resolving refuses more, so does this
)

// Store is the bucket.
type Store interface {
	Image(ctx context.Context, digest plimsoll.Digest) (plimsoll.Image, error)
	// Facts returns ErrNotFound for facts that are missing, or that do not match their key and were dropped.
	Facts(ctx context.Context, a plimsoll.Analyzer, layer plimsoll.Digest) (plimsoll.Facts, int, error)
	Attempt(ctx context.Context, layer plimsoll.Digest) (plimsoll.Attempt, error)
	// Inventory is the whole one that is kept, with its key; ErrNotFound where there is none.
	Inventory(ctx context.Context, image plimsoll.Digest) (plimsoll.Inventory, string, error)
	// Keep writes a whole inventory and drops the partial one; KeepPartial writes the partial one. Both give the key.
	Keep(ctx context.Context, inv plimsoll.Inventory) (string, error)
	KeepPartial(ctx context.Context, inv plimsoll.Inventory) (string, error)
}

// Assembler makes inventories by one recipe.
type Assembler struct {
	store     Store
	recipe    plimsoll.Recipe
	analyzers []plimsoll.Analyzer
	states    *cache[chain, *state]
	facts     *cache[plimsoll.Digest, *layerFacts]
	owners    *cache[chain, *owners]  // of prefixes that images share
	wholes    *cache[chain, struct{}] // all layers of images that were met
	compute   *gate.Gate              // inventories drawn at once: one processor is left to pushes
	log       *slog.Logger
}

// chain identifies a prefix of layers: the hash of their digests in order.
type chain [sha256.Size]byte

func (c chain) then(layer plimsoll.Digest) chain {
	return sha256.Sum256(append(c[:], layer...))
}

// New makes an assembler; analyzers are those that the facts were made by.
func New(store Store, recipe plimsoll.Recipe, analyzers []plimsoll.Analyzer, log *slog.Logger) *Assembler {
	return &Assembler{
		store: store, recipe: recipe, analyzers: analyzers, compute: gate.New(runtime.GOMAXPROCS(0)), log: log,
		states: newCache[chain, *state](maxStateNodes), facts: newCache[plimsoll.Digest, *layerFacts](maxFactsBytes),
		owners: newCache[chain, *owners](maxOwnerBytes), wholes: newCache[chain, struct{}](maxWholes),
	}
}

// Result is what assembling an image gave.
type Result struct {
	Read    map[string]plimsoll.Coverage
	Partial bool // a layer lacks facts: the inventory stands under partial/
	Key     string
}

// Assemble overlays the facts of one image's layers and writes its inventory. An image whose layers lack facts gets a partial
// inventory, unless it has a whole one from before its facts were lost: the same bytes by the same recipe say the same. It returns ErrNotFound when the image was not resolved.
func (a *Assembler) Assemble(ctx context.Context, image plimsoll.Digest) (Result, error) {
	img, err := a.store.Image(ctx, image)
	if err != nil {
		return Result{}, fmt.Errorf("assemble %s: read image: %w", image.Short(), err)
	}
	if img.NotApplicable != "" || len(img.Layers) > maxLayers {
		return Result{}, fmt.Errorf("assemble %s: %w: it holds no image (%s)", image.Short(), plimsoll.ErrInvalid, img.NotApplicable)
	}
	m, err := a.merge(ctx, img)
	if err != nil {
		return Result{}, fmt.Errorf("assemble %s: %w", image.Short(), err)
	}
	config, err := a.config(ctx, img)
	if err != nil {
		return Result{}, fmt.Errorf("assemble %s: %w", image.Short(), err)
	}
	whole := m.whole && !config.missing
	inv, err := a.draw(ctx, img, m, config.configFacts)
	if err != nil {
		return Result{}, fmt.Errorf("assemble %s: %w", image.Short(), err)
	}
	keep := a.store.Keep
	if !whole {
		kept, key, err := a.store.Inventory(ctx, image)
		if err == nil {
			return Result{Read: kept.Read, Key: key}, nil
		}
		if !errors.Is(err, plimsoll.ErrNotFound) {
			return Result{}, fmt.Errorf("assemble %s: read inventory: %w", image.Short(), err)
		}
		keep = a.store.KeepPartial
	}
	key, err := keep(ctx, inv)
	if err != nil {
		return Result{}, fmt.Errorf("assemble %s: write inventory: %w", image.Short(), err)
	}
	return Result{Read: inv.Read, Partial: !whole, Key: key}, nil
}

// draw makes the inventory when a processor may be used for it.
func (a *Assembler) draw(ctx context.Context, img plimsoll.Image, m chained, config configFacts) (plimsoll.Inventory, error) {
	leave, err := a.compute.Enter(ctx, gate.UrgentIn(ctx))
	if err != nil {
		return plimsoll.Inventory{}, err
	}
	defer leave()
	return inventory(img, a.recipe, m.state, a.ownersOf(m), config), nil
}

// ownersOf tells who owns the files of a merged tree: by what is known of the prefix that it shares with others, where that holds.
func (a *Assembler) ownersOf(m chained) *owners {
	if m.base == nil {
		return m.state.owned()
	}
	below, ok := a.owners.get(m.prefix)
	if !ok {
		below = m.base.ownedBelow()
		a.owners.put(m.prefix, below, below.cost())
	}
	if o := below.above(m.base, m.state); o != nil {
		return o
	}
	return m.state.owned()
}

// chained is an image's merged layers.
type chained struct {
	state  *state
	whole  bool   // every layer had facts
	base   *state // of the longest prefix that another image had too; nil: none is known
	prefix chain  // of base
}

// merge applies the layers on top of the longest prefix that is known, and remembers each prefix: other images stand on it. All
// the layers of an image are remembered when they are met again, since hardly any image is another one's base.
func (a *Assembler) merge(ctx context.Context, img plimsoll.Image) (m chained, err error) {
	chains := make([]chain, len(img.Layers)+1)
	for i, l := range img.Layers {
		chains[i+1] = chains[i].then(l.Digest)
	}
	m.state, m.whole = &state{}, true
	from := 0
	for i := len(img.Layers); i > 0; i-- {
		if known, ok := a.states.get(chains[i]); ok {
			m.state, from = known, i
			break
		}
	}
	if from > 0 {
		m.base, m.prefix = m.state, chains[from]
	}
	again := a.metAgain(chains[len(img.Layers)])
	for i := from; i < len(img.Layers); i++ {
		if err := ctx.Err(); err != nil {
			return chained{}, context.Cause(ctx)
		}
		keep := again || i < len(img.Layers)-1
		l, err := a.layer(ctx, img.Layers[i], keep)
		if err != nil {
			return chained{}, err
		}
		m.state = m.state.next(img.Layers[i].Digest, img.Layers[i].Size, l)
		// A prefix with a gap is not kept: the layer may have facts the next time.
		if m.whole = m.whole && l.whole(); m.whole && keep {
			a.states.put(chains[i+1], m.state, m.state.cost)
		}
	}
	return m, nil
}

// metAgain tells whether all layers of an image were met before.
func (a *Assembler) metAgain(all chain) bool {
	_, ok := a.wholes.get(all)
	a.wholes.put(all, struct{}{}, 1)
	return ok
}

// layer reads one layer's facts by every analyser, and remembers them if they are to be kept.
func (a *Assembler) layer(ctx context.Context, ref plimsoll.LayerRef, keep bool) (*layerFacts, error) {
	if l, ok := a.facts.get(ref.Digest); ok {
		return l, nil
	}
	l := &layerFacts{facts: map[string]*plimsoll.Facts{}, missing: map[string]plimsoll.Coverage{}}
	for _, an := range a.analyzers {
		f, size, err := a.store.Facts(ctx, an, ref.Digest)
		if errors.Is(err, plimsoll.ErrNotFound) {
			if l.missing[an.Name], err = a.gap(ctx, an.Name, ref); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read facts of layer %s: %w", ref.Digest.Short(), err)
		}
		l.cost += 2 * size // decoded structures take about twice their JSON
		l.facts[an.Name] = &f
	}
	if keep && l.whole() {
		a.facts.put(ref.Digest, l, l.cost)
	}
	return l, nil
}

// gap says why a blob has no facts by an analyser.
func (a *Assembler) gap(ctx context.Context, analyzer string, ref plimsoll.LayerRef) (plimsoll.Coverage, error) {
	if IsForeign(ref.MediaType) {
		return plimsoll.Failed(ReasonForeign), nil
	}
	t, err := a.store.Attempt(ctx, ref.Digest)
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return plimsoll.Coverage{}, fmt.Errorf("read attempts of layer %s: %w", ref.Digest.Short(), err)
	}
	own := t.Analyzers[analyzer]
	switch {
	case err != nil:
		return plimsoll.Failed("a layer was not read"), nil
	case own.Count >= plimsoll.MaxAttempts:
		return plimsoll.Failed("quarantine: " + own.Reason), nil
	case t.Count >= plimsoll.MaxAttempts:
		return plimsoll.Failed("quarantine: " + t.Reason), nil
	}
	return plimsoll.Failed(cmp.Or(own.Reason, t.Reason, "a layer was not read")), nil
}

// configuration is what is known of an image's configuration.
type configuration struct {
	configFacts
	missing bool // it lacks facts by an analyser that is on
}

// config reads the facts of the image configuration: a blob like any other, which the secrets analyser alone reads.
func (a *Assembler) config(ctx context.Context, img plimsoll.Image) (c configuration, err error) {
	for _, an := range a.analyzers {
		c.analyzers = append(c.analyzers, an.Name)
		if an.Name != plimsoll.AnalyzerSecrets {
			continue
		}
		f, _, err := a.store.Facts(ctx, an, img.Config)
		switch {
		case errors.Is(err, plimsoll.ErrNotFound):
			why, err := a.gap(ctx, an.Name, plimsoll.LayerRef{Digest: img.Config})
			if err != nil {
				return c, err
			}
			// Of the image something may be known: its layers say how much.
			c.missing, c.read = true, []plimsoll.Coverage{plimsoll.Partial("configuration: " + why.Reason)}
		case err != nil:
			return c, fmt.Errorf("read facts of the configuration: %w", err)
		default:
			c.read = []plimsoll.Coverage{f.Read}
			if f.Secrets != nil {
				c.secrets = f.Secrets.Files
			}
		}
	}
	return c, nil
}

// ReasonForeign is why a layer that its registry does not hold is not read.
const ReasonForeign = "unsupported: foreign layer"

// IsForeign tells layers that stand elsewhere than in the registry, by licence (OCI image specification, "Non-distributable
// layers"; Docker: foreign). Their URLs point anywhere, so they are never fetched.
func IsForeign(mediaType string) bool {
	return strings.Contains(mediaType, ".nondistributable.") || strings.Contains(mediaType, ".foreign.")
}
