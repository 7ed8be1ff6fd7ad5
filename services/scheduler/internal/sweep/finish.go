package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// Finish ends a sweep: repositories that are gone, coverage, causes, state; the sweep object, the change log, the hint. It
// may be repeated: what it settles twice is settled once.
func (s *Sweeper) Finish(ctx context.Context, sweep plimsoll.Sweep, beat func(string)) (plimsoll.Sweep, error) {
	stop := beating(ctx, beat, still("counting coverage"))
	defer stop()
	missed, _, err := s.unlisted(ctx, sweep.Registry, sweep.Slot)
	if err != nil {
		return sweep, err
	}
	if text := missed.text(); text != "" && sweep.Error == "" {
		sweep.Error = text
	}
	// Only a listing that reached its end may say that a repository is gone. One whose tags could not be listed is in it.
	ended := !sweep.Listed.IsZero()
	present, err := s.present(ctx, &sweep, ended)
	if err != nil {
		return sweep, err
	}
	t := newTally(sweep, missed, s.Registries[sweep.Registry].Conf.Scope())
	if err := s.count(ctx, sweep, present, t); err != nil {
		return sweep, err
	}
	if t.counts.LayerBytes, err = s.plans(ctx, sweep); err != nil {
		return sweep, err
	}
	since, err := s.since(ctx, sweep)
	if err != nil {
		return sweep, err
	}
	t.conclude(&sweep, since)
	sweep.Credentials = s.credentials(ctx, sweep.Registry)
	sweep.Ended = s.Now().UTC()
	sweep.State = stateOf(sweep, ended)
	if sweep.Error != "" {
		sweep.Listed = time.Time{}
	}
	if err := s.Record(ctx, sweep); err != nil {
		return sweep, err
	}
	if err := s.announce(ctx, sweep); err != nil {
		return sweep, err
	}
	s.Log.Info("sweep ended", "registry", sweep.Registry, "slot", sweep.Slot, "state", sweep.State, "error", sweep.Error,
		"listed", sweep.Counts.Listed, "enqueued", sweep.Counts.Enqueued, "waiting", sweep.Counts.Waiting, "failed", sweep.Counts.Failed)
	return sweep, nil
}

// credentialsTime bounds the questions about credentials: they are a word of warning, and not worth a wait.
const credentialsTime = 30 * time.Second

// credentials says how those stand that the registry was read with.
func (s *Sweeper) credentials(ctx context.Context, id string) []plimsoll.Credential {
	r, err := s.registry(id)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, credentialsTime)
	defer cancel()
	return r.Client.Credentials(ctx, s.Now())
}

// stateOf is green when nothing is missing, failed when the listing did not reach its end, else red.
func stateOf(sweep plimsoll.Sweep, ended bool) plimsoll.SweepState {
	c := sweep.Counts
	switch {
	case !ended:
		return plimsoll.SweepFailed
	case sweep.Error == "" && c.Partial+c.Failed+c.Waiting == 0 && len(sweep.Causes) == 0:
		return plimsoll.SweepGreen
	}
	return plimsoll.SweepRed
}

// present are the repositories that the registry has now; nil when that cannot be told, and then nothing is gone.
func (s *Sweeper) present(ctx context.Context, sweep *plimsoll.Sweep, ended bool) (map[string]bool, error) {
	if !ended {
		return nil, nil
	}
	r, err := s.registry(sweep.Registry)
	if err != nil {
		sweep.Error = cut(err.Error()) // taken out of the configuration while its sweep ran
		return nil, nil
	}
	present, err := s.catalog(ctx, r)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		if sweep.Error == "" {
			sweep.Error = cut("cannot tell which repositories are gone: " + err.Error())
		}
		return nil, nil
	}
	return present, nil
}

