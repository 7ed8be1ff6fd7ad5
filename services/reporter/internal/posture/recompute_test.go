package posture

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
)

// document is the whole posture, as JSON that is compared to the byte.
type document struct {
	Rows       []documentRow
	Summary    plimsoll.Posture
	Gaps       []Gap
	Unowned    []Unowned
	Registries []Registry
	Advisories []Listed
	Advised    []documentAdvised
	Bases      []string
	Positions  map[string]int64
	Events     []documentEvent
	Faults     []string
}

type documentRow struct {
	Reference        plimsoll.Reference
	Digest           plimsoll.Digest
	Platform         plimsoll.Platform
	Verdict          plimsoll.Verdict
	Read             map[string]plimsoll.Coverage
	Coverage         plimsoll.Coverage
	Known            map[string]plimsoll.Knowledge
	Counts           map[plimsoll.Severity]int
	Fixable          int
	Exploited        int
	Findings         int
	Packages         int
	Content          plimsoll.Content
	Release          plimsoll.OSRelease
	Size             int64
	Layers           int
	First, Moved     time.Time
	Active           bool
	Behind           plimsoll.Digest
	Owner            string
	Secrets          []plimsoll.Secret
	Suspects         []plimsoll.File
	Places           []plimsoll.Finding
	Analyzed         []string
	PackagesAffected []string // and versions, of Places, in their order
	Shared           []string // flaws and packages of Places, sorted
	Bases            []string // the lowest first

	inv *plimsoll.Inventory // of the recompute alone
}

type documentAdvised struct {
	ID                        string
	Aliases, Records          []string
	Severity                  plimsoll.Severity
	Score                     float64
	Unique, Active, Undecided int
	Places                    []string
}

type documentEvent struct {
	Time          time.Time
	Stream, Actor string
	Change        plimsoll.Change
}

func (d document) bytes(t testing.TB) []byte {
	t.Helper()
	var b []byte
	for _, part := range []any{d.Summary, d.Gaps, d.Unowned, d.Registries, d.Advisories, d.Advised, d.Bases, d.Positions, d.Events, d.Faults} {
		one, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		b = append(append(b, one...), '\n')
	}
	for _, r := range d.Rows {
		one, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		b = append(append(b, one...), '\n')
	}
	return b
}

// documentOf is what a view says.
func documentOf(v *View) document {
	d := document{
		Summary: v.Summary(), Gaps: v.Gaps(), Unowned: v.Unowned(), Registries: v.Registries(), Advisories: v.Advisories(),
		Positions: v.Position(), Faults: v.Faults(),
	}
	d.Summary.At = time.Time{}
	for _, r := range v.Rows() {
		x := documentRow{
			Reference: r.Reference, Digest: r.Digest, Platform: r.Platform, Verdict: r.Verdict, Read: r.Read, Coverage: r.Coverage, Known: r.Known,
			Counts: r.Counts, Fixable: r.Fixable, Exploited: r.Exploited, Findings: r.Findings, Packages: r.Packages, Content: r.Content, Release: r.Release, Size: r.Size,
			Layers: r.Layers, First: r.First, Moved: r.Moved, Active: r.Active, Behind: r.Behind, Owner: r.Owner, Secrets: r.Secrets(), Suspects: r.Suspects(),
			Places: v.Findings(r),
		}
		for _, f := range x.Places {
			x.PackagesAffected = append(x.PackagesAffected, f.Package+" "+f.Version)
		}
		for f := range v.Of(r) {
			x.Shared = append(x.Shared, f.ID+" "+f.PURL)
		}
		slices.Sort(x.Shared)
		for _, b := range v.BasesOf(r) {
			x.Bases = append(x.Bases, baseText(b))
		}
		for _, name := range []string{plimsoll.AnalyzerPackages, plimsoll.AnalyzerSecrets} {
			if c, ok := r.Analyzed(name); ok {
				x.Analyzed = append(x.Analyzed, name+" "+string(c.State))
			}
		}
		d.Rows = append(d.Rows, x)
	}
	for _, l := range d.Advisories {
		a, _ := v.Advisory(l.ID)
		x := documentAdvised{ID: a.ID, Aliases: a.Aliases, Severity: a.Severity, Score: a.Score, Unique: a.Unique, Active: a.Active, Undecided: a.Undecided}
		for _, r := range a.Records {
			x.Records = append(x.Records, r.ID)
		}
		for _, p := range a.Places {
			x.Places = append(x.Places, placeText(p.Row.Reference, p.Row.Platform, p.Finding))
		}
		slices.Sort(x.Places)
		d.Advised = append(d.Advised, x)
	}
	for _, b := range v.Bases() {
		d.Bases = append(d.Bases, fmt.Sprint(baseText(b), ": ", b.Direct, " of ", b.All))
	}
	slices.Sort(d.Bases)
	for _, e := range v.Events(maxEvents) {
		d.Events = append(d.Events, documentEvent{e.Time, e.Stream, e.Actor, e.Change})
	}
	return d
}

