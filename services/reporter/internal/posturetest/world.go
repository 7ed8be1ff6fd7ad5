// Package posturetest makes a bucket as the other parts would leave it, with a posture folded from it: registries, images of
// every kind of coverage, advisories, sweeps, and names that try to break whatever shows them. For tests alone.
package posturetest

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/fstest"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
	"github.com/plimsoll/plimsoll/services/reporter/internal/eol"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Start is the time of every world: a Wednesday in week 48 of 2026.
var Start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// Hostile is text that breaks what does not escape it: markup, a formula, template and terminal syntax, a forged line, and
// characters that reorder or hide text.
const Hostile = "=cmd()<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{.}}${jndi:x}\x1b[31m\r\nforged\u202eabc\u200b"

const recipe = plimsoll.Recipe("1111111111111111")

// World is a bucket and the posture folded from it.
type World struct {
	tb         testing.TB
	Store      *blob.Store
	Bucket     blob.Config // what Store was opened by
	Engine     *posture.Engine
	Registries []plimsoll.Registry
	At         time.Time // what Now gives; tests may move it
	Policy     plimsoll.Policy
	Findings   *history.Tracker // of Engine's views
	EndOfLife  *eol.Table       // the built-in one
	// Exploitation are the feeds about exploitation that Advise puts beside the records; New fills them in.
	Exploitation map[enrich.Kind]string

	rand   *rand.Rand
	seq    int64
	checks *history.FeedLog
}

// Now is the world's clock.
func (w *World) Now() time.Time { return w.At }

// New is a world of n tags.
func New(tb testing.TB, n int) *World {
	tb.Helper()
	w := Empty(tb)
	w.Decide(w.Policy)
	w.fill(n)
	w.Exploitation = Exploitation()
	w.Advise(Records()...)
	w.Fold()
	return w
}

