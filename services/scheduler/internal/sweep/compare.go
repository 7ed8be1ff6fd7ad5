package sweep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// difference is what one repository's listing changes in refs/, and what it asks to scan.
type difference struct {
	repository string
	asked      time.Time
	write      map[string]plimsoll.Ref // by tag: new states
	remove     map[string]plimsoll.Ref // by tag: the state in which it is gone
	changes    []plimsoll.Change
	targets    []*scanv1.Target
	counts     plimsoll.SweepCount
}

// compare reads the repository's refs and tells the difference. A repository that could not be listed has none: nothing
// is known of it that was not known before.
func (p *pass) compare(ctx context.Context, l listing, told announced) (difference, error) {
	d := difference{repository: l.repository}
	if l.failure != nil {
		return d, nil
	}
	refs, err := p.Store.Refs(ctx, p.in.Registry, l.repository)
	if err != nil {
		return d, fmt.Errorf("read refs of %s: %w", l.repository, err)
	}
	wants := func(repository, tag string) bool { return p.registry.wants(repository, tag) && !l.scope.out[tag] }
	return differ(l, refs, rules{recipe: p.in.Recipe, scope: p.registry.Conf.Scope(), sweep: p.began, now: p.Now(), wants: wants, told: told}), nil
}

// rules are what a comparison is made under.
type rules struct {
	recipe plimsoll.Recipe
	scope  string    // of images, as refs carry it
	sweep  time.Time // start of the sweep
	now    time.Time
	wants  func(repository, tag string) bool
	told   announced
}

// differ compares a complete listing with the refs. It is a pure function: the same listing, refs and rules give the same
// difference, so a page may be done twice.
func differ(l listing, refs []plimsoll.Ref, r rules) difference {
	d := difference{repository: l.repository, asked: l.began, write: map[string]plimsoll.Ref{}, remove: map[string]plimsoll.Ref{}}
	known := make(map[string]plimsoll.Ref, len(refs))
	for _, ref := range refs {
		known[ref.Tag] = ref
	}
	d.counts.LeftOut = l.scope.counts
	for _, a := range l.tags {
		old, ok := known[a.tag]
		delete(known, a.tag)
		d.tag(a, old, ok, r)
	}
	for _, tag := range slices.Sorted(maps.Keys(known)) {
		why := "in two complete listings the tag was missing"
		if !r.wants(l.repository, tag) {
			why = plimsoll.GoneOutOfScope // it takes two sweeps too: patterns are changed back
		}
		d.absent(known[tag], why, l.began, r)
	}
	return d
}

// tag compares one tag's answer with its ref, if there is one.
func (d *difference) tag(a answer, old plimsoll.Ref, known bool, r rules) {
	d.counts.Listed++
	switch {
	case known && old.Observed > a.at:
		// Somebody (a push) has looked later than we did: that observation is the newer one, and has its own request.
		d.counts.Unchanged++
	case a.err != nil:
		d.unanswered(a, old, known, r)
	case !known || old.Digest != a.digest:
		if r.told.misses(d.repository, a.tag) {
			d.counts.Missed++
		}
		ref := moved(old, a, known, r.now)
		d.put(ref, plimsoll.ChangeTag, old.Digest, "")
		d.ask(ref)
	case old.Recipe != r.recipe || r.recipe == "" || old.Scope != r.scope || isUnanswered(old) && len(old.Platforms) == 0:
		d.seenAgain(a, old)
		d.ask(plimsoll.Ref{Tag: a.tag, Digest: a.digest, Observed: a.at})
	default:
		d.seenAgain(a, old)
		d.counts.Unchanged++
	}
}

// moved is the state of a tag that is new or points elsewhere: waiting to be read. What was read last stays known.
func moved(old plimsoll.Ref, a answer, known bool, now time.Time) plimsoll.Ref {
	ref := plimsoll.Ref{
		Tag: a.tag, Digest: a.digest, Observed: a.at, Moved: now.UTC(), First: now.UTC(),
		Read: plimsoll.Coverage{State: plimsoll.ReadWaiting},
	}
	if known {
		ref.First, ref.LastGood, ref.Former = old.First, lastGood(old), old.MovedAway(ref.Moved)
	}
	return ref
}

// lastGood is the newest digest of a tag whose inventory was complete.
func lastGood(old plimsoll.Ref) plimsoll.Digest {
	if old.Read.State == plimsoll.ReadComplete || old.Read.State == plimsoll.ReadStale {
		return old.Digest
	}
	return old.LastGood
}

// seenAgain notes a tag that was missing, or did not answer, in an earlier listing; most tags need no note.
func (d *difference) seenAgain(a answer, old plimsoll.Ref) {
	ref := old
	ref.Missing, ref.Observed = 0, a.at
	switch {
	case isUnanswered(old):
		d.put(answered(ref), plimsoll.ChangeCoverage, "", "the tag answers again")
	case old.Missing > 0:
		d.write[ref.Tag] = ref // no change of the image: the log need not tell
	}
}