// baseText is a base with all its names; which of them is shown first is another test's.
func baseText(b *Base) string {
	var names []string
	for _, n := range b.Names {
		newer := plimsoll.Digest("")
		if n.Newer != nil {
			newer = n.Newer.Digest
		}
		names = append(names, nameText(n.Reference, n.From, n.Until, newer))
	}
	return linkText(b.Platform, b.Layers, names)
}

func nameText(r plimsoll.Reference, from, until time.Time, newer plimsoll.Digest) string {
	return fmt.Sprint(r.Registry, "/", r.Repository, ":", r.Tag, "@", r.Digest, " from ", from.Unix(), " until ", until.Unix(), " now ", newer)
}

func linkText(p plimsoll.Platform, layers int, names []string) string {
	slices.Sort(names)
	return fmt.Sprint(p, " ", layers, " layers: ", names)
}

func placeText(r plimsoll.Reference, p plimsoll.Platform, f plimsoll.Finding) string {
	return fmt.Sprint(r, " ", p, " ", f.ID, " ", f.PURL, " ", f.Version, " ", f.Path, " ", f.Layer)
}

// objects is a bucket as the recompute reads it.
type objects interface {
	get(key string) ([]byte, error)
	list(prefix string) []string
}

// asked is what decides beside the objects.
type asked struct {
	registries []plimsoll.Registry
	policy     plimsoll.Policy
	matcher    *match.Matcher
	now        time.Time
	team       func(registry, repository, tag string) string
	label      string
	ends       map[string]time.Time // last days with fixes, by release
}

