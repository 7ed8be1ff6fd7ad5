package sweep

import (
	"context"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/workflows"
)

// retryPrefix begins the slot of a retry, which no sweep's has.
const retryPrefix = "retry-"

// Retry queues again every tag that a cause keeps from being covered. What failed three times was quarantined; somebody asks, so
// its tries are forgotten.
func (s *Sweeper) Retry(ctx context.Context, in workflows.RetryInput, beat func(string)) (plimsoll.Retry, error) {
	ctx, cancel := s.untilStopping(ctx)
	defer cancel()
	got, err := s.retry(ctx, in, beat)
	return got, orStopping(ctx, err)
}

func (s *Sweeper) retry(ctx context.Context, in workflows.RetryInput, beat func(string)) (plimsoll.Retry, error) {
	out := plimsoll.Retry{Registry: in.Registry, Cause: in.Cause}
	r, err := s.registry(in.Registry)
	if err != nil {
		return out, err
	}
	recipe, err := s.Recipe(ctx)
	if err != nil {
		return out, fmt.Errorf("ask a worker for its recipe: %w", err)
	}
	stop := beating(ctx, beat, still("queueing what is to be retried"))
	defer stop()
	tried, err := s.attempts(ctx, recipe)
	if err != nil {
		return out, err
	}
	p := &pass{Sweeper: s, registry: r, in: workflows.PageInput{
		Registry: in.Registry, Slot: retryPrefix + in.Slot, Actor: in.Actor, Recipe: recipe,
	}}
	for shard, err := range s.Store.AllRefs(ctx, in.Registry) {
		if err != nil {
			return out, fmt.Errorf("read refs: %w", err)
		}
		d := difference{repository: shard.Repository, asked: s.Now()}
		for _, ref := range shard.Tags {
			if ref.Missing > 0 || !kept(ref, in.Cause) {
				continue
			}
			n, err := s.forget(ctx, recipe, ref, tried)
			if err != nil {
				return out, err
			}
			out.Layers += n
			// Without its digest: the tag is asked again, whatever it named when it failed.
			d.targets = append(d.targets, &scanv1.Target{Tag: ref.Tag})
		}
		n, err := p.enqueue(ctx, d)
		if err != nil {
			return out, err
		}
		out.Tags, out.Requests = out.Tags+len(d.targets), out.Requests+n
	}
	s.Log.Info("a cause is retried", "registry", in.Registry, "cause", in.Cause, "actor", in.Actor, "tags", out.Tags, "requests", out.Requests)
	return out, nil
}

// kept reports whether a cause keeps a tag from being covered.
func kept(ref plimsoll.Ref, cause string) bool {
	if keeps(ref.Read, cause) {
		return true
	}
	for _, p := range ref.Platforms {
		for _, read := range p.Read {
			if keeps(read, cause) {
				return true
			}
		}
	}
	return false
}

// keeps reports whether c is short for the cause. What waits is in the queue already, and is asked for by its word alone.
func keeps(c plimsoll.Coverage, cause string) bool {
	switch {
	case !c.Short():
		return false
	case cause == string(c.State), plimsoll.IsCause(cause) && c.Cause() == cause:
		return true
	case c.State == plimsoll.ReadWaiting:
		return false
	}
	return strings.Contains(strings.ToLower(c.Reason), strings.ToLower(cause))
}

// attempts are the layers with failed tries; usually there are none.
func (s *Sweeper) attempts(ctx context.Context, recipe plimsoll.Recipe) (map[plimsoll.Digest]bool, error) {
	tried := map[plimsoll.Digest]bool{}
	prefix := strings.TrimRight(blob.AttemptsKey(recipe, "sha256:"), "/") + "/"
	for entry, err := range s.Store.List(ctx, prefix, "") {
		if err != nil {
			return nil, fmt.Errorf("list failed tries: %w", err)
		}
		tried[plimsoll.Digest("sha256:"+entry.Key[strings.LastIndexByte(entry.Key, '/')+1:])] = true
	}
	return tried, nil
}

// forget removes the failed tries of a tag's layers and returns how many layers had some.
func (s *Sweeper) forget(ctx context.Context, recipe plimsoll.Recipe, ref plimsoll.Ref, tried map[plimsoll.Digest]bool) (n int, err error) {
	if len(tried) == 0 {
		return 0, nil
	}
	for _, p := range ref.Platforms {
		if p.Kind != "" {
			continue
		}
		image, err := blob.ReadJSON[plimsoll.Image](ctx, s.Store, blob.ImageKey(p.Digest))
		if err != nil {
			continue // it cannot be read, so the scan makes it again and finds its tries
		}
		for _, l := range image.Layers {
			if !tried[l.Digest] {
				continue
			}
			if err := s.Store.Delete(ctx, blob.AttemptsKey(recipe, l.Digest)); err != nil {
				return n, fmt.Errorf("forget the failed tries of layer %s: %w", l.Digest.Short(), err)
			}
			delete(tried, l.Digest)
			n++
		}
	}
	return n, nil
}
