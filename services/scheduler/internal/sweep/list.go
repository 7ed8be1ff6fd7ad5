package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/discover"
)

const (
	// maxTags bounds one repository's tags: 150 MB of names, digests and times. A listing that is longer is not complete, and says so.
	maxTags = 1_000_000
	// headsAtOnce is how many tags of one repository are asked side by side; the client bounds them over all repositories.
	headsAtOnce = 16
	// maxUnanswered is how many requests in a row may find the registry away, each after the client's own tries, before the
	// registry counts as down and the page as failed: a few bad repositories must not stop a sweep, a dead registry must
	// not turn every tag of it into a failure.
	maxUnanswered = 24
)

// found is one page of the repositories to sweep.
type found struct {
	names   []string
	next    string // where the next page starts; empty after the last
	missed  []discover.Missed
	leftOut int // whole repositories that the patterns leave out
}

// repositories lists one page.
func (s *Sweeper) repositories(ctx context.Context, r Registry, cursor string) (found, error) {
	if len(r.Conf.Repositories) > 0 {
		names, next := given(r.Conf.Repositories, cursor)
		return found{names: names, next: next}, nil
	}
	page, err := r.Client.Repositories(ctx, cursor, repositoriesAPage)
	if errors.Is(err, plimsoll.ErrNotFound) || errors.Is(err, plimsoll.ErrDenied) {
		return found{}, fmt.Errorf("%w; a registry that cannot be listed needs its repositories under registries[].repositories", err)
	}
	if err != nil {
		return found{}, err
	}
	names := inScope(r, page.Repositories)
	return found{names: names, next: page.Next, missed: page.Missed, leftOut: outOfScope(r, page.Repositories)}, nil
}

// wants says whether the patterns want a tag; an empty one asks for the repository.
func (r Registry) wants(repository, tag string) bool {
	return config.Match(r.Conf.Include, r.Conf.Exclude, repository, tag)
}

// inScope drops what the patterns leave out as a whole, and repeats.
func inScope(r Registry, names []string) []string {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	return slices.DeleteFunc(names, func(name string) bool { return !r.wants(name, "") })
}

// outOfScope counts what inScope drops for the patterns.
func outOfScope(r Registry, names []string) (n int) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if !r.wants(name, "") {
			n++
		}
	}
	return n
}

// given pages through a configured list, sorted, so that the cursor is the last name.
func given(all []string, cursor string) (names []string, next string) {
	all = slices.Compact(slices.Sorted(slices.Values(all)))
	from, found := slices.BinarySearch(all, cursor)
	if found {
		from++
	}
	names = all[from:min(from+repositoriesAPage, len(all))]
	if from+len(names) < len(all) {
		next = names[len(names)-1]
	}
	return names, next
}

// listing is what a registry says of one repository.
type listing struct {
	repository string
	began      time.Time
	tags       []answer // those in scope that exist, sorted by tag
	scope      scope    // what is left out
	heads      int      // tags whose digest the listing did not tell, so that each was asked
	failure    error    // why the tags could not be listed; nothing else is then known
}

// answer is what one tag names: as the listing told, or as its HEAD said.
type answer struct {
	tag    string
	digest plimsoll.Digest
	at     int64 // when it was asked, nanoseconds: the observation's sequence
	err    error
}

// list lists one repository and asks each tag whose digest the listing does not tell. A failure of this repository or of one tag
// is a value; the error is for what stops the page: ctx, or a registry that is down.
func (p *pass) list(ctx context.Context, repository string) (listing, error) {
	l := listing{repository: repository, began: p.Now()}
	all, err := p.tags(ctx, repository)
	if err != nil {
		l.failure = err
		return l, p.stops(ctx, err)
	}
	p.outages.answered()
	tags := l.scope.cut(p.registry, repository, all, p.began)
	l.tags = make([]answer, len(tags))
	for _, t := range tags {
		if t.Digest == "" {
			l.heads++
		}
	}
	err = sideBySide(ctx, len(tags), headsAtOnce, func(ctx context.Context, i int) error {
		l.tags[i] = p.answer(ctx, l, tags[i])
		return p.stops(ctx, l.tags[i].err)
	})
	l.tags = slices.DeleteFunc(l.tags, func(a answer) bool { return errors.Is(a.err, plimsoll.ErrNotFound) })
	return l, err
}

// tags lists the tags, each once, sorted. A repository that the registry does not know has none: it may have been deleted between
// two listings.
func (p *pass) tags(ctx context.Context, repository string) ([]discover.Tag, error) {
	if err := plimsoll.CheckRepository(repository); err != nil {
		return nil, err
	}
	var all []discover.Tag
	for cursor := ""; ; {
		tags, next, err := p.registry.Client.Tags(ctx, repository, cursor)
		switch {
		case errors.Is(err, plimsoll.ErrNotFound) && cursor == "":
			return nil, p.unknown(repository, err)
		case err != nil:
			return nil, err
		}
		all = append(all, tags...)
		if len(all) > maxTags {
			return nil, fmt.Errorf("tags of %s: %w: more than %d", repository, plimsoll.ErrLimit, maxTags)
		}
		if next == "" {
			return once(all), nil
		}
		cursor = next
	}
}

// once sorts tags by name and keeps one of each. Pages that tell two digests of one tag have seen it move: a HEAD then decides.
func once(all []discover.Tag) []discover.Tag {
	slices.SortFunc(all, func(a, b discover.Tag) int { return strings.Compare(a.Name, b.Name) })
	kept := all[:0]
	for _, t := range all {
		if n := len(kept); n > 0 && kept[n-1].Name == t.Name {
			if kept[n-1].Digest != t.Digest {
				kept[n-1].Digest = ""
			}
			continue
		}
		kept = append(kept, t)
	}
	return kept
}

// unknown is no error for a repository of the catalog, which may list emptied ones; a name that somebody configured and
// that does not exist is one.
func (p *pass) unknown(repository string, err error) error {
	if slices.Contains(p.registry.Conf.Repositories, repository) {
		return fmt.Errorf("%w; check registries[].repositories", err)
	}
	return nil
}

// answer is what a tag names. One that the listing told was seen when the listing began, at the earliest.
func (p *pass) answer(ctx context.Context, l listing, t discover.Tag) answer {
	if err := plimsoll.CheckTag(t.Name); err != nil {
		return answer{tag: t.Name, at: p.sequence(p.Now()), err: err}
	}
	if t.Digest != "" {
		return answer{tag: t.Name, digest: t.Digest, at: p.sequence(l.began)}
	}
	a := answer{tag: t.Name, at: p.sequence(p.Now())}
	d, err := p.registry.Client.Head(ctx, l.repository, t.Name)
	a.digest, a.err = d.Digest, err
	return a
}

// sequence is the sequence of an observation: never before the sweep's start, which another clock has told, because what an earlier
// sweep noted must count as earlier.
func (p *pass) sequence(at time.Time) int64 { return max(at.UnixNano(), p.began.UnixNano()) }

// stops says whether what a request met stops the page.
func (p *pass) stops(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.Is(err, plimsoll.ErrUnavailable):
		p.outages.answered()
		return nil
	case p.outages.unanswered() >= maxUnanswered:
		return fmt.Errorf("registry does not answer, %d requests in a row: %w", maxUnanswered, err)
	}
	return nil
}

// outages counts requests in a row that found the registry away.
type outages struct{ n atomic.Int64 }

func (o *outages) answered()         { o.n.Store(0) }
func (o *outages) unanswered() int64 { return o.n.Add(1) }