// recompute is the posture as one straight function of the objects in the bucket. It shares no code with the engine: what it
// says in its own words is the definition that the engine's deltas must meet. Opinions are policy.Decide's and match's.
func recompute(b objects, q asked) (d document) {
	parse := func(key string, into any) error {
		raw, err := b.get(key)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, into); err != nil {
			panic(err)
		}
		return nil
	}
	folders := func(prefix string) (names []string) {
		for _, key := range b.list(prefix) {
			name, _, _ := strings.Cut(strings.TrimPrefix(key, prefix), "/")
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return names
	}

	// Registries, their sweeps, and the order of recipes.
	configured := map[string]plimsoll.Registry{}
	ids := append(folders("refs/"), folders("sweeps/")...)
	for _, r := range q.registries {
		configured[r.ID] = r
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	sweeps := map[string][]plimsoll.Sweep{}
	lastUse := map[plimsoll.Recipe]string{}
	for _, id := range ids {
		for _, key := range b.list("sweeps/" + id + "/") {
			var x plimsoll.Sweep
			if parse(key, &x) == nil {
				sweeps[id] = append([]plimsoll.Sweep{x}, sweeps[id]...)
				lastUse[x.Recipe] = max(lastUse[x.Recipe], x.Slot)
			}
		}
	}
	var recipes []string
	for _, name := range append(folders("inventories/"), folders("partial/")...) {
		if !slices.Contains(recipes, name) {
			recipes = append(recipes, name)
		}
	}
	slices.SortFunc(recipes, func(x, y string) int {
		return cmp.Or(strings.Compare(lastUse[plimsoll.Recipe(y)], lastUse[plimsoll.Recipe(x)]), strings.Compare(x, y))
	})

	// The change log: what happened lately, and which images stood behind a digest.
	behindIndex := map[plimsoll.Digest][]plimsoll.Digest{}
	seen := func(r plimsoll.Ref) {
		if r.Read.State != plimsoll.ReadComplete {
			return
		}
		var all []plimsoll.Digest
		for _, p := range r.Platforms {
			if p.Kind == "" {
				all = append(all, p.Digest)
			}
		}
		if len(all) > 0 {
			behindIndex[r.Digest] = all
		}
	}
	d.Positions = map[string]int64{"advisories": 0, "decisions": 0}
	for _, r := range q.registries {
		d.Positions[r.ID] = 0
	}
	type ordered struct {
		documentEvent
		sequence int64
		index    int
	}
	var events []ordered
	for _, stream := range folders("changes/") {
		keys := b.list("changes/" + stream + "/")
		d.Positions[stream] = int64(len(keys))
		for n, key := range keys {
			var batch plimsoll.ChangeBatch
			if err := parse(key, &batch); err != nil {
				panic(err)
			}
			for i, c := range batch.Changes {
				if c.Ref != nil {
					seen(*c.Ref)
				}
				if n >= len(keys)-100 {
					events = append(events, ordered{documentEvent{batch.Time, stream, batch.Actor, c}, batch.Sequence, i})
				}
			}
		}
	}
	slices.SortFunc(events, func(x, y ordered) int {
		return cmp.Or(y.Time.Compare(x.Time), strings.Compare(x.Stream, y.Stream), cmp.Compare(y.sequence, x.sequence), cmp.Compare(y.index, x.index))
	})
	for _, e := range events[:min(len(events), 1000)] {
		d.Events = append(d.Events, e.documentEvent)
	}

	// Tags.
	type tagged struct {
		registry, repository string
		plimsoll.Ref
	}
	var tags []tagged
	for _, key := range b.list("refs/") {
		var shard plimsoll.RefShard
		if parse(key, &shard) == nil {
			for _, r := range shard.Tags {
				tags = append(tags, tagged{shard.Registry, shard.Repository, r})
				seen(r)
			}
		}
	}

	inventory := func(digest plimsoll.Digest, recipe string, partial bool) (*plimsoll.Inventory, error) {
		key := blob.InventoryKey(plimsoll.Recipe(recipe), digest)
		if partial {
			key = blob.PartialKey(plimsoll.Recipe(recipe), digest)
		}
		var inv plimsoll.Inventory
		if err := parse(key, &inv); err != nil {
			return nil, fmt.Errorf("inventory: %w", err)
		}
		if inv.Image != digest || string(inv.Recipe) != recipe {
			return nil, fmt.Errorf("inventory %s: %w: it is about %s by recipe %s", key, plimsoll.ErrIntegrity, inv.Image.Short(), inv.Recipe)
		}
		return &inv, nil
	}
	anyInventory := func(digest plimsoll.Digest, partial bool) *plimsoll.Inventory {
		for _, recipe := range recipes {
			if inv, err := inventory(digest, recipe, partial); err == nil {
				return inv
			}
		}
		return nil
	}

	// What stands in inventories: matched once a package.
	results := map[plimsoll.Package]match.Result{}
	matched := func(p plimsoll.Package) match.Result {
		p.Layer, p.Path, p.Architecture, p.Extractor = 0, "", "", ""
		r, ok := results[p]
		if !ok {
			r = q.matcher.Package(p)
			results[p] = r
		}
		return r
	}
	type flawed struct {
		packages map[string]bool
		severity plimsoll.Severity
		score    float64
		fixable  bool
		active   int
		places   []string
		holders  map[int]bool
	}
	flaws := map[string]*flawed{}
	type uniqueKey struct{ id, pkg string }
	unique := [2]map[uniqueKey]plimsoll.Severity{{}, {}} // active, stored
	d.Summary = plimsoll.Posture{
		Generation: q.matcher.Index().Generation().ID, Policy: q.policy.Name, Read: map[plimsoll.ReadState]int{},
		Severity: map[plimsoll.Severity]plimsoll.Counted{}, StoredSeverity: map[plimsoll.Severity]plimsoll.Counted{},
	}
	severities := []map[plimsoll.Severity]plimsoll.Counted{d.Summary.Severity, d.Summary.StoredSeverity}

	// Rows.
	isActive := func(moved time.Time) bool { return moved.IsZero() || !q.now.After(moved.Add(30*24*time.Hour)) }
	lastListing := func(id string) (last time.Time) {
		for _, s := range sweeps[id] {
			if s.Listed.After(last) {
				last = s.Listed
			}
		}
		return last
	}
	whyStale := func(r tagged) string {
		if _, ok := configured[r.registry]; !ok && len(configured) > 0 {
			return NotConfigured
		}
		last := lastListing(r.registry)
		if configured[r.registry].Sweep.Cron != "off" && !last.IsZero() && q.now.Sub(last) > 48*time.Hour {
			return "no complete listing since " + last.UTC().Format("2006-01-02 15:04")
		}
		if r.Read.State == plimsoll.ReadNotApplicable || r.Recipe == "" || len(sweeps[r.registry]) == 0 || sweeps[r.registry][0].Recipe == r.Recipe {
			return ""
		}
		for _, s := range sweeps[r.registry][1:] {
			if s.Recipe == r.Recipe && time.Unix(0, r.ReadAt).Compare(sweeps[r.registry][0].Ended) <= 0 {
				return "read by a recipe that has been replaced"
			}
		}
		return ""
	}
	emit := func(r tagged, digest plimsoll.Digest, platform plimsoll.Platform, inv *plimsoll.Inventory, read map[string]plimsoll.Coverage, behind plimsoll.Digest, verdict *plimsoll.Verdict) {
		row := documentRow{
			Reference: plimsoll.Reference{Registry: r.registry, Repository: r.repository, Tag: r.Tag, Digest: r.Digest},
			Digest:    digest, Platform: platform, First: r.First, Moved: r.Moved, Active: isActive(r.Moved), Behind: behind,
			Known: map[string]plimsoll.Knowledge{}, Counts: map[plimsoll.Severity]int{}, Read: map[string]plimsoll.Coverage{},
		}
		why := whyStale(r)
		for name, c := range read {
			if why != "" && c.State == plimsoll.ReadComplete {
				c = plimsoll.Coverage{State: plimsoll.ReadStale, Reason: why}
			}
			row.Read[name] = c
			if row.Coverage.State == "" || c.State.Rank() > row.Coverage.State.Rank() || c.State.Rank() == row.Coverage.State.Rank() && c.Reason < row.Coverage.Reason {
				row.Coverage = c
			}
		}
		if q.team != nil {
			row.Owner = q.team(r.registry, r.repository, r.Tag)
		}
		if row.inv = inv; inv != nil {
			row.Digest, row.Platform, row.Release, row.Layers, row.Packages = inv.Image, inv.Platform, inv.Release, len(inv.Layers), len(inv.Packages)
			for _, l := range inv.Layers {
				row.Size += l.Size
			}
			row.Content = inv.Content()
			for _, hidden := range []bool{false, true} {
				for _, s := range inv.Secrets {
					if s.Hidden == hidden && len(row.Secrets) < 50 {
						row.Secrets = append(row.Secrets, s)
					}
				}
			}
			for _, altered := range []bool{true, false} {
				for _, f := range inv.Files {
					if f.Has(plimsoll.NoteAltered) == altered && (altered || f.Foreign()) && len(row.Suspects) < 50 {
						row.Suspects = append(row.Suspects, f)
					}
				}
			}
			undecided := map[string]string{}
			ecosystems := slices.Clone(inv.Ecosystems)
			for _, p := range inv.Packages {
				if p.Ecosystem != "" {
					ecosystems = append(ecosystems, p.Ecosystem)
				}
				m := matched(p)
				if m.Undecided != "" && (undecided[p.Ecosystem] == "" || m.Undecided < undecided[p.Ecosystem]) {
					undecided[p.Ecosystem] = m.Undecided
				}
				for _, f := range m.Findings {
					f.Layer, f.Path = p.Layer, p.Path
					row.Places = append(row.Places, f)
				}
			}
			ended := func(release, id, purl, eco string, layer int, path string) {
				last, ok := q.ends[release]
				if !ok || q.now.Before(last.Add(24*time.Hour)) {
					return
				}
				name, version, _ := strings.Cut(purl[strings.LastIndex(purl, "/")+1:], "@")
				row.Places = append(row.Places, plimsoll.Finding{
					ID: id, Class: "end of life", Aliases: []string{}, Matched: []plimsoll.Match{}, PURL: purl, Severity: "high", Status: "affected", Layer: layer, Path: path,
					Text:    map[string]string{"debian 12": "Debian 12", "node 16": "Node.js 16"}[release] + " has had no fixes since " + last.Format("2 Jan 2006"),
					Package: name, Version: version, Ecosystem: eco, Source: "https://x/" + name,
				})
			}
			if inv.Release.ID == "debian" && inv.Release.VersionID == "12" { // on the lowest layer that brought a package of it
				lowest := len(inv.Layers)
				for _, p := range inv.Packages {
					if strings.HasPrefix(p.PURL, "pkg:deb/") {
						lowest = min(lowest, p.Layer)
					}
				}
				ended("debian 12", "EOL-debian-12", "pkg:generic/debian@12", "Debian:12", lowest%max(1, len(inv.Layers)), "etc/os-release")
			}
			for _, p := range inv.Packages {
				if p.Name == "node" && strings.HasPrefix(p.Version, "16.") {
					ended("node 16", "EOL-node-16", p.PURL, p.Ecosystem, p.Layer, p.Path)
				}
			}
			for _, eco := range ecosystems {
				row.Known[eco] = q.matcher.Known(eco, q.now, 48*time.Hour)
			}
			for eco, reason := range undecided {
				row.Known[eco] = plimsoll.Knowledge{State: plimsoll.KnownNone, Reason: reason}
			}
			slices.SortFunc(row.Places, func(x, y plimsoll.Finding) int {
				return cmp.Or(x.Severity.Rank()-y.Severity.Rank(), strings.Compare(x.ID, y.ID), strings.Compare(x.PURL, y.PURL),
					strings.Compare(x.Path, y.Path), x.Layer-y.Layer, strings.Compare(x.Package, y.Package), strings.Compare(x.Version, y.Version))
			})
			for _, f := range row.Places {
				row.Findings++
				row.Counts[f.Severity]++
				if f.Fixed != "" {
					row.Fixable++
				}
				if e := f.Enrichment; e != nil && (!e.KEV.Added.IsZero() || e.SSVC.Exploitation == "active") {
					row.Exploited++
				}
				row.PackagesAffected = append(row.PackagesAffected, f.Package+" "+f.Version)
				row.Shared = append(row.Shared, f.ID+" "+f.PURL)
			}
			slices.Sort(row.Shared)
			row.Verdict = policy.Decide(q.policy, policy.Input{
				Read: inv.Read, Known: row.Known, Findings: row.Places, Content: row.Content, Secrets: row.Secrets, Files: row.Suspects,
			})
			if q.label != "" && row.Owner == "" {
				var im plimsoll.Image
				if parse(blob.ImageKey(inv.Image), &im) == nil {
					row.Owner = im.Labels[q.label]
				}
			}
		} else if verdict != nil {
			row.Verdict = *verdict
		} else {
			row.Verdict = policy.Decide(q.policy, policy.Input{Read: row.Read})
		}
		for _, name := range []string{plimsoll.AnalyzerPackages, plimsoll.AnalyzerSecrets} {
			if c, ok := row.Read[name]; ok {
				row.Analyzed = append(row.Analyzed, name+" "+string(c.State))
			} else if inv != nil {
				if c, ok := inv.Read[name]; ok {
					row.Analyzed = append(row.Analyzed, name+" "+string(c.State))
				}
			}
		}
		d.Rows = append(d.Rows, row)
	}
	for _, r := range tags {
		var all []plimsoll.RefPlatform
		settled := len(r.Platforms) > 0
		for _, p := range r.Platforms {
			if p.Kind == "" {
				all = append(all, p)
				settled = settled && r.Recipe != "" && !p.Partial
			}
		}
		var good []plimsoll.Digest
		switch {
		case r.LastGood == "" || settled:
		case r.LastGood == r.Digest && len(all) > 0:
			for _, p := range all {
				good = append(good, p.Digest)
			}
		case behindIndex[r.LastGood] != nil:
			good = behindIndex[r.LastGood]
		default:
			good = []plimsoll.Digest{r.LastGood}
		}
		whole := map[string]plimsoll.Coverage{"": r.Read}
		if len(all) == 0 && (r.Read.State == plimsoll.ReadNotApplicable || len(r.Platforms) > 0) {
			read := r.Read
			if !r.Read.Short() {
				read = plimsoll.Coverage{State: plimsoll.ReadNotApplicable, Reason: r.Read.Reason}
				if len(r.Platforms) > 0 && read.Reason == "" {
					read.Reason = r.Platforms[0].Kind
				}
			}
			emit(r, r.Digest, plimsoll.Platform{}, nil, map[string]plimsoll.Coverage{"": read}, "", &plimsoll.Verdict{Policy: q.policy.Name, Violations: []plimsoll.Violation{}})
			continue
		}
		if len(all) == 0 {
			shown := 0
			for _, digest := range good {
				if inv := anyInventory(digest, false); inv != nil {
					emit(r, "", plimsoll.Platform{}, inv, whole, r.Digest, nil)
					shown++
				}
			}
			if shown == 0 {
				emit(r, r.Digest, plimsoll.Platform{}, nil, whole, "", nil)
			}
			continue
		}
		for _, p := range all {
			read := p.Read
			if len(read) == 0 {
				read = whole
			}
			if r.Recipe != "" && !p.Partial {
				inv, err := inventory(p.Digest, string(r.Recipe), false)
				if inv == nil && p.Read[""].State != plimsoll.ReadFailed {
					read = map[string]plimsoll.Coverage{"": plimsoll.Failed(fmt.Sprintf("its inventory cannot be used: %v", err))}
				}
				emit(r, p.Digest, p.Platform, inv, read, "", nil)
				continue
			}
			var show *plimsoll.Inventory
			behind := plimsoll.Digest("")
			for _, digest := range good {
				inv := anyInventory(digest, false)
				if show == nil && inv != nil && (digest == p.Digest || inv.Platform == p.Platform || len(good) == 1 && len(all) == 1) {
					show = inv
					if digest != p.Digest {
						behind = r.Digest
					}
				}
			}
			if show == nil && p.Partial {
				if r.Recipe == "" {
					show = anyInventory(p.Digest, true)
				} else {
					show, _ = inventory(p.Digest, string(r.Recipe), true)
				}
			}
			emit(r, p.Digest, p.Platform, show, read, behind, nil)
		}
	}
	rank := func(r documentRow) int {
		return map[plimsoll.VerdictState]int{"fail": 0, "unknown": 1, "warn": 2, "pass": 3, "": 4}[r.Verdict.State]
	}
	slices.SortFunc(d.Rows, func(x, y documentRow) int {
		return cmp.Or(rank(x)-rank(y), y.Exploited-x.Exploited, y.Counts["critical"]-x.Counts["critical"], y.Counts["high"]-x.Counts["high"],
			strings.Compare(x.Reference.Registry, y.Reference.Registry), strings.Compare(x.Reference.Repository, y.Reference.Repository),
			strings.Compare(x.Reference.Tag, y.Reference.Tag), strings.Compare(x.Platform.String(), y.Platform.String()), strings.Compare(string(x.Digest), string(y.Digest)))
	})

	// Bases: what is known whole, now or formerly under some name, and is the lower part of another image.
	type base struct {
		platform    plimsoll.Platform
		layers      []plimsoll.DiffID
		names       []string
		direct, all int
	}
	var bases []*base
	layersOf := func(inv *plimsoll.Inventory) (known []plimsoll.DiffID, whole bool) {
		whole = true
		holds := false
		for _, l := range inv.Layers {
			if whole = whole && l.DiffID != ""; whole {
				known = append(known, l.DiffID)
				holds = holds || l.Entries > 0 || l.Read.State != "complete"
			}
		}
		return known, whole && holds
	}
	name := func(p plimsoll.Platform, layers []plimsoll.DiffID, text string) {
		i := slices.IndexFunc(bases, func(b *base) bool { return b.platform == p && slices.Equal(b.layers, layers) })
		if i < 0 {
			i, bases = len(bases), append(bases, &base{platform: p, layers: layers})
		}
		bases[i].names = append(bases[i].names, text)
	}
	for _, r := range d.Rows {
		if r.inv == nil || r.Behind != "" {
			continue
		}
		if layers, whole := layersOf(r.inv); whole {
			ref := r.Reference
			ref.Digest = r.Digest
			name(r.Platform, layers, nameText(ref, r.Moved, time.Time{}, ""))
		}
	}
	for _, t := range tags {
		for _, f := range t.Former {
			inv := anyInventory(f.Digest, false)
			if inv == nil {
				continue
			}
			layers, whole := layersOf(inv)
			if !whole {
				continue
			}
			newer, again := plimsoll.Digest(""), false
			for _, r := range d.Rows {
				if r.inv != nil && r.Behind == "" && r.Reference.Registry == t.registry && r.Reference.Repository == t.repository && r.Reference.Tag == t.Tag && r.Platform == f.Platform {
					now, nowWhole := layersOf(r.inv)
					newer, again = r.Digest, nowWhole && slices.Equal(now, layers)
				}
			}
			if !again {
				ref := plimsoll.Reference{Registry: t.registry, Repository: t.repository, Tag: t.Tag, Digest: f.Digest}
				name(inv.Platform, layers, nameText(ref, f.From, f.Until, newer))
			}
		}
	}
	slices.SortFunc(bases, func(x, y *base) int { return len(x.layers) - len(y.layers) })
	for i := range d.Rows {
		r := &d.Rows[i]
		if r.inv == nil {
			continue
		}
		layers, whole := layersOf(r.inv)
		var direct *base
		for _, b := range bases {
			n := len(b.layers)
			if b.platform != r.Platform || n > len(layers) || n == len(layers) && whole || !slices.Equal(b.layers, layers[:n]) {
				continue
			}
			r.Bases = append(r.Bases, linkText(b.platform, n, b.names))
			b.all++
			direct = b
		}
		if direct != nil {
			direct.direct++
		}
	}
	for _, b := range bases {
		if b.all > 0 {
			d.Bases = append(d.Bases, fmt.Sprint(linkText(b.platform, len(b.layers), b.names), ": ", b.direct, " of ", b.all))
		}
	}
	slices.Sort(d.Bases)

	// Counts.
	type gapOf struct {
		registry string
		read     plimsoll.Coverage
	}
	gaps, gapOrder := map[gapOf]*Gap{}, []gapOf{}
	unowned := map[[2]string]int{}
	reads := map[string]map[plimsoll.ReadState]int{}
	for n, r := range d.Rows {
		d.Summary.Read[r.Coverage.State]++
		if reads[r.Reference.Registry] == nil {
			reads[r.Reference.Registry] = map[plimsoll.ReadState]int{}
		}
		reads[r.Reference.Registry][r.Coverage.State]++
		for i, scope := range []*plimsoll.Verdicts{&d.Summary.Active, &d.Summary.Stored} {
			if i == 0 && !r.Active {
				continue
			}
			switch r.Verdict.State {
			case "pass":
				scope.Pass++
			case "warn":
				scope.Warn++
			case "fail":
				scope.Fail++
			case "unknown":
				scope.Unknown++
			}
			for _, f := range r.Places {
				c := severities[i][f.Severity]
				c.Places++
				severities[i][f.Severity] = c
				k := uniqueKey{f.ID, f.Package}
				if was, ok := unique[i][k]; !ok || f.Severity.Rank() < was.Rank() {
					unique[i][k] = f.Severity
				}
			}
		}
		for _, f := range r.Places {
			x := flaws[f.ID]
			if x == nil {
				x = &flawed{packages: map[string]bool{}, holders: map[int]bool{}, severity: f.Severity}
				flaws[f.ID] = x
			}
			if f.Severity.Rank() < x.severity.Rank() {
				x.severity = f.Severity
			}
			x.score = max(x.score, f.Score)
			x.fixable = x.fixable || f.Fixed != ""
			x.packages[f.Package] = true
			if !x.holders[n] && r.Active {
				x.active++
			}
			x.holders[n] = true
			x.places = append(x.places, placeText(r.Reference, r.Platform, f))
		}
		if r.Owner == "" && r.Coverage.State != plimsoll.ReadNotApplicable {
			unowned[[2]string{r.Reference.Registry, r.Reference.Repository}]++
		}
		if r.Coverage.State == plimsoll.ReadComplete || r.Coverage.State == plimsoll.ReadNotApplicable {
			continue
		}
		k := gapOf{r.Reference.Registry, r.Coverage}
		g := gaps[k]
		if g == nil {
			g = &Gap{Registry: k.registry, State: k.read.State, Reason: k.read.Reason}
			g.Advice, g.Retry = advice(k.registry, k.read)
			gaps[k] = g
			gapOrder = append(gapOrder, k)
		}
		g.Images++
		name := r.Reference
		name.Digest = ""
		if g.Example == "" || name.String() < g.Example {
			g.Example = name.String()
		}
		if g.Since.IsZero() || !r.Moved.IsZero() && r.Moved.Before(g.Since) {
			g.Since = r.Moved
		}
	}
	for i := range severities {
		for _, s := range unique[i] {
			c := severities[i][s]
			c.Unique++
			severities[i][s] = c
		}
	}
	d.Gaps = []Gap{}
	for _, k := range gapOrder {
		g := gaps[k]
		if len(sweeps[k.registry]) > 0 {
			for _, c := range sweeps[k.registry][0].Causes {
				if c.Reason == g.Reason && c.State == g.State && !c.Since.IsZero() {
					g.Since = c.Since
				}
			}
		}
		d.Gaps = append(d.Gaps, *g)
	}
	slices.SortFunc(d.Gaps, func(x, y Gap) int {
		return cmp.Or(y.Images-x.Images, strings.Compare(x.Registry, y.Registry), strings.Compare(string(x.State), string(y.State)), strings.Compare(x.Reason, y.Reason))
	})
	if q.team != nil || q.label != "" {
		d.Unowned = []Unowned{}
		for k, n := range unowned {
			d.Unowned = append(d.Unowned, Unowned{k[0], k[1], n})
		}
		slices.SortFunc(d.Unowned, func(x, y Unowned) int {
			return cmp.Or(y.Images-x.Images, strings.Compare(x.Registry, y.Registry), strings.Compare(x.Repository, y.Repository))
		})
	}
	for _, id := range ids {
		if _, ok := configured[id]; !ok && len(configured) > 0 && len(reads[id]) == 0 {
			continue // it was forgotten
		}
		r := Registry{ID: id, Read: map[plimsoll.ReadState]int{}, Recent: sweeps[id], LastComplete: lastListing(id)}
		for state, n := range reads[id] {
			r.Read[state] = n
		}
		if len(sweeps[id]) > 0 {
			r.Sweep = &sweeps[id][0]
		}
		d.Registries = append(d.Registries, r)
	}
	undecided := func(r documentRow) bool {
		if r.Coverage.State != plimsoll.ReadComplete && r.Coverage.State != plimsoll.ReadNotApplicable {
			return true
		}
		if r.Verdict.State == "" {
			return false
		}
		for _, k := range r.Known {
			if k.State == plimsoll.KnownNone {
				return true
			}
		}
		return false
	}
	d.Advisories = []Listed{}
	for id, x := range flaws {
		var packages []string
		for p := range x.packages {
			packages = append(packages, p)
		}
		slices.Sort(packages)
		d.Advisories = append(d.Advisories, Listed{ID: id, Severity: x.severity, Score: x.score, Packages: packages, Unique: len(packages), Images: len(x.holders), Fixable: x.fixable})
	}
	slices.SortFunc(d.Advisories, func(x, y Listed) int {
		return cmp.Or(x.Severity.Rank()-y.Severity.Rank(), cmp.Compare(y.Score, x.Score), y.Images-x.Images, strings.Compare(x.ID, y.ID))
	})
	for _, l := range d.Advisories {
		x := flaws[l.ID]
		a := documentAdvised{ID: l.ID, Aliases: q.matcher.Aliases(l.ID), Severity: l.Severity, Score: l.Score, Unique: l.Unique, Active: x.active, Places: x.places}
		for _, r := range q.matcher.Records(l.ID) {
			a.Records = append(a.Records, r.ID)
		}
		for n, r := range d.Rows {
			if !x.holders[n] && undecided(r) {
				a.Undecided++
			}
		}
		slices.Sort(a.Places)
		d.Advised = append(d.Advised, a)
	}
	return d
}

// cachedObjects reads a bucket; what never changes is read once.
type cachedObjects struct {
	t     testing.TB
	store *blob.Store
	known map[string][]byte
}

func (c *cachedObjects) get(key string) ([]byte, error) {
	if b, ok := c.known[key]; ok {
		return b, nil
	}
	o, err := c.store.Get(c.t.Context(), key)
	if err != nil {
		if !errors.Is(err, plimsoll.ErrNotFound) {
			c.t.Fatal(err)
		}
		return nil, err
	}
	if !strings.HasPrefix(key, "refs/") && !strings.HasPrefix(key, "partial/") {
		c.known[key] = o.Bytes
	}
	return o.Bytes, nil
}

func (c *cachedObjects) list(prefix string) (keys []string) {
	for e, err := range c.store.List(c.t.Context(), prefix, "") {
		if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
			c.t.Fatal(err)
		}
		keys = append(keys, e.Key)
	}
	return keys
}
