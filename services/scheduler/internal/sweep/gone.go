package sweep

import (
	"context"
	"errors"
	"fmt"

	"github.com/plimsoll/plimsoll"
)

// maxRepositories bounds the names of one catalog that are held at once: 100 MB of them. A larger one settles nothing.
const maxRepositories = 1_000_000

// catalog lists all repositories once more, names alone: what is not among them now was not listed by the pages either, or
// is younger than they. It costs one request a thousand names.
func (s *Sweeper) catalog(ctx context.Context, r Registry) (map[string]bool, error) {
	names := map[string]bool{}
	for cursor := ""; ; {
		page, err := s.repositories(ctx, r, cursor)
		if err != nil {
			return nil, err
		}
		if len(page.missed) > 0 {
			return nil, fmt.Errorf("%s cannot be listed: %w", page.missed[0].Name, page.missed[0].Err)
		}
		for _, name := range page.names {
			names[name] = true
		}
		if len(names) > maxRepositories {
			return nil, fmt.Errorf("catalog: %w: more than %d repositories", plimsoll.ErrLimit, maxRepositories)
		}
		if page.next == "" {
			return names, nil
		}
		cursor = page.next
	}
}

// stillThere says why a repository that a complete catalog lacks is not gone for all that; empty when the registry has no other
// word. A registry whose store answers wrongly may leave repositories out of a catalog that says that it is whole (distribution 3
// does so for a path that its driver does not find).
func (s *Sweeper) stillThere(ctx context.Context, registry, repository string) (why string) {
	r, err := s.registry(registry)
	if err != nil || !r.wants(repository, "") || len(r.Conf.Repositories) > 0 {
		return "" // it is we who do not list it
	}
	for cursor := ""; ; {
		tags, next, err := r.Client.Tags(ctx, repository, cursor)
		switch {
		case ctx.Err() != nil:
			return ""
		case errors.Is(err, plimsoll.ErrNotFound), errors.Is(err, plimsoll.ErrDenied): // many deny what is not there
			return ""
		case err != nil:
			return "the catalog leaves the repository out, and its tags cannot be listed: " + kindOf(err)
		case len(tags) > 0:
			return "the catalog leaves the repository out, although it has tags"
		case next == "":
			return ""
		}
		cursor = next
	}
}

// leave counts a complete catalog that lacked a repository: each of its tags is missing once more, and gone at the second
// time. It returns what is left of the refs.
func (s *Sweeper) leave(ctx context.Context, sweep plimsoll.Sweep, repository string, refs []plimsoll.Ref) (left []plimsoll.Ref, gone int, err error) {
	now, why := s.Now(), "the repository was missing in two complete catalogs"
	if !s.Registries[sweep.Registry].wants(repository, "") {
		why = plimsoll.GoneOutOfScope
	}
	d := difference{repository: repository, write: map[string]plimsoll.Ref{}, remove: map[string]plimsoll.Ref{}}
	for _, ref := range refs {
		d.absent(ref, why, now, rules{sweep: slotTime(sweep.Slot), now: now})
		if _, removed := d.remove[ref.Tag]; !removed {
			left = append(left, ref)
		}
	}
	if err := s.append(ctx, sweep.Registry, actorOf(sweep.Actor), d.changes); err != nil {
		return nil, 0, err
	}
	if err := s.merge(ctx, sweep.Registry, d); err != nil {
		return nil, 0, err
	}
	return left, d.counts.Gone, nil
}
