package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/internal/registry"
	"github.com/plimsoll/plimsoll/workflows"
)

const (
	// maxPlanned bounds the digests that a plan counts each once: 100 MB of them. A larger registry is not planned.
	maxPlanned = 2_000_000
	// maxLeftOut bounds the reasons that a plan names; the last one holds the rest.
	maxLeftOut = 50
	// indexDepth is how deep an index may hold indexes, as workers read them.
	indexDepth = 2
)

// Plan tells what a sweep of a registry would do: it lists as the sweep would, and reads the manifests of what is not read yet, and
// nothing else. It writes nothing.
func (s *Sweeper) Plan(ctx context.Context, id string, beat func(string)) (plimsoll.SweepPlan, error) {
	ctx, cancel := s.untilStopping(ctx)
	defer cancel()
	plan, err := s.plan(ctx, id, beat)
	return plan, orStopping(ctx, err)
}

func (s *Sweeper) plan(ctx context.Context, id string, beat func(string)) (plimsoll.SweepPlan, error) {
	r, err := s.registry(id)
	if err != nil {
		return plimsoll.SweepPlan{}, err
	}
	recipe, err := s.Recipe(ctx)
	if err != nil {
		return plimsoll.SweepPlan{}, fmt.Errorf("ask a worker for its recipe: %w", err)
	}
	p := &planner{
		pass:   &pass{Sweeper: s, registry: r, in: workflows.PageInput{Registry: id, Recipe: recipe}, began: s.Now()},
		images: map[plimsoll.Digest]bool{}, layers: map[plimsoll.Digest]int64{}, left: map[leftKey]*plimsoll.Omission{},
		plan: plimsoll.SweepPlan{
			Registry: id, Recipe: recipe, Made: s.Now().UTC(), Rate: r.Conf.RequestsPerSecond, Platforms: map[string]int{},
		},
	}
	stop := beating(ctx, beat, p)
	defer stop()
	for cursor := ""; ; {
		page, err := s.repositories(ctx, r, cursor)
		if err != nil {
			return p.plan, err
		}
		p.asked(1)
		p.leave("by include and exclude", "repositories", "", page.leftOut)
		for _, m := range page.missed {
			p.leave("cannot be listed: "+kindOf(m.Err), "parts of the registry", m.Name, 1)
		}
		for chunk := range slices.Chunk(page.names, repositoriesAtOnce) {
			err := sideBySide(ctx, len(chunk), len(chunk), func(ctx context.Context, i int) error { return p.repository(ctx, chunk[i]) })
			if err != nil {
				return p.plan, fmt.Errorf("plan a sweep of %s, repositories %s to %s: %w", id, chunk[0], chunk[len(chunk)-1], err)
			}
		}
		if page.next == "" {
			return p.conclude(ctx)
		}
		cursor = page.next
	}
}

// planner is one plan in the making.
type planner struct {
	*pass

	mu     sync.Mutex
	plan   plimsoll.SweepPlan
	images map[plimsoll.Digest]bool  // manifests that were read, and indexes
	layers map[plimsoll.Digest]int64 // compressed sizes as manifests claim them
	left   map[leftKey]*plimsoll.Omission
}

type leftKey struct{ reason, of string }

// word tells how far the plan has come.
func (p *planner) word() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%d repositories, %d tags", p.plan.Repositories, p.plan.Tags)
}

func (p *planner) asked(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan.Requests += n
}

func (p *planner) leave(reason, of, example string, n int) {
	if n == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k := leftKey{cut(reason), of}
	if p.left[k] == nil {
		p.left[k] = &plimsoll.Omission{Reason: k.reason, Of: of, Example: example}
	}
	p.left[k].Count += n
	p.left[k].Example = min(p.left[k].Example, example)
}

// repository plans one repository.
func (p *planner) repository(ctx context.Context, name string) error {
	l, err := p.list(ctx, name)
	if err != nil {
		return err
	}
	p.asked(1 + len(l.tags)/registry.PageSize + l.heads)
	for _, cut := range []struct {
		by string
		n  int
	}{{"by include and exclude", l.scope.counts.Patterns}, {"not among the newest_tags", l.scope.counts.Newest}, {"pushed before moved_within", l.scope.counts.Moved}} {
		p.leave(cut.by, "tags", name, cut.n)
	}
	p.mu.Lock()
	p.plan.Repositories++
	p.plan.Tags += len(l.tags)
	p.mu.Unlock()
	if l.failure != nil {
		p.leave("the repository cannot be listed: "+kindOf(l.failure), "repositories", name, 1)
		return nil
	}
	known, err := p.known(ctx, name)
	if err != nil {
		return err
	}
	return sideBySide(ctx, len(l.tags), headsAtOnce, func(ctx context.Context, i int) error {
		a := l.tags[i]
		switch {
		case a.err != nil:
			p.leave(unansweredPrefix+kindOf(a.err), "tags", name+":"+a.tag, 1)
			return nil
		case known[a.tag] == a.digest:
			p.mu.Lock()
			p.plan.Unchanged++
			p.mu.Unlock()
			return nil
		}
		p.mu.Lock()
		p.plan.ToRead++
		p.mu.Unlock()
		return p.manifest(ctx, name, a.digest, "", 0, name+":"+a.tag)
	})
}

