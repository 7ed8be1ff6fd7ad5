package sweep

import (
	"context"
	"fmt"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// announced are the tags that push events have announced and that are not read yet; nil where nothing is to be counted.
type announced map[string]bool

// misses says whether a tag that is new or moved was announced by no event: nothing of it waits in the queue, and what an event
// has led to already stands in refs, where the tag would not be new.
func (a announced) misses(repository, tag string) bool { return a != nil && !a[repository+":"+tag] }

// announced asks what events have announced. It must be asked before the refs are read: what leaves the queue after that
// stands in them. Nothing is counted of a registry without hooks, in its first sweep, which finds all of it, and while the queue
// is away or holds too much to tell.
func (p *pass) announced(ctx context.Context) announced {
	if !p.registry.Conf.Hook.Expected() || p.Pushed == nil || !p.swept(ctx) {
		return nil
	}
	tags, all, err := p.Pushed(ctx, p.in.Registry)
	if err != nil || !all {
		p.Log.Debug("missed pushes are not counted", "registry", p.in.Registry, "error", err)
		return nil
	}
	return tags
}

// sweepsBack is how many sweeps before this one are looked at for one that ended.
const sweepsBack = 7

// swept says that an earlier sweep listed the registry to its end, so that what is new now came after it. It is asked once a page.
func (p *pass) swept(ctx context.Context) bool {
	if p.sweptBefore != nil {
		return *p.sweptBefore
	}
	found, err := p.anyEnded(ctx)
	if err != nil {
		p.Log.Debug("missed pushes are not counted", "registry", p.in.Registry, "error", err)
	}
	p.sweptBefore = &found
	return found
}

func (p *pass) anyEnded(ctx context.Context) (bool, error) {
	prefix := blob.PrefixSweeps + p.in.Registry + "/"
	from := blob.SweepKey(p.in.Registry, slotTime(p.in.Slot).Add(-lookBack).Format(slotLayout))
	var keys []string
	for e, err := range p.Store.List(ctx, prefix, from) {
		if err != nil {
			return false, fmt.Errorf("find the sweeps before: %w", err)
		}
		if e.Key >= blob.SweepKey(p.in.Registry, p.in.Slot) {
			break
		}
		keys = append(keys, e.Key)
	}
	for _, key := range keys[max(0, len(keys)-sweepsBack):] {
		s, err := blob.ReadJSON[plimsoll.Sweep](ctx, p.Store, key)
		if err != nil {
			return false, err
		}
		if s.State == plimsoll.SweepGreen || s.State == plimsoll.SweepRed {
			return true, nil
		}
	}
	return false, nil
}