// ask asks for a scan of what the tag was seen to name.
func (d *difference) ask(ref plimsoll.Ref) {
	d.counts.Enqueued++
	d.targets = append(d.targets, &scanv1.Target{Tag: ref.Tag, Digest: string(ref.Digest), Observed: ref.Observed})
}

// put writes a ref and tells it in the log.
func (d *difference) put(ref plimsoll.Ref, kind plimsoll.ChangeKind, previous plimsoll.Digest, text string) {
	d.write[ref.Tag] = ref
	d.changes = append(d.changes, plimsoll.Change{
		Kind: kind, Repository: d.repository, Tag: ref.Tag, Digest: ref.Digest, Previous: previous, Ref: &ref, Text: text,
	})
}

// absent counts a complete listing that lacked a tag; the second removes it. A listing counts once, however often its page
// is done: the first time moves Observed beyond the sweep's start. A tag that was seen since then does not count.
func (d *difference) absent(old plimsoll.Ref, why string, seen time.Time, r rules) {
	if old.Observed >= r.sweep.UnixNano() {
		return
	}
	ref := old
	ref.Missing++
	ref.Observed = max(seen.UnixNano(), r.sweep.UnixNano())
	if ref.Missing < missingToGo {
		d.write[ref.Tag] = ref
		return
	}
	d.counts.Gone++
	d.remove[ref.Tag] = ref
	d.changes = append(d.changes, plimsoll.Change{
		Kind: plimsoll.ChangeGone, Repository: d.repository, Tag: old.Tag, Previous: old.Digest, Text: why,
	})
}

// missingToGo is how many complete listings must lack a tag before it is gone: one may be a registry's bad day.
const missingToGo = 2

// unansweredPrefix begins the reason of a tag that was listed but whose HEAD failed.
const unansweredPrefix = "the tag does not answer: "

// unanswered marks a listed tag whose HEAD failed. The recipe and what was read stay, so that the last good verdict can be
// shown; the platforms get an entry of their own that a later answer takes away.
func (d *difference) unanswered(a answer, old plimsoll.Ref, known bool, r rules) {
	d.counts.Failed++
	failed := plimsoll.Failed(unansweredPrefix + kindOf(a.err))
	if known && old.Read == failed {
		return
	}
	ref := old
	if !known {
		ref = plimsoll.Ref{Tag: a.tag, First: r.now.UTC()}
	}
	ref.Missing, ref.Observed, ref.LastGood = 0, a.at, lastGood(old)
	ref.Read = failed
	ref.Platforms = slices.Clone(old.Platforms)
	for i := range ref.Platforms {
		read := maps.Clone(ref.Platforms[i].Read)
		if read == nil {
			read = map[string]plimsoll.Coverage{}
		}
		read[""] = failed
		ref.Platforms[i].Read = read
	}
	d.put(ref, plimsoll.ChangeCoverage, "", cut(a.err.Error()))
}

func isUnanswered(ref plimsoll.Ref) bool {
	return ref.Read.State == plimsoll.ReadFailed && strings.HasPrefix(ref.Read.Reason, unansweredPrefix)
}

// answered takes back what unanswered did.
func answered(ref plimsoll.Ref) plimsoll.Ref {
	if ref.LastGood == ref.Digest {
		ref.LastGood = ""
	}
	ref.Platforms = slices.Clone(ref.Platforms)
	for i, platform := range ref.Platforms {
		read := maps.Clone(platform.Read)
		if isUnanswered(plimsoll.Ref{Read: read[""]}) {
			delete(read, "")
			if len(read) == 0 && platform.Kind != "" {
				read[""] = plimsoll.Coverage{State: plimsoll.ReadNotApplicable, Reason: platform.Kind}
			}
		}
		ref.Platforms[i].Read = read
	}
	ref.Read = readOf(ref.Platforms)
	return ref
}

// readOf is the worst of a tag's images. What is no image beside images (an attestation in an index) does not count; of no
// platforms it is waiting.
func readOf(platforms []plimsoll.RefPlatform) plimsoll.Coverage {
	images := slices.DeleteFunc(slices.Clone(platforms), func(p plimsoll.RefPlatform) bool { return p.Kind != "" })
	if len(images) == 0 {
		images = platforms
	}
	var all []plimsoll.Coverage
	for _, p := range images {
		all = append(all, plimsoll.WorstCoverage(maps.Values(p.Read)))
	}
	return plimsoll.WorstCoverage(slices.Values(all))
}

// kinds are the words under which failures are grouped: a registry's own words differ from tag to tag.
var kinds = []struct {
	err  error
	word string
}{
	{plimsoll.ErrDenied, "access denied"},
	{plimsoll.ErrNotFound, "not found"},
	{plimsoll.ErrLimit, "limit reached"},
	{plimsoll.ErrIntegrity, "wrong digest"},
	{plimsoll.ErrInvalid, "invalid answer or name"},
	{plimsoll.ErrUnavailable, "registry unavailable"},
}

func kindOf(err error) string {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.word
		}
	}
	return "error"
}

// maxText bounds a registry's words in the change log and in sweep objects, in bytes.
const maxText = 400

func cut(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + " …"
	}
	return s
}