// known are the digests by tag that are read by the present recipe and scope: a sweep asks for none of them.
func (p *planner) known(ctx context.Context, name string) (map[string]plimsoll.Digest, error) {
	refs, err := p.Store.Refs(ctx, p.in.Registry, name)
	if err != nil {
		return nil, fmt.Errorf("read refs of %s: %w", name, err)
	}
	known := map[string]plimsoll.Digest{}
	for _, ref := range refs {
		if ref.Recipe == p.in.Recipe && ref.Scope == p.registry.Conf.Scope() {
			known[ref.Tag] = ref.Digest
		}
	}
	return known, nil
}

// manifestFields are what a plan reads of a manifest or an index.
type manifestFields struct {
	MediaType    string `json:"mediaType"`
	ArtifactType string `json:"artifactType"`
	Config       struct {
		MediaType string `json:"mediaType"`
	} `json:"config"`
	Layers []struct {
		Digest plimsoll.Digest `json:"digest"`
		Size   int64           `json:"size"`
	} `json:"layers"`
	Manifests []struct {
		Digest   plimsoll.Digest `json:"digest"`
		Platform struct {
			OS           string `json:"os"`
			Architecture string `json:"architecture"`
			Variant      string `json:"variant"`
		} `json:"platform"`
	} `json:"manifests"`
}

// configTypes are the types of an image's configuration; what has another is no image.
var configTypes = []string{
	"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json", "application/octet-stream", "",
}

// manifest reads one manifest, each digest once, and what an index holds. What it meets is left out with its reason; only what
// stops the plan is an error.
func (p *planner) manifest(ctx context.Context, repository string, digest plimsoll.Digest, platform string, depth int, example string) error {
	p.mu.Lock()
	seen := p.images[digest]
	p.images[digest] = true
	tooMany := len(p.images)+len(p.layers) > maxPlanned
	p.mu.Unlock()
	switch {
	case seen:
		return nil
	case tooMany:
		return fmt.Errorf("%w: more than %d manifests and layers; plan a part of the registry by its repositories or include", plimsoll.ErrLimit, maxPlanned)
	}
	p.asked(1)
	_, body, err := p.registry.Client.Manifest(ctx, repository, string(digest))
	if err != nil {
		p.leave("the manifest cannot be read: "+kindOf(err), "manifests", example, 1)
		return p.stops(ctx, err)
	}
	p.outages.answered()
	var m manifestFields
	if err := json.Unmarshal(body, &m); err != nil {
		p.leave("the manifest is not JSON", "manifests", example, 1)
		return nil
	}
	if len(m.Manifests) > 0 {
		return p.index(ctx, repository, m, depth, example)
	}
	if kind := m.artifact(); kind != "" {
		p.leave("no image: "+kind, "manifests", example, 1)
		return nil
	}
	p.image(m, platform)
	return nil
}

func (p *planner) index(ctx context.Context, repository string, m manifestFields, depth int, example string) error {
	if depth >= indexDepth {
		p.leave("an index too deep in indexes", "manifests", example, 1)
		return nil
	}
	for _, child := range m.Manifests {
		if child.Platform.OS == "unknown" {
			p.leave("no image: attestation", "manifests", example, 1)
			continue
		}
		if _, err := plimsoll.ParseDigest(string(child.Digest)); err != nil {
			p.leave("an invalid digest in an index", "manifests", example, 1)
			continue
		}
		at := plimsoll.Platform{OS: child.Platform.OS, Architecture: child.Platform.Architecture, Variant: child.Platform.Variant}
		if !config.MatchPlatform(p.registry.Conf.Platforms, at) {
			p.leave("not among the platforms", "images", example, 1)
			continue
		}
		if err := p.manifest(ctx, repository, child.Digest, at.String(), depth+1, example); err != nil {
			return err
		}
	}
	return nil
}

// artifact is what a manifest is when it is no image; empty for an image.
func (m manifestFields) artifact() string {
	switch {
	case m.ArtifactType != "":
		return m.ArtifactType
	case !slices.Contains(configTypes, m.Config.MediaType):
		return m.Config.MediaType
	}
	return ""
}

