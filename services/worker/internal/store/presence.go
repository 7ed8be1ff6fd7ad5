package store

import (
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
)

const (
	// maxPresent bounds what is remembered: two halves of so many layers and analysers, about 15 MB each.
	maxPresent = 100_000
	// presentFor is how long facts that were seen are taken for granted. Whoever removes facts from the bucket waits that long.
	presentFor = 10 * time.Minute
)

// presence remembers which facts were seen, so that a sweep over images with the same base asks the bucket once. It keeps two
// generations and drops the older one when the younger is full or old: bounded, and without bookkeeping for each entry.
type presence struct {
	now func() time.Time

	mu         sync.Mutex
	young, old map[seen]struct{}
	since      time.Time // of young
}

type seen struct {
	analyzer int
	layer    plimsoll.Digest
}

func newPresence(now func() time.Time) *presence {
	return &presence{now: now, young: map[seen]struct{}{}, since: now()}
}

func (p *presence) has(analyzer int, layer plimsoll.Digest) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn()
	if _, ok := p.young[seen{analyzer, layer}]; ok {
		return true
	}
	_, ok := p.old[seen{analyzer, layer}]
	return ok
}

func (p *presence) add(analyzer int, layer plimsoll.Digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn()
	p.young[seen{analyzer, layer}] = struct{}{}
}

func (p *presence) drop(analyzer int, layer plimsoll.Digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.young, seen{analyzer, layer})
	delete(p.old, seen{analyzer, layer})
}

func (p *presence) turn() {
	age := p.now().Sub(p.since)
	switch {
	case age > presentFor:
		p.young, p.old, p.since = map[seen]struct{}{}, nil, p.now()
	case age > presentFor/2 || len(p.young) >= maxPresent:
		p.young, p.old, p.since = map[seen]struct{}{}, p.young, p.now()
	}
}
