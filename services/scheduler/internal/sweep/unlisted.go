package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/discover"
)

// maxUnlisted bounds the repositories that are named; beyond it they are counted, and the sweep is red either way.
const maxUnlisted = 1000

// unlisted are the repositories whose tags could not be listed in one sweep: kept in the bucket, because pages are done at
// different times by different hosts. It is derivable, like a plan, and stands beside plans.
type unlisted struct {
	Registry     string            `json:"registry"`
	Slot         string            `json:"slot"`
	Repositories map[string]string `json:"repositories"`   // name → kind of failure
	First        string            `json:"first"`          // the registry's own words on one of them
	More         int               `json:"more,omitempty"` // that did not fit
}

func unlistedKey(registry, slot string) string { return blob.PlanKey(registry, "unlisted-"+slot) }

func (s *Sweeper) unlisted(ctx context.Context, registry, slot string) (u unlisted, etag string, err error) {
	u = unlisted{Registry: registry, Slot: slot, Repositories: map[string]string{}}
	o, err := s.Store.Get(ctx, unlistedKey(registry, slot))
	if errors.Is(err, plimsoll.ErrNotFound) {
		return u, "", nil
	}
	if err != nil {
		return u, "", fmt.Errorf("read what could not be listed: %w", err)
	}
	if err := json.Unmarshal(o.Bytes, &u); err != nil {
		return u, "", fmt.Errorf("read what could not be listed: %w: %w", plimsoll.ErrIntegrity, err)
	}
	return u, o.ETag, nil
}

// noteUnlisted adds the chunk's failed listings to what the sweep could not list. A chunk without one costs nothing.
func (p *pass) noteUnlisted(ctx context.Context, seen []listing) error {
	if !anyFailed(seen) {
		return nil
	}
	for {
		u, etag, err := p.unlisted(ctx, p.in.Registry, p.in.Slot)
		if err != nil {
			return err
		}
		p.addUnlisted(&u, seen)
		b, err := json.Marshal(u)
		if err != nil {
			return fmt.Errorf("encode what could not be listed: %w", err)
		}
		err = p.Store.Replace(ctx, unlistedKey(p.in.Registry, p.in.Slot), b, etag)
		if !errors.Is(err, blob.ErrExists) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

func (p *pass) addUnlisted(u *unlisted, seen []listing) {
	for _, l := range seen {
		if l.failure == nil {
			continue
		}
		p.Log.Warn("repository cannot be listed", "registry", p.in.Registry, "repository", l.repository, "error", l.failure)
		if u.First == "" {
			u.First = cut(l.failure.Error())
		}
		name := cut(l.repository) // a catalog may hold anything
		if _, known := u.Repositories[name]; !known && len(u.Repositories) >= maxUnlisted {
			u.More++
			continue
		}
		u.Repositories[name] = kindOf(l.failure)
	}
}

// unlistedParts are parts of a registry that could not be listed, as if each were a repository.
func unlistedParts(missed []discover.Missed) (seen []listing) {
	for _, m := range missed {
		seen = append(seen, listing{repository: m.Name + "/**", failure: m.Err})
	}
	return seen
}

func anyFailed(seen []listing) bool {
	for _, l := range seen {
		if l.failure != nil {
			return true
		}
	}
	return false
}
