package list

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/lineage"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Words of the parameter link; a base's digest stands for the link that it is.
const (
	LinkOwn  = "own"  // what an image's own layers brought
	LinkBase = "base" // what its bases brought
)

func isLink(s string) bool { return s == LinkOwn || s == LinkBase || isDigest(s) }

// stands is the condition that a row stands on a base and is in use, as far as the filter asks; nil when it does not.
func (f Filter) stands(v *posture.View) func(*posture.Row) bool {
	bases, uses := f.values["base"], f.values["in_use"]
	if bases == nil && uses == nil {
		return nil
	}
	on, now := v.On(digests(bases)...), f.at(v)
	return func(r *posture.Row) bool {
		if uses != nil && !slices.Contains(uses, InUseWord(v, r, now)) {
			return false
		}
		if bases == nil {
			return true
		}
		_, _, ok := on(r)
		return ok
	}
}

// within gives for a row the condition that a finding stands in one of the wanted links; nil when the filter has none.
func (f Filter) within(v *posture.View) func(*posture.Row) func(posture.Spot) bool {
	values := f.values["link"]
	if values == nil {
		return nil
	}
	type link func(*posture.Row) (from, to int, ok bool)
	var links []link
	for _, value := range values {
		switch value {
		case LinkOwn:
			links = append(links, func(r *posture.Row) (int, int, bool) { return v.OwnFrom(r), maxLayer, true })
		case LinkBase:
			links = append(links, func(r *posture.Row) (int, int, bool) { return 0, v.OwnFrom(r), true })
		default:
			links = append(links, v.On(plimsoll.Digest(value)))
		}
	}
	return func(r *posture.Row) func(posture.Spot) bool {
		var spans [][2]int
		for _, l := range links {
			if from, to, ok := l(r); ok {
				spans = append(spans, [2]int{from, to})
			}
		}
		return func(at posture.Spot) bool {
			return slices.ContainsFunc(spans, func(s [2]int) bool { return at.Layer >= s[0] && at.Layer < s[1] })
		}
	}
}

// maxLayer is above every layer.
const maxLayer = 1 << 30

func digests(values []string) (out []plimsoll.Digest) {
	for _, v := range values {
		out = append(out, plimsoll.Digest(v))
	}
	return out
}

// BaseName is how lists call a base: repository and tag, with the registry where it is another than from.
func BaseName(n posture.BaseName, from string) string {
	ref := n.Reference
	if ref.Registry == from {
		ref.Registry = ""
	}
	if ref.Tag != "" {
		ref.Digest = ""
	}
	return ref.String()
}

// Link is one link of a chain as the API writes it, and the findings that it brought.
type Link struct {
	Name     string                    `json:"name"`   // of the base; of the image itself for its own layers, which are the last link
	Others   []string                  `json:"others"` // other names of the same layers
	Digest   plimsoll.Digest           `json:"digest"`
	From     int                       `json:"from"`            // its lowest layer, lowest of all 0
	To       int                       `json:"to"`              // the layer above its uppermost
	Since    time.Time                 `json:"since,omitzero"`  // when the tag was first seen at it
	Newer    *Newer                    `json:"newer,omitempty"` // what the tag holds now; absent when it has not moved on, or that is not read
	Moved    bool                      `json:"moved"`           // its tag names something else now
	Counts   map[plimsoll.Severity]int `json:"counts"`
	Findings int                       `json:"findings"`
	Fixable  int                       `json:"fixable"`

	Base *posture.Base `json:"-"` // nil for the image's own layers
}

// Newer is what a base's tag holds now.
type Newer struct {
	Name   string          `json:"name"`
	Digest plimsoll.Digest `json:"digest"`
	Since  time.Time       `json:"since"`
}

// Worst is the worst severity of a link's findings; empty for none.
func (l Link) Worst() plimsoll.Severity {
	for _, s := range plimsoll.Severities {
		if l.Counts[s] > 0 {
			return s
		}
	}
	return ""
}

// Chain is the chain of a row, the lowest base first; its own layers are the last link. Empty when nothing was read.
func Chain(v *posture.View, r *posture.Row) []Link {
	links, ok := v.Chain(r)
	if !ok {
		return []Link{}
	}
	out := make([]Link, len(links))
	for i, l := range links {
		out[i] = Link{
			Name: Name(r), Others: []string{}, Digest: r.Digest, From: l.From, To: l.To, Since: r.Moved, Counts: map[plimsoll.Severity]int{}, Base: l.Base,
		}
		for _, s := range plimsoll.Severities {
			out[i].Counts[s] = 0
		}
		if l.Base == nil {
			continue
		}
		n := l.Base.Name()
		out[i].Name, out[i].Digest, out[i].Since, out[i].Moved = BaseName(n, ""), n.Reference.Digest, n.From, n.Moved()
		for _, o := range l.Base.Names[1:] {
			if name := BaseName(o, ""); name != out[i].Name && !slices.Contains(out[i].Others, name) {
				out[i].Others = append(out[i].Others, name)
			}
		}
		out[i].Newer = newerOf(l.Base)
	}
	for x, at := range v.Each(r) {
		i := max(0, slices.IndexFunc(links, func(l posture.Link) bool { return at.Layer >= l.From && at.Layer < l.To }))
		if at.Layer >= links[len(links)-1].From {
			i = len(links) - 1
		}
		out[i].Findings++
		out[i].Counts[x.Severity]++
		if x.Fixed != "" {
			out[i].Fixable++
		}
	}
	return out
}

