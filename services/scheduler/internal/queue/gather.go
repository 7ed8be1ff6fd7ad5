package queue

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

const (
	// floodAt is how many pushes of a registry wait when it takes more than one at a time: so many would take longer one by
	// one than any of them is delayed by its neighbours.
	floodAt = 64
	// gatherAtOnce is how many pushes of a flood are taken at once, to find those of the same repository among them.
	gatherAtOnce = 256
)

// A group is the messages whose requests are performed as one. All are of one repository.
type group []*held

// pending is how many messages of a registry may be held, over all schedulers, when it may hold so many places.
func (l Lane) pending(places int) int {
	if !l.Urgent {
		return places
	}
	return places*scanv1.MaxTargets + gatherAtOnce
}

// gather takes what waits behind a message when that is a flood, and groups all of it.
func (h *holder) gather(ctx context.Context, c jetstream.Consumer, first *held) []group {
	if !h.lane.Urgent || first.waiting < floodAt {
		return []group{{first}}
	}
	all := []*held{first}
	batch, err := c.FetchNoWait(gatherAtOnce - 1)
	if err != nil {
		h.log.Warn("pushes of a flood are taken one by one", "error", err)
		return []group{{first}}
	}
	for m := range batch.Messages() { // what fails in the middle of it comes again
		if one := h.receive(ctx, m); one != nil {
			all = append(all, one)
		}
	}
	return groups(all)
}

// groups puts together requests of the same repository, each up to [scanv1.MaxTargets] tags. One that was delivered before
// stays alone: it may be what failed then. A tag stands in a group with one digest.
func groups(all []*held) (out []group) {
	type open struct {
		at   int
		tags map[string]string // digest by tag
	}
	byRepository := map[string]open{}
	for _, m := range all {
		r := m.request
		if m.deliveries > 1 || len(r.GetTargets()) != 1 || r.GetTargets()[0].GetTag() == "" {
			out = append(out, group{m})
			continue
		}
		key, t := r.GetRepository()+"@"+r.GetRecipe(), r.GetTargets()[0]
		o, ok := byRepository[key]
		digest, known := o.tags[t.GetTag()]
		if !ok || known && digest != t.GetDigest() || !known && len(o.tags) == scanv1.MaxTargets {
			o = open{len(out), map[string]string{}}
			byRepository[key] = o
			out = append(out, nil)
		}
		o.tags[t.GetTag()] = t.GetDigest()
		out[o.at] = append(out[o.at], m)
	}
	return out
}

// release lets all go; it may be called again.
func (g group) release() {
	for _, m := range g {
		m.release()
	}
}

// request is all requests of the group as one. It was asked when the oldest of them was, and goes by the trace of the first.
func (g group) request() *scanv1.ScanRequest {
	if len(g) == 1 {
		return g[0].request
	}
	all := proto.CloneOf(g[0].request)
	seen := map[string]bool{all.GetTargets()[0].GetTag(): true}
	for _, m := range g[1:] {
		if at := m.request.GetAskedUnixNano(); at != 0 {
			all.AskedUnixNano = min(all.GetAskedUnixNano(), at)
		}
		if t := m.request.GetTargets()[0]; !seen[t.GetTag()] {
			seen[t.GetTag()] = true
			all.Targets = append(all.Targets, t)
		}
	}
	return all
}

// asked is when the newest of the group was.
func (g group) asked() (newest int64) {
	for _, m := range g {
		newest = max(newest, m.request.GetAskedUnixNano())
	}
	return newest
}
