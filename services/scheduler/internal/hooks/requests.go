package hooks

import (
	"cmp"
	"context"
	"fmt"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/internal/trace"
)

// queue publishes what the events ask for. When one fails, those before it are queued and are duplicates next time.
func (h *Handler) queue(ctx context.Context, r plimsoll.Registry, events []event) error {
	for _, ev := range events {
		requests, err := h.requests(ctx, r, ev)
		if err != nil {
			return err
		}
		if len(requests) == 0 {
			h.counts.add(r.ID, ignored, 1)
		}
		if err := h.publish(ctx, r, ev, requests); err != nil {
			return err
		}
	}
	return nil
}

// publish queues the requests of one event. Where traces are kept they begin here, and the trace's id names the event in the
// logs too.
func (h *Handler) publish(ctx context.Context, r plimsoll.Registry, ev event, requests []*scanv1.ScanRequest) (err error) {
	if len(requests) == 0 {
		return nil
	}
	ctx, span := h.Tracer.Begin(ctx, "push event", trace.Server,
		"plimsoll.registry", r.ID, "plimsoll.repository", ev.repository, "plimsoll.tag", ev.tag)
	defer func() { span.End(err) }()
	for _, request := range requests {
		request.Trace = cmp.Or(trace.ID(ctx), ev.epoch)
		again, err := h.Publish(ctx, request)
		switch {
		case err != nil:
			// Full or away: either way the same notification is welcome later.
			return fmt.Errorf("%w: %w", plimsoll.ErrUnavailable, err)
		case again:
			h.counts.add(r.ID, duplicate, 1)
		default:
			h.counts.add(r.ID, queued, 1)
		}
		h.Log.Debug("push is queued", "registry", r.ID, "repository", ev.repository, "tag", ev.tag, "trace", request.GetTrace(), "duplicate", again)
	}
	return nil
}

// requests are the scan requests of one event; none when it is out of scope or names nothing that is known.
func (h *Handler) requests(ctx context.Context, r plimsoll.Registry, ev event) ([]*scanv1.ScanRequest, error) {
	if !config.Match(r.Include, r.Exclude, ev.repository, ev.tag) {
		return nil, nil
	}
	if !ev.gone {
		return []*scanv1.ScanRequest{h.request(r, ev, []*scanv1.Target{{Tag: ev.tag, Digest: string(ev.digest)}})}, nil
	}
	tags, err := h.affected(ctx, r, ev)
	if err != nil {
		return nil, err
	}
	var all []*scanv1.ScanRequest
	for len(tags) > 0 {
		n := min(len(tags), scanv1.MaxTargets)
		all = append(all, h.request(r, ev, tags[:n]))
		tags = tags[n:]
	}
	return all, nil
}

// maxAffected bounds the tags that one deletion has asked again; a sweep does the rest.
const maxAffected = 1024

// affected are the known tags that a deletion may have taken: the one it names, those at its digest, or all of the
// repository. They are asked without a digest, because the registry's state is what counts.
func (h *Handler) affected(ctx context.Context, r plimsoll.Registry, ev event) (tags []*scanv1.Target, err error) {
	refs, err := h.Refs(ctx, r.ID, ev.repository)
	if err != nil {
		return nil, fmt.Errorf("find what a deletion concerns: %w: %w", plimsoll.ErrUnavailable, err)
	}
	for _, ref := range refs {
		named := ev.tag == "" || ev.tag == ref.Tag
		pointed := ev.digest == "" || ev.digest == ref.Digest || ev.tag != ""
		if named && pointed && len(tags) < maxAffected {
			tags = append(tags, &scanv1.Target{Tag: ref.Tag})
		}
	}
	return tags, nil
}

func (h *Handler) request(r plimsoll.Registry, ev event, targets []*scanv1.Target) *scanv1.ScanRequest {
	return &scanv1.ScanRequest{
		Lane: scanv1.Lane_LANE_PUSH, Registry: r.ID, Repository: ev.repository, Targets: targets,
		Epoch: ev.epoch, Actor: "push", AskedUnixNano: h.Now().UnixNano(),
	}
}
