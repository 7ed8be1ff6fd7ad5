package pages

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

type advisoryPage struct {
	listing
	ID      string
	Advised posture.Advised
	Title   string
	// Enrichment is what is said of exploitation, and Said its words. A record about several flaws has none of its own.
	Enrichment *plimsoll.Enrichment
	Said       saying
	Active     number
	Stored     number
	Unique     number
	Undecided  number
	InUse      number
	NotTold    *number // affected images of which nobody told whether they are in use; nil for none
	Records    []recordLine
	Fixed      []fixedLine
	Rows       []posture.Place
	Reach      reach
	Ended      string // where it is said that a release gets no fixes any more; empty for flaws
}

// recordLine is one published record that belongs to the advisory.
type recordLine struct {
	plimsoll.Advisory
	Scores []sourceScore
}

// sourceScore is a record's word on severity.
type sourceScore struct{ Type, Score string }

// fixedLine is where one record says that a package is fixed.
type fixedLine struct {
	Ecosystem, Package string
	Versions           []string
	Record             string
}

// Bounds of the advisory page: records that name hundreds of packages exist (a kernel, a distribution's mass rebuild).
const (
	maxRecords = 25
	maxScores  = 4
	maxFixed   = 40
)

func (s *Server) advisory(w http.ResponseWriter, r *http.Request) {
	v, id := s.View(), r.PathValue("id")
	if v == nil {
		s.problem(w, r, http.StatusServiceUnavailable, "Not ready yet", "The posture is being folded from the bucket; this page fills in a moment.")
		return
	}
	a, ok := v.Advisory(id)
	if !ok {
		s.problem(w, r, http.StatusNotFound, "Not in the advisory data", list.Visible(id)+" is in no record of generation "+v.Generation().ID+". That says nothing of whether images are affected.")
		return
	}
	l, ok := s.start(r, "advisories", a.ID, "/advisory/"+pathOf(a.ID))
	p := advisoryPage{listing: l, ID: a.ID, Advised: a, Title: cmp.Or(title(a.Records), ended(a))}
	if !ok {
		s.show(w, r, status(p.Fault), "advisory", p)
		return
	}
	if e, ok := v.Enrichment(a.ID); ok {
		p.Enrichment = &e
	}
	p.Said = sayingOf(v, p.Enrichment)
	own := p.Filter.With("advisory", a.ID)
	p.Records, p.Fixed = recordsOf(a.Records), fixedIn(v, a.Records)
	act, all := own.With("scope", list.ScopeActive), own.With("scope", list.ScopeStored)
	n := list.Count(v, all)
	p.Active = number{N: list.Count(v, act).Images, URL: link("/images", act.Query())}
	p.Stored = number{N: n.Images, URL: link("/images", all.Query())}
	p.use(v, all)
	p.Unique = number{N: n.Unique, URL: link("/findings", all.With("group", "unique").Query())}
	if len(a.Places) > 0 && a.Places[0].Finding.Class == plimsoll.ClassEndOfLife {
		p.Ended = a.Places[0].Finding.Source
	}
	p.undecided(v)
	p.owners(v, s.Now())
	p.bases(v)
	s.course(&p, v)
	p.unmatched(v)
	p.Exports = exportsOf(r, "/findings", own.Query())
	p.Chips = []chipGroup{{"", either(p.Path, p.Filter, "scope", list.ScopeActive, list.ScopeStored)}}
	p.Rows = paged(&p.listing, r, list.Places(v, own))
	s.show(w, r, status(p.Fault), "advisory", p)
}

// undecided are the stored images of which it cannot be told: their coverage is short, so that the package may be there.
func (p *advisoryPage) undecided(v *posture.View) {
	short := stored(p.Registry).With("coverage", list.Short)
	p.Undecided = number{N: len(short.Rows(v)), URL: link("/images", short.Query())}
}

// use counts the affected images that are in use, and those of which that is not known.
func (p *advisoryPage) use(v *posture.View, affected list.Filter) {
	count := func(word string) number {
		f := affected.With("in_use", word)
		return number{N: list.Count(v, f).Images, URL: link("/images", f.Query())}
	}
	p.InUse = count(list.InUseYes)
	if n := count(list.InUseUnknown); n.N > 0 {
		p.NotTold, p.InUse.Unsure = &n, "nobody told of some of them whether they are in use"
	}
}

// ended is what an end of life says, of which there is no record.
func ended(a posture.Advised) string {
	if len(a.Places) > 0 {
		return a.Places[0].Finding.Text
	}
	return ""
}

// title is the first summary that a record gives.
func title(records []plimsoll.Advisory) string {
	for _, r := range records {
		if r.Summary != "" {
			return r.Summary
		}
	}
	return ""
}

// recordsOf are the records of an advisory, each with its own words on severity.
func recordsOf(records []plimsoll.Advisory) (out []recordLine) {
	for _, r := range records[:min(len(records), maxRecords)] {
		line := recordLine{Advisory: r}
		for _, x := range r.Severity {
			line.add(sourceScore{x.Type, x.Score})
		}
		for _, a := range r.Affected {
			for _, x := range a.Severity {
				line.add(sourceScore{x.Type, x.Score})
			}
			line.add(sourceScore{"its own word", a.Level})
		}
		out = append(out, line)
	}
	return out
}

func (l *recordLine) add(s sourceScore) {
	if s.Score != "" && len(l.Scores) < maxScores && !slices.Contains(l.Scores, s) {
		l.Scores = append(l.Scores, s)
	}
}

// fixedIn lists the fixed versions by release, only for ecosystems that stored images hold.
func fixedIn(v *posture.View, records []plimsoll.Advisory) (out []fixedLine) {
	held := map[string]bool{}
	for _, r := range v.Rows() {
		for eco := range r.Known {
			held[eco] = true
		}
	}
	for _, r := range records {
		for _, a := range r.Affected {
			if versions := fixes(a); held[a.Ecosystem] {
				out = append(out, fixedLine{a.Ecosystem, a.Package, versions, r.ID})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b fixedLine) int {
		return strings.Compare(a.Ecosystem+"\x00"+a.Package, b.Ecosystem+"\x00"+b.Package)
	})
	return out[:min(len(out), maxFixed)]
}

func fixes(a plimsoll.Affected) (out []string) {
	for _, r := range a.Ranges {
		for _, e := range r.Events {
			if e.Fixed != "" && !slices.Contains(out, e.Fixed) {
				out = append(out, e.Fixed)
			}
		}
	}
	return out
}