// Empty is a world of two registries and nothing in them; its posture is not folded yet.
func Empty(tb testing.TB) *World {
	tb.Helper()
	c, err := Bucket()
	if err != nil {
		tb.Fatal(err)
	}
	s, err := blob.Open(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	w := &World{tb: tb, Store: s, Bucket: c, At: Start, rand: rand.New(rand.NewPCG(4, 8)), checks: history.NewFeedLog(s), Findings: history.NewTracker(), EndOfLife: eol.BuiltIn(), Policy: policy.Baseline(), Registries: []plimsoll.Registry{
		{ID: "harbor", URL: "https://harbor.corp.example", Include: []string{"**"}},
		{ID: "ecr-prod", URL: "https://123.dkr.ecr.example"},
	}}
	w.Engine = posture.New(w.Config())
	return w
}

// Config is what the world's engine is made from.
func (w *World) Config() posture.Config {
	return posture.Config{Store: w.Store, Registries: w.Registries, Policy: w.Policy, EndOfLife: w.EndOfLife, Clock: w.Findings, Now: w.Now, Log: slog.New(slog.NewTextHandler(w.tb.Output(), nil))}
}

// Decide puts a policy in force, and into the change log with the settings, as the reporter does when it starts.
func (w *World) Decide(p plimsoll.Policy) {
	w.tb.Helper()
	w.Policy = p
	w.check(history.Record(w.tb.Context(), w.Store, w.At, p, history.SettingsOf(w.Registries, posture.DefaultActiveDays, posture.DefaultStaleAfter)))
	w.Engine.SetPolicy(p)
}

// Gone takes a tag away as the scheduler does: from refs/, then in the change log.
func (w *World) Gone(registry, repository, tag string) {
	w.tb.Helper()
	_, err := w.Store.MergeRefs(w.tb.Context(), registry, repository, func(tags map[string]plimsoll.Ref) []string {
		delete(tags, tag)
		return []string{tag}
	})
	w.check(err)
	w.Log(registry, "sweep", plimsoll.Change{Kind: plimsoll.ChangeGone, Repository: repository, Tag: tag, Text: "two complete listings lacked it"})
}

// Advance takes in what the change log holds and forms what time changed.
func (w *World) Advance() {
	w.tb.Helper()
	_, err := w.Engine.Advance(w.tb.Context())
	w.check(err)
	w.Findings.Observe(w.Engine.View())
}

func (w *World) check(err error) {
	w.tb.Helper()
	if err != nil {
		w.tb.Fatal(err)
	}
}

// Fold folds the bucket.
func (w *World) Fold() {
	w.tb.Helper()
	w.check(w.Engine.Fold(w.tb.Context()))
	w.Findings.Observe(w.Engine.View())
}

// Advise puts records in force, through the same stages as a feed's.
func (w *World) Advise(all ...plimsoll.Advisory) {
	w.tb.Helper()
	files := map[string]*bytes.Buffer{}
	zips := map[string]*zip.Writer{}
	for _, a := range all {
		family := family(a.Affected[0].Ecosystem)
		if zips[family] == nil {
			files[family] = &bytes.Buffer{}
			zips[family] = zip.NewWriter(files[family])
		}
		f, err := zips[family].Create(a.ID + ".json")
		w.check(err)
		w.check(json.NewEncoder(f).Encode(osv(a)))
	}
	folder := fstest.MapFS{}
	for family, z := range zips {
		w.check(z.Close())
		folder[family+"/all.zip"] = &fstest.MapFile{Data: files[family].Bytes()}
	}
	for kind, text := range w.Exploitation {
		folder["enrichment/"+kind.Files()[len(kind.Files())-1]] = &fstest.MapFile{Data: []byte(text)}
	}
	x, _, err := advisory.NewUpdater(w.Store, advisory.Files("https://osv.corp.example", folder), advisory.Options{Now: w.Now}).Update(w.tb.Context())
	w.check(err)
	w.check(w.checks.Checked(w.tb.Context(), w.At, x.Generation()))
	w.Engine.SetGeneration(x)
}

func family(ecosystem string) string {
	for i := range ecosystem {
		if ecosystem[i] == ':' {
			return ecosystem[:i]
		}
	}
	return ecosystem
}

// osv is a record in OSV's own schema.
func osv(a plimsoll.Advisory) map[string]any {
	affected := []map[string]any{}
	for _, x := range a.Affected {
		affected = append(affected, map[string]any{
			"package": map[string]string{"ecosystem": x.Ecosystem, "name": x.Package}, "ranges": x.Ranges, "versions": x.Versions,
		})
	}
	return map[string]any{
		"schema_version": "1.7.0", "id": a.ID, "aliases": a.Aliases, "upstream": a.Upstream, "summary": a.Summary,
		"published": a.Published, "modified": a.Modified, "severity": a.Severity, "affected": affected,
	}
}

// Digest is a digest by name.
func Digest(name string) plimsoll.Digest { return plimsoll.DigestOf([]byte(name)) }

// Store writes an image's inventory and manifest.
func (w *World) store(inv plimsoll.Inventory, im plimsoll.Image, partial bool) {
	w.tb.Helper()
	key := blob.InventoryKey(recipe, inv.Image)
	if partial {
		key = blob.PartialKey(recipe, inv.Image)
	}
	w.check(blob.PutJSON(w.tb.Context(), w.Store, key, inv))
	w.check(blob.PutJSON(w.tb.Context(), w.Store, blob.ImageKey(im.Digest), im))
}

// Put writes tags as the scheduler does: into refs/, then into the change log.
func (w *World) Put(registry, repository string, refs ...plimsoll.Ref) {
	w.tb.Helper()
	_, err := w.Store.MergeRefs(w.tb.Context(), registry, repository, func(tags map[string]plimsoll.Ref) (changed []string) {
		for _, r := range refs {
			tags[r.Tag] = r
			changed = append(changed, r.Tag)
		}
		return changed
	})
	w.check(err)
	var changes []plimsoll.Change
	for _, r := range refs {
		changes = append(changes, plimsoll.Change{Kind: plimsoll.ChangeInventory, Repository: repository, Tag: r.Tag, Digest: r.Digest, Ref: &r})
	}
	w.Log(registry, "push", changes...)
}

// Log appends to the change log.
func (w *World) Log(stream, actor string, changes ...plimsoll.Change) {
	w.tb.Helper()
	_, err := w.Store.Append(w.tb.Context(), stream, actor, w.At, changes)
	w.check(err)
}

// Image writes an image that holds packages, and gives the tag that names it. The caller puts the tag.
func (w *World) Image(tag string, packages ...plimsoll.Package) plimsoll.Ref {
	w.tb.Helper()
	return w.tag(tag, w.platform(tag+fmt.Sprint(w.seq), "amd64", packages, plimsoll.Complete()))
}

func (w *World) tag(tag string, platforms ...plimsoll.RefPlatform) plimsoll.Ref {
	w.seq++
	r := plimsoll.Ref{
		Tag: tag, Digest: platforms[0].Digest, Platforms: platforms, Recipe: recipe, Read: plimsoll.Complete(),
		Observed: w.seq, First: w.At.Add(-time.Hour), Moved: w.At.Add(-time.Hour),
	}
	for _, p := range platforms {
		for _, c := range p.Read {
			if c.State.Rank() > r.Read.State.Rank() {
				r.Read = c
			}
		}
	}
	if len(platforms) > 1 {
		r.Digest = Digest(string(platforms[0].Digest) + " index")
	}
	return r
}