func newerOf(b *posture.Base) *Newer {
	n, ok := b.Newer()
	if !ok {
		return nil
	}
	return &Newer{BaseName(n, ""), n.Newer.Digest, n.Until}
}

// Action is one thing to do as the API writes it, and what it removes by trial.
type Action struct {
	Kind      lineage.ActionKind `json:"kind"`
	Text      string             `json:"text"` // what to do, in words
	Base      string             `json:"base"` // of a rebuild and a newer image: the base's name
	Digest    plimsoll.Digest    `json:"base_digest"`
	Newer     *Newer             `json:"newer,omitempty"` // of a newer image: what to build on
	Package   string             `json:"package"`
	Ecosystem string             `json:"ecosystem"`
	From      string             `json:"from"` // of an update: the version that all places have; empty where they differ
	To        string             `json:"to"`   // the lowest version that removes the most
	Path      string             `json:"path"` // where the package stands, when that is one place
	Removes   lineage.Counts     `json:"removes"`
	Of        lineage.Counts     `json:"of"`
	Images    int                `json:"images"` // rows to build again
}

// FixFirst are at most n actions that remove most of a row's findings, each on top of those before it.
func FixFirst(v *posture.View, r *posture.Row, n int) []Action {
	out := []Action{}
	links, _ := v.Chain(r)
	for _, a := range v.FixFirst(r, n) {
		out = append(out, actionOf(a, r.Reference.Registry, links))
	}
	return out
}

// RebuildFirst tries actions over the rows of a filter: all that would remove something by itself, what removes most first,
// and the first of them each on top of those before it.
func RebuildFirst(v *posture.View, f Filter) (all, first []Action) {
	every, few := v.Rebuild(f.Query(), slices.Values(f.Rows(v)))
	for _, a := range every {
		all = append(all, actionOf(a, f.Get("registry"), nil))
	}
	for _, a := range few {
		first = append(first, actionOf(a, f.Get("registry"), nil))
	}
	return some(all), some(first)
}

// actionOf puts an action in words. links are the chain of the one image that it is about.
func actionOf(a posture.Action, registry string, links []posture.Link) Action {
	out := Action{
		Kind: a.Kind, Package: a.Package, Ecosystem: a.Ecosystem, From: a.From, To: a.To, Path: a.Path, Removes: a.Removes, Of: a.Of, Images: a.Images,
	}
	if a.Base == nil {
		out.Text = strings.TrimSpace(a.Package+" "+a.From) + " → " + a.To + " or later"
		return out
	}
	n := a.Base.Name()
	out.Base, out.Digest, out.Newer = BaseName(n, ""), n.Reference.Digest, newerOf(a.Base)
	name := BaseName(n, registry)
	then := ""
	for i, l := range links {
		if l.Base == a.Base && i+2 < len(links) {
			then = ", then " + BaseName(links[len(links)-2].Base.Name(), registry)
		}
	}
	if links != nil {
		then += ", then this image"
	}
	if a.Kind == lineage.RebuildBase {
		out.Newer = nil
		out.Text = "rebuild " + name + " with updated packages" + then
		return out
	}
	on := fmt.Sprintf("%s (of %s)", BaseName(a.Newer, registry), a.Newer.Until.UTC().Format("2 Jan 2006"))
	for i, l := range links {
		if l.Base == a.Base && i+1 < len(links) && links[i+1].Base != nil {
			out.Text = "rebuild " + BaseName(links[i+1].Base.Name(), registry) + " on " + on + ", then this image"
			return out
		}
	}
	if out.Text = "rebuild on " + on; links == nil {
		out.Text = "rebuild its images on " + on
	}
	return out
}

// Base is one base and how far it reaches over the rows of a filter.
type Base struct {
	Name     string          `json:"name"`
	Others   []string        `json:"others"` // other names of the same layers
	Digest   plimsoll.Digest `json:"digest"`
	Platform string          `json:"platform"`
	Layers   int             `json:"layers"`
	Direct   int             `json:"direct"` // images that stand on it with nothing known between
	Images   int             `json:"images"` // that stand on it
	Since    time.Time       `json:"since,omitzero"`
	Moved    bool            `json:"moved"` // its tag names something else now
	Newer    *Newer          `json:"newer,omitempty"`
	Of       lineage.Counts  `json:"of"`      // findings of the images on it
	Rebuild  lineage.Counts  `json:"rebuild"` // removed by building it anew with updated packages
	OnNewer  lineage.Counts  `json:"on_newer"`

	Base *posture.Base `json:"-"`
}

// Most is what the better of the two actions removes.
func (b Base) Most() lineage.Counts {
	if b.OnNewer.Critical > b.Rebuild.Critical || b.OnNewer.Critical == b.Rebuild.Critical && b.OnNewer.All >= b.Rebuild.All {
		return b.OnNewer
	}
	return b.Rebuild
}