// count reads all refs once. Shards of repositories that are not present are held back until they are settled; they are as
// many as vanished since the last sweeps.
func (s *Sweeper) count(ctx context.Context, sweep plimsoll.Sweep, present map[string]bool, t *tally) error {
	absent := map[string][]plimsoll.Ref{}
	for shard, err := range s.Store.AllRefs(ctx, sweep.Registry) {
		if err != nil {
			return fmt.Errorf("count coverage: %w", err)
		}
		if present != nil && !present[shard.Repository] && len(shard.Tags) > 0 {
			absent[shard.Repository] = append(absent[shard.Repository], shard.Tags...)
			continue
		}
		t.refs(shard.Repository, shard.Tags)
	}
	for repository, refs := range absent {
		if why := s.stillThere(ctx, sweep.Registry, repository); why != "" {
			t.refs(repository, refs)
			t.cause(plimsoll.Failed(why), repository, len(refs))
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		left, gone, err := s.leave(ctx, sweep, repository, refs)
		if err != nil {
			return fmt.Errorf("settle repository %s, which is gone: %w", repository, err)
		}
		t.counts.Gone += gone
		t.refs(repository, left)
	}
	return nil
}

// causeKey is what gaps are grouped by.
type causeKey struct {
	state  plimsoll.ReadState
	reason string
}

// tally counts states of coverage and groups what is short.
type tally struct {
	recipe plimsoll.Recipe
	scope  string // of images, as refs carry it
	counts plimsoll.SweepCount
	causes map[causeKey]*plimsoll.Cause
	missed unlisted
}

func newTally(sweep plimsoll.Sweep, missed unlisted, scope string) *tally {
	c := sweep.Counts
	c.Complete, c.NotApplicable, c.Partial, c.Failed, c.Waiting = 0, 0, 0, 0, 0
	c.LeftOut.Labels, c.LeftOut.Platforms = 0, 0
	t := &tally{recipe: sweep.Recipe, scope: scope, counts: c, causes: map[causeKey]*plimsoll.Cause{}, missed: missed}
	for repository, kind := range missed.Repositories {
		t.cause(plimsoll.Failed("the repository cannot be listed: "+kind), repository, 0)
	}
	return t
}

// refs counts the tags of one repository.
func (t *tally) refs(repository string, refs []plimsoll.Ref) {
	for _, ref := range refs {
		t.leftOut(ref)
		read := t.read(ref)
		switch read.State {
		case plimsoll.ReadComplete:
			t.counts.Complete++
		case plimsoll.ReadNotApplicable:
			t.counts.NotApplicable++
		case plimsoll.ReadPartial:
			t.counts.Partial++
		case plimsoll.ReadFailed:
			t.counts.Failed++
		default: // waiting and stale: a scan is owed
			t.counts.Waiting++
		}
		if read.Short() {
			t.cause(read, repository+":"+ref.Tag, 1)
		}
	}
	if kind, ok := t.missed.Repositories[repository]; ok {
		t.cause(plimsoll.Failed("the repository cannot be listed: "+kind), repository, len(refs))
	}
}

// leftOut counts the images of a tag that the registry's scope leaves out.
func (t *tally) leftOut(ref plimsoll.Ref) {
	for _, p := range ref.Platforms {
		switch {
		case strings.HasPrefix(p.Kind, plimsoll.OutOfPlatforms):
			t.counts.LeftOut.Platforms++
		case strings.HasPrefix(p.Kind, plimsoll.OutOfLabels):
			t.counts.LeftOut.Labels++
		}
	}
}

// read is how far a tag is read by the sweep's recipe. Complete by another one is stale. Without a recipe (no worker
// answered) what stands in refs is all there is to say.
func (t *tally) read(ref plimsoll.Ref) plimsoll.Coverage {
	switch ref.Read.State {
	case plimsoll.ReadComplete, plimsoll.ReadNotApplicable:
		if t.recipe != "" && ref.Recipe != t.recipe {
			return plimsoll.Coverage{State: plimsoll.ReadStale, Reason: "read by an earlier recipe only"}
		}
		if ref.Scope != t.scope {
			return plimsoll.Coverage{State: plimsoll.ReadStale, Reason: "read before the registry's platforms or labels were changed"}
		}
	case plimsoll.ReadWaiting:
		if ref.Read.Reason == "" {
			return plimsoll.Coverage{State: plimsoll.ReadWaiting, Reason: "not read yet"}
		}
	}
	return ref.Read
}

func (t *tally) cause(c plimsoll.Coverage, example string, images int) {
	key := causeKey{c.State, cut(c.Reason)}
	cause := t.causes[key]
	if cause == nil {
		if len(t.causes) >= maxCausesHeld {
			key = causeKey{c.State, otherReasons}
		}
		if cause = t.causes[key]; cause == nil {
			cause = &plimsoll.Cause{State: key.state, Reason: key.reason, Example: example}
			t.causes[key] = cause
		}
	}
	cause.Images += images
	if example < cause.Example {
		cause.Example = example // the first by name, so that the order of reading does not matter
	}
}

const (
	// maxCausesHeld bounds the groups while they are counted; reasons may hold words of images.
	maxCausesHeld = 10_000
	// maxCauses bounds those in the sweep object: what a person reads. The rest is added up.
	maxCauses    = 100
	otherReasons = "other reasons"
)

// conclude puts counts and causes into the sweep.
func (t *tally) conclude(sweep *plimsoll.Sweep, since map[causeKey]time.Time) {
	sweep.Counts = t.counts
	sweep.Causes = nil
	for key, cause := range t.causes {
		cause.Since = sweep.Started
		if first, ok := since[key]; ok {
			cause.Since = first
		}
		sweep.Causes = append(sweep.Causes, *cause)
	}
	slices.SortFunc(sweep.Causes, func(a, b plimsoll.Cause) int {
		if a.Images != b.Images {
			return b.Images - a.Images
		}
		return strings.Compare(string(a.State)+a.Reason, string(b.State)+b.Reason)
	})
	if len(sweep.Causes) > maxCauses {
		rest := sweep.Causes[maxCauses-1]
		rest.Reason = fmt.Sprintf("%s (%d)", otherReasons, len(sweep.Causes)-maxCauses+1)
		for _, c := range sweep.Causes[maxCauses:] {
			rest.Images += c.Images
		}
		sweep.Causes = append(sweep.Causes[:maxCauses-1], rest)
	}
}

// lookBack is how far an earlier sweep may lie for its causes to count as the same ones going on.
const lookBack = 45 * 24 * time.Hour

// since is when each cause of the sweep before was first seen.
func (s *Sweeper) since(ctx context.Context, sweep plimsoll.Sweep) (map[causeKey]time.Time, error) {
	prefix := blob.PrefixSweeps + sweep.Registry + "/"
	from := blob.SweepKey(sweep.Registry, slotTime(sweep.Slot).Add(-lookBack).Format(slotLayout))
	last := ""
	for entry, err := range s.Store.List(ctx, prefix, from) {
		if err != nil {
			return nil, fmt.Errorf("find the sweep before: %w", err)
		}
		if entry.Key >= blob.SweepKey(sweep.Registry, sweep.Slot) {
			break
		}
		last = entry.Key
	}
	if last == "" {
		return nil, nil
	}
	before, err := blob.ReadJSON[plimsoll.Sweep](ctx, s.Store, last)
	if errors.Is(err, plimsoll.ErrNotFound) || errors.Is(err, plimsoll.ErrIntegrity) {
		s.Log.Warn("sweep before cannot be read, causes count from now", "registry", sweep.Registry, "key", last, "error", err)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the sweep before: %w", err)
	}
	since := map[causeKey]time.Time{}
	for _, c := range before.Causes {
		since[causeKey{c.State, c.Reason}] = c.Since
	}
	return since, nil
}

// text is the one line on repositories that could not be listed; empty when all could.
func (u unlisted) text() string {
	n := len(u.Repositories) + u.More
	if n == 0 {
		return ""
	}
	noun := "repositories"
	if n == 1 {
		noun = "repository"
	}
	return cut(fmt.Sprintf("%d %s could not be listed: %s", n, noun, u.First))
}
