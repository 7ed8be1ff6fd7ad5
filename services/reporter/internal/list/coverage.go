package list

import (
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Gap is one cause of missing coverage as the API writes it.
type Gap struct {
	Registry string             `json:"registry"`
	Cause    string             `json:"cause"` // names state and reason in filters
	State    plimsoll.ReadState `json:"state"`
	Reason   string             `json:"reason"`
	Images   int                `json:"images"`
	Example  string             `json:"example"`
	Since    time.Time          `json:"since,omitzero"`
	Advice   string             `json:"advice"`
	Retry    string             `json:"retry"` // auto: the next sweep tries again; by hand: somebody has to ask; never: it gives the same
}

// Gaps are the causes of missing coverage in a registry (all of them when it is empty), most images first. What the posture
// says of a cause is kept; the images are counted by the filter that the gap links to.
func Gaps(v *posture.View, registry string) []Gap {
	var out []Gap
	for _, g := range v.Gaps() {
		if registry != "" && g.Registry != registry {
			continue
		}
		out = append(out, Gap{Registry: g.Registry, Cause: plimsoll.Coverage{State: g.State, Reason: g.Reason}.Cause(), State: g.State, Reason: g.Reason, Images: g.Images, Example: g.Example, Since: g.Since, Advice: g.Advice, Retry: g.Retry})
	}
	return out
}

// GapFilter is the list of the images that a gap counts.
func GapFilter(g Gap) Filter {
	return Filter{}.With("scope", ScopeStored).With("registry", g.Registry).With("cause", g.Cause)
}

// Unowned is one repository with images whose owner is not known.
type Unowned struct {
	Registry   string `json:"registry"`
	Repository string `json:"repository"`
	Images     int    `json:"images"`
}

// WithoutOwner are the repositories of a registry (of all when it is empty) with images whose owner is not known, most images
// first. Where nobody configured owners there are none.
func WithoutOwner(v *posture.View, registry string) (out []Unowned) {
	for _, u := range v.Unowned() {
		if registry == "" || u.Registry == registry {
			out = append(out, Unowned(u))
		}
	}
	return out
}

// FeedState is how one feed stands.
type FeedState string

// The states of a feed.
const (
	FeedFresh  FeedState = "fresh"
	FeedStale  FeedState = "stale"  // not checked within its limit
	FeedFailed FeedState = "failed" // could not be read now; the last good data is used
)

// FeedKind is what a feed speaks of.
type FeedKind string

// The kinds of feed.
const (
	FeedAdvisories   FeedKind = "advisories"   // one ecosystem's
	FeedExploitation FeedKind = "exploitation" // who exploits what, and how likely that is
	FeedOwn          FeedKind = "own"          // this organisation's own records
)

// Feed is one part of the generation as pages and the API show it.
type Feed struct {
	Ecosystem string    `json:"ecosystem"` // its name, where it is no ecosystem's
	Kind      FeedKind  `json:"kind"`
	State     FeedState `json:"state"`
	Records   int       `json:"records"`
	Withdrawn int       `json:"withdrawn"`
	Skipped   int       `json:"skipped"`
	Newest    time.Time `json:"newest,omitzero"`
	Changed   time.Time `json:"changed,omitzero"` // since when its records are what they are
	Checked   time.Time `json:"checked"`
	Limit     string    `json:"limit"` // it is stale when it was not checked for longer, as 48h
	Error     string    `json:"error"`
	Images    int       `json:"images"` // stored images that hold packages of this ecosystem
}

// Feeds are the feeds of the generation. A feed not checked for longer than staleAfter is stale.
func Feeds(v *posture.View, now time.Time, staleAfter time.Duration) []Feed {
	users := map[string]int{}
	for _, r := range v.Rows() {
		for _, family := range families(r) {
			users[family]++
		}
	}
	out := []Feed{}
	add := func(kind FeedKind, x plimsoll.Feed) {
		out = append(out, Feed{
			Ecosystem: x.Ecosystem, Kind: kind, State: feedState(x, now, staleAfter), Records: x.Records, Withdrawn: x.Withdrawn,
			Skipped: x.Skipped, Newest: x.Newest, Changed: x.Since, Checked: x.Checked, Limit: hours(staleAfter), Error: x.Error, Images: users[x.Ecosystem],
		})
	}
	g := v.Generation()
	for _, x := range g.Feeds {
		add(FeedAdvisories, x)
	}
	for _, x := range g.Enrichment {
		add(FeedExploitation, x)
	}
	if g.Own.Pack != "" || g.Own.Error != "" {
		add(FeedOwn, g.Own)
	}
	return out
}

func hours(d time.Duration) string { return strconv.FormatFloat(d.Hours(), 'f', -1, 64) + "h" }

func feedState(x plimsoll.Feed, now time.Time, staleAfter time.Duration) FeedState {
	switch {
	case x.Error != "":
		return FeedFailed
	case now.Sub(x.Checked) > staleAfter:
		return FeedStale
	}
	return FeedFresh
}

// Fresh counts the feeds that are fresh.
func Fresh(feeds []Feed) (n int) {
	for _, f := range feeds {
		if f.State == FeedFresh {
			n++
		}
	}
	return n
}

// Uncovered are ecosystems found in images for which there is no advisory data, with the images that hold them.
func Uncovered(v *posture.View, registry string) []Lacking {
	all := map[string]*Lacking{}
	for _, r := range v.Rows() {
		if registry != "" && r.Reference.Registry != registry {
			continue
		}
		for eco, k := range r.Known {
			if k.State != plimsoll.KnownNone {
				continue
			}
			if all[eco] == nil {
				all[eco] = &Lacking{Ecosystem: eco, Reason: k.Reason}
			}
			all[eco].Images++
		}
	}
	out := make([]Lacking, 0, len(all))
	for _, x := range all {
		out = append(out, *x)
	}
	return order(out, func(x Lacking) string { return down(x.Images) + x.Ecosystem }).Rows
}

// Lacking is an ecosystem without advisory data.
type Lacking struct {
	Ecosystem string `json:"ecosystem"`
	Reason    string `json:"reason"`
	Images    int    `json:"images"`
}

// families are the ecosystems of a row without their releases, each once.
func families(r *posture.Row) []string {
	var out []string
	seen := map[string]bool{}
	for eco := range r.Known {
		family, _, _ := strings.Cut(eco, ":")
		if !seen[family] {
			seen[family] = true
			out = append(out, family)
		}
	}
	return out
}
