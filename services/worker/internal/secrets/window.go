package secrets

import (
	"bytes"
	"context"
	"errors"
	"slices"
)

// window is a part of a text, text[from:to], that a rule's detector is shown.
type window struct{ from, to int }

// Bounds of one search. A hostile text is nothing but literals; without bounds each of its bytes would go through the
// expressions of all rules.
const (
	// maxWindow is where a window stops growing and the next begins, so that what a detector does in the square of its
	// matches stays small. A window around a single literal may be larger.
	maxWindow = 64 << 10
	// workFactor and workFloor bound the bytes that the detectors are shown of all texts of one stream, weighed by their
	// cost: a start, and so many times what was read. Source code, documentation and lock files take 0.02 of the
	// text. At about 75 ns a byte and unit of cost, a layer of candidates alone takes 0.3 s a MB.
	workFactor = 4
	workFloor  = 64 << 20
	// maxReach bounds a rule's back and ahead; it is the context that a piece of a stream is given on both sides.
	maxReach = 32 << 10
	// maxSnap is how far back a window's start is moved to stand at the start of a line.
	maxSnap = 256
)

var errWork = errors.New("limit reached: too many candidates")

// search finds the matches of all rules in one text, unsorted. It is what a Finder and a Stream do with a piece.
type search struct {
	finder  *Finder
	windows [][]window // a rule's, by its index; empty between searches
	touched []int      // the rules that have windows
	work    int        // bytes that detectors may still be shown
	reasons []string   // why the result is short
}

// run returns the matches, rule by rule, by place; fresh bytes of the text were not searched before. An error is the
// context's.
func (s *search) run(ctx context.Context, text []byte, fresh int) ([]match, error) {
	s.work += workFactor * fresh
	s.spread(text)
	defer s.clear()
	var all []match
	for _, i := range s.touched {
		found, err := s.apply(ctx, &s.finder.rules[i], text, s.windows[i])
		if err != nil {
			s.note(err.Error())
		}
		all = append(all, found...)
	}
	return all, context.Cause(ctx)
}

// spread lays a window around each literal; windows of one rule that touch become one.
func (s *search) spread(text []byte) {
	if s.windows == nil {
		s.windows = make([][]window, len(s.finder.rules))
	}
	s.finder.sieve.sift(text, func(rule, at int) {
		r, list := &s.finder.rules[rule], s.windows[rule]
		from, to := max(0, at-r.back), min(len(text), at+r.ahead)
		if len(list) == 0 {
			s.touched = append(s.touched, rule)
		} else if last := &list[len(list)-1]; from <= last.to && to-last.from <= max(maxWindow, r.back+r.ahead) {
			last.from, last.to = min(last.from, from), max(last.to, to)
			return
		}
		s.windows[rule] = append(list, window{from, to})
	})
	slices.Sort(s.touched)
}

func (s *search) clear() {
	for _, i := range s.touched {
		s.windows[i] = s.windows[i][:0]
	}
	s.touched = s.touched[:0]
}

// apply runs a rule's detector over its windows, as far as the work goes that is left.
func (s *search) apply(ctx context.Context, r *rule, text []byte, windows []window) (all []match, err error) {
	for _, w := range windows {
		w.from = lineStart(text, w.from)
		cost := (w.to - w.from) * max(1, r.cost)
		if cost > s.work {
			return all, errWork
		}
		s.work -= cost
		found, err := guarded(r, text[w.from:w.to])
		if err != nil || ctx.Err() != nil {
			return all, err
		}
		for _, m := range found {
			m.start, m.end = m.start+w.from, m.end+w.from
			all = append(all, m)
		}
	}
	return all, nil
}

// lineStart moves a window's start back to the start of its line where that is near: a cut through a word could make one
// that matches.
func lineStart(text []byte, from int) int {
	near := max(0, from-maxSnap)
	if i := bytes.LastIndexByte(text[near:from], '\n'); i >= 0 {
		return near + i + 1
	}
	if near == 0 {
		return 0
	}
	return from
}

// guarded makes a panic of a detector an error that names it. The rule's matches in that window are lost.
func guarded(r *rule, text []byte) (found []match, err error) {
	defer func() {
		if p := recover(); p != nil {
			found, err = nil, errors.New("detector panicked: "+r.name) // the value of p may hold the text
		}
	}()
	found = r.detect(text)
	for i := range found {
		if found[i].rule == "" {
			found[i].rule = r.name
			found[i].generic = r.generic
		}
	}
	return found, nil
}

// note keeps a reason once.
func (s *search) note(reason string) {
	if !slices.Contains(s.reasons, reason) {
		s.reasons = append(s.reasons, reason)
	}
}
