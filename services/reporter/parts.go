package reporter

import (
	"errors"
	"fmt"
	"sync"
)

// The parts around whose state readiness and the status page tell.
const (
	partPosture  = "posture"
	partHistory  = "history of findings"
	partFeed     = "advisories"
	partNATS     = "nats"
	partTemporal = "temporal"
	partReports  = "reports"
	partExports  = "exports"
	partLog      = "change log"
	partTokens   = "tokens"
	partUses     = "in use"
)

// parts is how the engines and feeds around stand: nil is well, an error says what is wrong.
type parts struct {
	mu    sync.Mutex
	state map[string]error
}

var errStarting = errors.New("starting")

func newParts(names ...string) *parts {
	p := &parts{state: map[string]error{}}
	for _, n := range names {
		p.state[n] = errStarting
	}
	return p
}

// set notes how a part stands and reports whether that is news.
func (p *parts) set(name string, err error) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, known := p.state[name]
	p.state[name] = err
	return !known || text(old) != text(err)
}

func (p *parts) get(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state[name]
}

// words are the states as the API shows them.
func (p *parts) words() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]string{}
	for name, err := range p.state {
		out[name] = text(err)
	}
	return out
}

func text(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}

// err joins what is wrong with some parts; nil when all is well.
func (p *parts) err(names ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []error
	for _, name := range names {
		if err := p.state[name]; err != nil {
			all = append(all, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(all...)
}
