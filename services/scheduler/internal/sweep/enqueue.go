package sweep

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// enqueue publishes the requests of one repository and returns how many. It holds while the window is full, and while the
// queue is away: that is not the registry's fault, and nothing is lost by waiting.
func (p *pass) enqueue(ctx context.Context, d difference) (requests int, err error) {
	pattern := &scanv1.ScanRequest{
		Lane: scanv1.Lane_LANE_SWEEP, Registry: p.in.Registry, Repository: d.repository,
		Epoch: p.in.Slot, Recipe: string(p.in.Recipe), Actor: actorOf(p.in.Actor), AskedUnixNano: d.asked.UnixNano(),
	}
	for r := range pack(pattern, d.targets) {
		if err := p.publish(ctx, r); err != nil {
			return requests, fmt.Errorf("queue %s: %w", d.repository, err)
		}
		requests++
	}
	return requests, nil
}

// pack cuts targets into requests within the bounds of one: at most scanv1.MaxTargets and scanv1.MaxRequestBytes.
func pack(pattern *scanv1.ScanRequest, targets []*scanv1.Target) func(yield func(*scanv1.ScanRequest) bool) {
	return func(yield func(*scanv1.ScanRequest) bool) {
		for len(targets) > 0 {
			r := proto.CloneOf(pattern)
			// The trace is made from the key below: its length is known, its content is not yet.
			size := proto.Size(r) + traceBytes
			for len(targets) > 0 && len(r.Targets) < scanv1.MaxTargets {
				size += proto.Size(targets[0]) + targetOverhead
				if size > scanv1.MaxRequestBytes && len(r.Targets) > 0 {
					break
				}
				r.Targets = append(r.Targets, targets[0])
				targets = targets[1:]
			}
			r.Trace = r.GetEpoch() + "-" + r.Key()[:12]
			if !yield(r) {
				return
			}
		}
	}
}

const (
	traceBytes     = 2 + 128 // a field's header and more than a slot with 12 digits
	targetOverhead = 4       // a field's tag and a length of up to three bytes
)

// publish queues one request as soon as there is room in the window.
func (s *Sweeper) publish(ctx context.Context, r *scanv1.ScanRequest) error {
	for {
		left, err := s.Queue.Left(ctx, r.Subject())
		if err == nil && left < s.Window {
			_, err = s.Queue.Publish(ctx, r)
			if err == nil {
				return nil
			}
		}
		if err != nil && !waits(err) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("sweep waits for the queue", "registry", r.GetRegistry(), "slot", r.GetEpoch(), "error", err)
		}
		if err := s.wait(ctx, err != nil); err != nil {
			return err
		}
	}
}

// waits says that the queue will take the request later: it is full or away.
func waits(err error) bool {
	return errors.Is(err, plimsoll.ErrLimit) || errors.Is(err, plimsoll.ErrUnavailable)
}
