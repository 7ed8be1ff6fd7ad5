package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

const (
	// maxTags bounds one repository's tags: 30 MB of names. A listing that is longer is not complete, and says so.
	maxTags = 1_000_000
	// headsAtOnce is how many tags of one repository are asked side by side; the client bounds them over all repositories.
	headsAtOnce = 16
	// maxUnanswered is how many requests in a row may find the registry away, each after the client's own tries, before the
	// registry counts as down and the page as failed: a few bad repositories must not stop a sweep, a dead registry must
	// not turn every tag of it into a failure.
	maxUnanswered = 24
)

// repositories is one page of the repositories to sweep, and where the next one starts ("" after the last).
func (s *Sweeper) repositories(ctx context.Context, r Registry, cursor string) (names []string, next string, err error) {
	if len(r.Conf.Repositories) > 0 {
		names, next = given(r.Conf.Repositories, cursor)
		return names, next, nil
	}
	names, next, err = r.Client.Catalog(ctx, cursor, repositoriesAPage)
	if errors.Is(err, plimsoll.ErrNotFound) || errors.Is(err, plimsoll.ErrDenied) {
		return nil, "", fmt.Errorf("%w; a registry without a catalog needs its repositories listed under registries[].repositories", err)
	}
	if err != nil {
		return nil, "", err
	}
	return inScope(r, names), next, nil
}

// wants says whether the patterns want a tag; an empty one asks for the repository.
func (r Registry) wants(repository, tag string) bool {
	return config.Match(r.Conf.Include, r.Conf.Exclude, repository, tag)
}

// inScope drops what the patterns leave out as a whole, and repeats.
func inScope(r Registry, names []string) []string {
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(name string) bool { return !r.wants(name, "") })
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
	failure    error    // why the tags could not be listed; nothing else is then known
}

// answer is what one tag's HEAD said.
type answer struct {
	tag    string
	digest plimsoll.Digest
	at     int64 // when it was asked, nanoseconds: the observation's sequence
	err    error
}

// list lists one repository and asks each tag. A failure of this repository or of one tag is a value; the error is for
// what stops the page: ctx, or a registry that is down.
func (p *pass) list(ctx context.Context, repository string) (listing, error) {
	l := listing{repository: repository, began: p.Now()}
	tags, err := p.tags(ctx, repository)
	if err != nil {
		l.failure = err
		return l, p.stops(ctx, err)
	}
	p.outages.answered()
	l.tags = make([]answer, len(tags))
	err = sideBySide(ctx, len(tags), headsAtOnce, func(ctx context.Context, i int) error {
		l.tags[i] = p.head(ctx, repository, tags[i])
		return p.stops(ctx, l.tags[i].err)
	})
	l.tags = slices.DeleteFunc(l.tags, func(a answer) bool { return errors.Is(a.err, plimsoll.ErrNotFound) })
	return l, err
}

// tags lists the tags in scope, each once, sorted. A repository that the registry does not know has none: it may have been
// deleted between two listings.
func (p *pass) tags(ctx context.Context, repository string) ([]string, error) {
	if err := plimsoll.CheckRepository(repository); err != nil {
		return nil, err
	}
	var all []string
	for after := ""; ; {
		tags, next, err := p.registry.Client.Tags(ctx, repository, after, registry.PageSize)
		switch {
		case errors.Is(err, plimsoll.ErrNotFound) && after == "":
			return nil, p.unknown(repository, err)
		case err != nil:
			return nil, err
		}
		all = append(all, tags...)
		if len(all) > maxTags {
			return nil, fmt.Errorf("tags of %s: %w: more than %d", repository, plimsoll.ErrLimit, maxTags)
		}
		if next == "" {
			break
		}
		after = next
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(tag string) bool { return !p.registry.wants(repository, tag) }), nil
}

// unknown is no error for a repository of the catalog, which may list emptied ones; a name that somebody configured and
// that does not exist is one.
func (p *pass) unknown(repository string, err error) error {
	if slices.Contains(p.registry.Conf.Repositories, repository) {
		return fmt.Errorf("%w; check registries[].repositories", err)
	}
	return nil
}

func (p *pass) head(ctx context.Context, repository, tag string) answer {
	// Never before the sweep's start, which another clock has told: what an earlier sweep noted must count as earlier.
	a := answer{tag: tag, at: max(p.Now().UnixNano(), p.began.UnixNano())}
	if err := plimsoll.CheckTag(tag); err != nil {
		a.err = err
		return a
	}
	d, err := p.registry.Client.Head(ctx, repository, tag)
	a.digest, a.err = d.Digest, err
	return a
}

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
