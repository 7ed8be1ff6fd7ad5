package posture

import (
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Push is one push of which the change log told, and what came of it.
type Push struct {
	Registry, Repository, Tag string
	Digest                    plimsoll.Digest
	Verdicts                  []plimsoll.VerdictState // of its images, each once, in order
	Asked                     time.Time               // when its event came
	Read                      time.Time               // when the change log told here
	Took                      time.Duration           // from its event to its verdict being shown
	Trace, Span               string                  // see [plimsoll.Change]
}

func pushOf(registry string, c plimsoll.Change, now time.Time) Push {
	return Push{
		Registry: registry, Repository: c.Repository, Tag: c.Tag, Digest: c.Digest,
		Asked: c.Asked, Read: now, Trace: c.Trace, Span: c.Span,
	}
}

// pushedLately is how old a push may be whose time to its verdict says something: after an outage the log holds old ones.
const pushedLately = time.Hour

// tellPushes tells of the pushes whose verdicts are shown now.
func (e *Engine) tellPushes() {
	now := e.cfg.Now()
	for _, p := range e.pushed {
		if p.Took = now.Sub(p.Asked); e.cfg.Pushed == nil || p.Took < 0 || p.Took >= pushedLately {
			continue
		}
		if t := e.state.tags[refKey{p.Registry, p.Repository, p.Tag}]; t != nil {
			for _, r := range t.rows {
				p.Verdicts = append(p.Verdicts, r.Verdict.State)
			}
			slices.Sort(p.Verdicts)
			p.Verdicts = slices.Compact(p.Verdicts)
		}
		e.cfg.Pushed(p)
	}
	e.pushed = nil
}