// Bases is the list of bases that rows of a filter stand on: what removes most when it is built again first.
func Bases(v *posture.View, f Filter) Ordered[Base] {
	all := map[*posture.Base]*Base{}
	for _, r := range f.Rows(v) {
		on := v.BasesOf(r)
		for i, b := range on {
			if all[b] == nil {
				all[b] = baseOf(b)
			}
			if all[b].Images++; i == len(on)-1 {
				all[b].Direct++
			}
		}
	}
	actions, _ := v.Rebuild(f.Query(), slices.Values(f.Rows(v)))
	for _, a := range actions {
		x := all[a.Base]
		switch {
		case x == nil:
		case a.Kind == lineage.RebuildBase:
			x.Rebuild, x.Of = a.Removes, a.Of
		default:
			x.OnNewer, x.Of = a.Removes, a.Of
		}
	}
	out := make([]Base, 0, len(all))
	for _, b := range all {
		out = append(out, *b)
	}
	return order(out, func(b Base) string {
		m := b.Most()
		return down(m.Critical) + down(m.All) + down(b.Images) + b.Name + "\x00" + b.Platform + "\x00" + string(b.Digest)
	})
}

func baseOf(b *posture.Base) *Base {
	n := b.Name()
	out := &Base{
		Name: BaseName(n, ""), Others: []string{}, Digest: n.Reference.Digest, Platform: b.Platform.String(), Layers: b.Layers,
		Since: n.From, Moved: n.Moved(), Newer: newerOf(b), Base: b,
	}
	for _, o := range b.Names[1:] {
		if name := BaseName(o, ""); name != out.Name && !slices.Contains(out.Others, name) {
			out.Others = append(out.Others, name)
		}
	}
	return out
}

// DirectBaseColumns are the images list's columns of what each stands on.
func DirectBaseColumns(v *posture.View) []Column[*posture.Row] {
	of := func(cell func(*posture.Base) string) func(*posture.Row) string {
		return func(r *posture.Row) string {
			if b := v.DirectBase(r); b != nil {
				return cell(b)
			}
			return ""
		}
	}
	name := of(func(b *posture.Base) string { return BaseName(b.Name(), "") })
	return []Column[*posture.Row]{
		{"base", func(r *posture.Row) string {
			switch {
			case Unread(r):
				return "not read"
			case r.Coverage.State == plimsoll.ReadNotApplicable:
				return "n/a"
			}
			return cmp.Or(name(r), "not known")
		}},
		{"base digest", of(func(b *posture.Base) string { return string(b.Name().Reference.Digest) })},
		{"base first seen", of(func(b *posture.Base) string { return stamp(b.Seen()) })},
	}
}

// BaseColumns are the columns of the bases list.
var BaseColumns = []Column[Base]{
	{"base", func(b Base) string { return b.Name }},
	{"digest", func(b Base) string { return string(b.Digest) }},
	{"platform", func(b Base) string { return b.Platform }},
	{"layers", func(b Base) string { return count(b.Layers) }},
	{"images", func(b Base) string { return count(b.Images) }},
	{"directly", func(b Base) string { return count(b.Direct) }},
	{"since", func(b Base) string { return stamp(b.Since) }},
	{"newer since", func(b Base) string {
		if b.Newer == nil {
			return ""
		}
		return stamp(b.Newer.Since)
	}},
	{"findings", func(b Base) string { return count(b.Of.All) }},
	{"a rebuild removes", func(b Base) string { return count(b.Rebuild.All) }},
	{"critical", func(b Base) string { return count(b.Rebuild.Critical) }},
	{"the newer one removes", func(b Base) string { return count(b.OnNewer.All) }},
	{"critical by the newer one", func(b Base) string { return count(b.OnNewer.Critical) }},
}

// ActionColumns are the columns of the list of actions.
var ActionColumns = []Column[Action]{
	{"action", func(a Action) string { return a.Text }},
	{"kind", func(a Action) string { return string(a.Kind) }},
	{"base", func(a Action) string { return a.Base }},
	{"package", func(a Action) string { return a.Package }},
	{"ecosystem", func(a Action) string { return a.Ecosystem }},
	{"to", func(a Action) string { return cmp.Or(a.To, newerDigest(a)) }},
	{"removes", func(a Action) string { return count(a.Removes.All) }},
	{"critical", func(a Action) string { return count(a.Removes.Critical) }},
	{"of", func(a Action) string { return count(a.Of.All) }},
	{"images", func(a Action) string { return count(a.Images) }},
}

func newerDigest(a Action) string {
	if a.Newer == nil {
		return ""
	}
	return string(a.Newer.Digest)
}

// only are the findings that stand where it is wanted.
func only(all iter.Seq2[*plimsoll.Finding, posture.Spot], wanted func(posture.Spot) bool) iter.Seq2[*plimsoll.Finding, posture.Spot] {
	return func(yield func(*plimsoll.Finding, posture.Spot) bool) {
		for x, at := range all {
			if wanted(at) && !yield(x, at) {
				return
			}
		}
	}
}
