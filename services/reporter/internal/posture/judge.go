package posture

import (
	"maps"
	"runtime"
	"sync"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
)

// judged is what one generation and policy say of one inventory; rows of several tags share it.
type judged struct {
	verdict   plimsoll.Verdict
	known     map[string]plimsoll.Knowledge
	counts    map[plimsoll.Severity]int
	fixable   int
	exploited int
	findings  int
}

// forming stands where an opinion is about to be formed.
var forming = &judged{}

// judge is the opinion of an image, formed where it is not.
func (e *Engine) judge(s *state, im *image) *judged {
	if im.opinion == nil {
		im.opinion = opinion(e.cfg.Policy, &s.findings, im, nil)
	}
	return im.opinion
}

// judgeAll forms the opinions of many images, on all processors.
func (e *Engine) judgeAll(s *state, all []*image) {
	workers := min(runtime.GOMAXPROCS(0), len(all)/16)
	if workers < 2 {
		var scratch []plimsoll.Finding
		for _, im := range all {
			im.opinion = opinion(e.cfg.Policy, &s.findings, im, &scratch)
		}
		return
	}
	var pool sync.WaitGroup
	for w := range workers {
		pool.Go(func() {
			var scratch []plimsoll.Finding
			for i := w; i < len(all); i += workers {
				all[i].opinion = opinion(e.cfg.Policy, &s.findings, all[i], &scratch)
			}
		})
	}
	pool.Wait()
}

// opinion is formed of what stands in the image and what was found of its packages. A package that could not be decided makes
// its ecosystem's knowledge none, so that the verdict cannot be pass; of several reasons the first in the order of bytes
// stands. The findings are collected in scratch, which the next call uses again.
func opinion(p plimsoll.Policy, f *findings, im *image, scratch *[]plimsoll.Finding) *judged {
	if scratch == nil {
		scratch = new([]plimsoll.Finding)
	}
	all := (*scratch)[:0]
	j := &judged{known: im.found.known, counts: noCounts}
	undecided := map[string]string(nil)
	for at, layer := range im.hits(&f.hits) {
		x := f.by.at(at.pkg)
		if x.undecided != "" {
			if undecided == nil {
				undecided = map[string]string{}
			}
			eco := f.packages[at.pkg].Ecosystem
			if was, ok := undecided[eco]; !ok || x.undecided < was {
				undecided[eco] = x.undecided
			}
		}
		for _, finding := range x.findings {
			finding.Layer, finding.Path = int(layer), f.texts[at.path]
			all = append(all, finding)
		}
	}
	if undecided != nil {
		j.known = maps.Clone(j.known)
		for eco, why := range undecided {
			j.known[eco] = plimsoll.Knowledge{State: plimsoll.KnownNone, Reason: why}
		}
	}
	if len(all) > 0 {
		j.counts = map[plimsoll.Severity]int{}
	}
	j.findings = len(all)
	for i := range all {
		j.counts[all[i].Severity]++
		if all[i].Fixed != "" {
			j.fixable++
		}
		if all[i].Exploited() {
			j.exploited++
		}
	}
	j.verdict = policy.Decide(p, policy.Input{
		Read: im.read, Known: j.known, Findings: all, Content: im.content, Secrets: im.secrets, Files: im.suspects,
	})
	*scratch = all
	return j
}
