package posture

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
	"github.com/plimsoll/plimsoll/services/reporter/internal/lineage"
	"github.com/plimsoll/plimsoll/services/reporter/internal/match"
)

// View is the posture at one moment; immutable and safe for concurrent readers.
type View struct {
	at         time.Time
	ended      time.Time // when something last came to its end of life
	position   map[string]int64
	policy     plimsoll.Policy
	matcher    *match.Matcher
	found      findings
	rows       []*Row
	places     table[int32] // stored rows: places by package number
	flawed     table[int32] // stored rows that have a flaw, by its number
	lists      int32        // numbers of layers' lists are below
	summary    plimsoll.Posture
	gaps       []Gap
	unowned    []Unowned
	registries []Registry
	losses     []Loss
	events     []Event // newest first
	faults     []string
	cfg        *Config
	inUse      map[plimsoll.Digest]InUse // nil: nobody told, or it is a past moment
	clock      Clock
	lineage    *lineage.Lineage
	former     []formerName // images that tags held before
	chains     chains
	trials     *trials
	rebuilds   map[string][2][]Action // by the name of their rows; under trials' lock

	stacks     table[stack]
	flattening sync.Once
	flattened  *flat

	numbered sync.Once
	firsts   []int               // of each package, the number of its first finding
	distinct []*plimsoll.Finding // by number

	once    sync.Once
	advised map[string]*advised // by finding id
}

// At is when the view was formed.
func (v *View) At() time.Time { return v.at }

// Ended is when something that the posture has met last came to its end of life; zero when nothing did.
func (v *View) Ended() time.Time { return v.ended }

// Position is the change-log position of each stream that is folded in.
func (v *View) Position() map[string]int64 { return maps.Clone(v.position) }

func (v *View) reached(positions map[string]int64) bool {
	for stream, sequence := range positions {
		if v.position[stream] < sequence {
			return false
		}
	}
	return true
}

// Generation is the state of the advisories that verdicts were formed by.
func (v *View) Generation() plimsoll.Generation { return v.matcher.Index().Generation() }

// Exploitation reports whether any list of exploited flaws was read: without one, that nothing is exploited says nothing.
func (v *View) Exploitation() bool {
	for _, f := range v.Generation().Enrichment {
		if f.Pack != "" && (f.Ecosystem == string(enrich.KEV) || f.Ecosystem == string(enrich.SSVC)) {
			return true
		}
	}
	return false
}

// Enrichment is what is said of a flaw's exploitation; false when nobody says anything.
func (v *View) Enrichment(flaw string) (plimsoll.Enrichment, bool) {
	return v.matcher.Index().Enrichment(flaw)
}

// Policy is what verdicts were formed by.
func (v *View) Policy() plimsoll.Policy { return v.policy }

// Rows are all images, sorted by verdict, exploited, critical, high, reference, platform. Rows that are not applicable have no verdict
// (its State is empty) and stand last.
func (v *View) Rows() []*Row { return v.rows }

// Summary counts: verdicts and findings by severity of active and of all stored images (Unique: distinct id and package;
// Places: findings), and read states of all stored ones. Rows that are not applicable have no verdict and are counted in
// Read alone.
func (v *View) Summary() plimsoll.Posture { return v.summary }

// Gaps are the causes of missing coverage, most images first.
func (v *View) Gaps() []Gap { return v.gaps }

// Unowned are the repositories that hold images whose owner is not known, most images first.
func (v *View) Unowned() []Unowned { return v.unowned }

// Registries are the configured registries and those that the bucket knows, by id.
func (v *View) Registries() []Registry { return v.registries }

// Faults are what could not be read of the bucket: a gap in the change log, an object that is damaged. While there are any,
// the posture may lack something. Sorted.
func (v *View) Faults() []string { return v.faults }

// Events are what happened lately, newest first, at most n.
func (v *View) Events(n int) []Event { return v.events[:max(0, min(n, len(v.events)))] }

// Findings are the findings of a row, sorted: severity, id, purl, path.
func (v *View) Findings(r *Row) []plimsoll.Finding {
	if r == nil || r.image == nil {
		return nil
	}
	return r.image.findings(&v.found)
}

// imageTimeout bounds the two reads that one image page needs.
const imageTimeout = 30 * time.Second

// Image is all that is known of one manifest that a row shows. The inventory is read from the bucket, where one that was
// lost since makes it false.
func (v *View) Image(d plimsoll.Digest) (*Image, bool) {
	var rows []*Row
	for _, r := range v.rows {
		if r.Digest == d {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), imageTimeout)
	defer cancel()
	im := &Image{Rows: rows, Findings: v.Findings(rows[0])}
	if held := rows[0].image; held != nil {
		inv, err := v.cfg.readInventory(ctx, held.source)
		if err != nil {
			return nil, false
		}
		im.Inventory = inv
	}
	if resolved, err := blob.ReadJSON[plimsoll.Image](ctx, v.cfg.Store, blob.ImageKey(d)); err == nil && resolved.Digest == d {
		im.Image = resolved
	} else {
		im.Image = plimsoll.Image{Digest: d, Platform: rows[0].Platform}
	}
	return im, true
}

// Advisories are the advisories that affect anything stored, worst first.
func (v *View) Advisories() []Listed {
	v.once.Do(v.advise)
	out := make([]Listed, 0, len(v.advised))
	for _, a := range v.advised {
		out = append(out, a.listed())
	}
	slices.SortFunc(out, func(a, b Listed) int {
		return cmp.Or(
			a.Severity.Rank()-b.Severity.Rank(),
			cmp.Compare(b.Score, a.Score),
			b.Images-a.Images,
			strings.Compare(a.ID, b.ID))
	})
	return out
}

// Advisory is one advisory by its id, an alias, or the id of a record that fixes several flaws. It is found when it affects
// something here or a record of that name exists.
func (v *View) Advisory(id string) (Advised, bool) {
	v.once.Do(v.advise)
	return v.lookup(id)
}
