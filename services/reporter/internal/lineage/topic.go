package lineage

import (
	"slices"
	"strings"
)

// topic is what one update is about: all versions of what advisories know by one name.
type topic struct {
	topicKey
	members []number
	to      string // the version to go to; empty when none removes anything
}

type topicKey struct{ ecosystem, name string }

// choose finds for every package that images hold the version that a rebuild gives it, and for every topic the one to go to.
func (s *Survey) choose() {
	s.places = make([]int, len(s.trier.packages))
	for i := range s.stocks {
		for _, x := range s.stocks[i].spots {
			s.places[x.pkg] += s.stocks[i].rows
		}
		for _, o := range s.stocks[i].owns {
			for _, x := range o.spots {
				s.places[x.pkg]++
			}
		}
	}
	for i := range s.topics {
		s.topics[i].members = s.topics[i].members[:0]
	}
	coming := make([]bool, len(s.places)) // in newer images of bases: of no row yet, but updated with the others
	for _, newer := range s.newer {
		for _, x := range newer {
			coming[x.pkg] = true
		}
	}
	var all []number
	for n, places := range s.places {
		if places > 0 || coming[n] {
			t := s.topicAt(number(n))
			t.members = append(t.members, number(n))
			all = append(all, number(n))
		}
	}
	s.trier.prepare(all)
	for i := range s.topics {
		s.target(&s.topics[i])
	}
}

// topicAt is the topic of a package.
func (s *Survey) topicAt(n number) *topic {
	p := &s.trier.packages[n]
	if p.survey == s.id {
		return &s.topics[p.topic]
	}
	k := topicKey{p.Ecosystem, p.name}
	i, ok := s.topicOf[k]
	if !ok {
		i = int32(len(s.topics))
		s.topicOf[k], s.topics = i, append(s.topics, topic{topicKey: k})
	}
	p.survey, p.topic, p.target = s.id, i, none
	return &s.topics[i]
}

// target tries the best versions of each member for all of them, and takes the lowest of those that remove the most. A member
// that stands at a version not known to be lower stays: nobody is told to go back.
func (s *Survey) target(t *topic) {
	var versions []string
	for _, n := range t.members {
		p := &s.trier.packages[n]
		if p.target = none; p.best == none {
			continue
		}
		if v := s.trier.packages[p.best].version; !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	slices.SortFunc(versions, func(a, b string) int {
		if order, ok := s.trier.index.Compare(t.ecosystem, b, a); ok && order != 0 {
			return order
		}
		return strings.Compare(b, a)
	})
	t.to = ""
	var most Counts
	for _, v := range versions[:min(len(versions), maxTrials)] {
		removes := s.moving(t, v, nil)
		if order := compareCounts(removes, most); order < 0 || order == 0 && t.to != "" && s.trier.below(t.ecosystem, v, t.to) {
			most, t.to = removes, v
		}
	}
	if t.to != "" {
		s.moving(t, t.to, func(from, to number) { s.trier.packages[from].target = to })
	}
}

// moving is what moving all members of a topic to a version removes.
func (s *Survey) moving(t *topic, version string, each func(from, to number)) (c Counts) {
	for _, n := range t.members {
		if !s.trier.below(t.ecosystem, s.trier.packages[n].version, version) {
			continue
		}
		if to := s.trier.at(n, version); to != none {
			c = c.plus(s.trier.gain(n, to).times(s.places[n]))
			if each != nil {
				each(n, to)
			}
		}
	}
	return c
}

// describe names the update of a topic.
func (s *Survey) describe(t *topic) Action {
	a := Action{Kind: Update, Base: -1, Package: t.name, Ecosystem: t.ecosystem, To: t.to}
	for _, n := range t.members {
		p := &s.trier.packages[n]
		switch {
		case p.target == none || p.version == a.From:
		case a.From == "":
			a.From = p.version
		default:
			a.From = several
		}
	}
	if a.From == several {
		a.From = ""
	}
	return a
}

// several stands for versions that differ while they are gathered.
const several = "\x00several"