// notTold is the platform of an image that no index names: its configuration does, which a plan does not read.
const notTold = "not told"

func (p *planner) image(m manifestFields, platform string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if platform == "" {
		platform = notTold
	}
	p.plan.Images++
	p.plan.Platforms[platform]++
	p.plan.Requests++ // its configuration
	for _, l := range m.Layers {
		if _, err := plimsoll.ParseDigest(string(l.Digest)); err == nil {
			p.layers[l.Digest] = max(p.layers[l.Digest], l.Size, 0)
		}
	}
}

// notCounted says which settings leave out images that a plan counts, because configurations tell what they go by.
func (p *planner) notCounted() (all []string) {
	if untold := p.plan.Platforms[notTold]; len(p.registry.Conf.Platforms) > 0 && untold > 0 {
		all = append(all, fmt.Sprintf("platforms: the images that no index names (%d) tell theirs in their configuration, which a plan does not read; the sweep leaves out those of other platforms", untold))
	}
	if len(p.registry.Conf.Labels) > 0 {
		all = append(all, "labels: they stand in configurations, which a plan does not read; the sweep leaves out the images that lack them")
	}
	return all
}

// conclude counts what is known already and adds up.
func (p *planner) conclude(ctx context.Context) (plimsoll.SweepPlan, error) {
	p.plan.NotCounted = p.notCounted()
	unknown, err := p.unread(ctx)
	if err != nil {
		return p.plan, err
	}
	p.plan.Layers = len(p.layers)
	for d := range unknown {
		p.plan.LayersToRead++
		p.plan.Bytes += p.layers[d]
	}
	p.plan.LayersKnown = p.plan.Layers - p.plan.LayersToRead
	p.plan.Requests += p.plan.LayersToRead
	if p.plan.Rate > 0 {
		p.plan.AtLimit = time.Duration(float64(p.plan.Requests) / p.plan.Rate * float64(time.Second))
	}
	for _, l := range p.left {
		p.plan.LeftOut = append(p.plan.LeftOut, *l)
	}
	slices.SortFunc(p.plan.LeftOut, func(a, b plimsoll.Omission) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Of+a.Reason, b.Of+b.Reason)
	})
	if all := p.plan.LeftOut; len(all) > maxLeftOut {
		rest := plimsoll.Omission{Reason: otherReasons, Of: "repositories, tags and manifests", Example: all[maxLeftOut-1].Example}
		for _, l := range all[maxLeftOut-1:] {
			rest.Count += l.Count
		}
		p.plan.LeftOut = slices.Replace(all, maxLeftOut-1, len(all), rest)
	}
	return p.plan, nil
}

// factsAtOnce is up to how many layers one look each is cheaper than listing all facts there are.
const factsAtOnce = 500

// unread are the plan's layers that lack facts by some analyser.
func (p *planner) unread(ctx context.Context) (map[plimsoll.Digest]bool, error) {
	analyzers, err := p.Analyzers(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask a worker for its analysers: %w", err)
	}
	unread := map[plimsoll.Digest]bool{}
	if len(p.layers) <= factsAtOnce {
		all := slices.Sorted(maps.Keys(p.layers))
		var mu sync.Mutex
		err := sideBySide(ctx, len(all), storeAtOnce, func(ctx context.Context, i int) error {
			for _, a := range analyzers {
				there, err := p.Store.Head(ctx, blob.FactsKey(a, all[i]))
				if err != nil {
					return fmt.Errorf("look for facts: %w", err)
				}
				if !there {
					mu.Lock()
					unread[all[i]] = true
					mu.Unlock()
				}
			}
			return nil
		})
		return unread, err
	}
	for _, a := range analyzers {
		have, err := p.facts(ctx, a)
		if err != nil {
			return nil, err
		}
		for d := range p.layers {
			if !have[d] {
				unread[d] = true
			}
		}
	}
	return unread, nil
}

// facts are the plan's layers that have facts by one analyser.
func (p *planner) facts(ctx context.Context, a plimsoll.Analyzer) (map[plimsoll.Digest]bool, error) {
	have := map[plimsoll.Digest]bool{}
	prefix := strings.TrimRight(blob.FactsKey(a, "sha256:"), "/") + "/"
	for entry, err := range p.Store.List(ctx, prefix, "") {
		if err != nil {
			return nil, fmt.Errorf("list facts: %w", err)
		}
		d := plimsoll.Digest("sha256:" + entry.Key[strings.LastIndexByte(entry.Key, '/')+1:])
		if _, wanted := p.layers[d]; wanted {
			have[d] = true
		}
	}
	return have, nil
}
