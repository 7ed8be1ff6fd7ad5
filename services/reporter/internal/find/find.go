package find

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// maxName bounds the name of a package or ecosystem that is asked for, in bytes; the longest real names have under 250.
const maxName = 500

// Question is what is looked for.
type Question struct {
	Package   string
	Range     Query
	Ecosystem string // with or without release; empty: every ecosystem
	Registry  string // id; empty: every registry
}

// Ask reads a question as people write it. Faults wrap [plimsoll.ErrInvalid].
func Ask(name, rng, ecosystem string) (Question, error) {
	q := Question{Package: strings.TrimSpace(name), Ecosystem: strings.TrimSpace(ecosystem)}
	switch {
	case q.Package == "":
		return q, fmt.Errorf("package: %w: name the package to look for, such as openssl", plimsoll.ErrInvalid)
	case len(q.Package) > maxName || len(q.Ecosystem) > maxName:
		return q, fmt.Errorf("package and ecosystem: %w: longer than %d bytes", plimsoll.ErrInvalid, maxName)
	}
	var err error
	q.Range, err = Parse(rng)
	return q, err
}

// asks reports whether packages of an ecosystem are meant.
func (q Question) asks(ecosystem string) bool {
	return q.Ecosystem == "" || ecosystem == q.Ecosystem || strings.HasPrefix(ecosystem, q.Ecosystem+":")
}

// Holding is one package of an image that goes by the name.
type Holding struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Ecosystem string `json:"ecosystem"`
	PURL      string `json:"purl"`
	Layer     int    `json:"layer"`
	Path      string `json:"path"`
	Status    Status `json:"status"`
	Reason    string `json:"reason,omitempty"` // why it is unknown
}

// Image is one image that holds the package, or may hold it.
type Image struct {
	Row      *posture.Row
	Owner    string // empty: not known
	Status   Status
	Reason   string // why it is unknown
	Packages []Holding

	key string
}

// Owned counts images of one owner; an empty name is a gap: nobody said whose they are.
type Owned struct {
	Owner    string `json:"owner"`
	Affected int    `json:"affected"`
	Unknown  int    `json:"unknown"`
	Fixed    int    `json:"fixed"`
}

// Found is the answer, over everything stored in the registries that are asked about: affected images first, then those of which it is not known, then fixed ones; active
// ones first among equals.
type Found struct {
	Question Question
	Images   []Image
	Owners   []Owned // most affected first
	Total    Owned
	Stored   int // images that were looked at
}

// Search looks through everything stored.
func Search(v *posture.View, q Question) Found {
	out := Found{Question: q}
	held, wanted := candidates(q)
	holders := map[*posture.Row][]Holding{}
	for r, places := range v.Holders(wanted) {
		var here []Holding
		for p, at := range places {
			h := held[p]
			h.Layer, h.Path = at.Layer, at.Path
			here = append(here, h)
		}
		holders[r] = here
	}
	owners := map[string]*Owned{}
	for _, r := range v.Rows() {
		if r.Coverage.State == plimsoll.ReadNotApplicable || q.Registry != "" && r.Reference.Registry != q.Registry {
			continue
		}
		out.Stored++
		im, ok := imageOf(r, holders[r])
		if !ok {
			continue
		}
		out.Images = append(out.Images, im)
		if owners[im.Owner] == nil {
			owners[im.Owner] = &Owned{Owner: im.Owner}
		}
		owners[im.Owner].count(im.Status)
		out.Total.count(im.Status)
	}
	slices.SortFunc(out.Images, func(a, b Image) int { return strings.Compare(a.key, b.key) })
	for _, o := range owners {
		out.Owners = append(out.Owners, *o)
	}
	slices.SortFunc(out.Owners, func(a, b Owned) int {
		return cmp.Or(b.Affected-a.Affected, b.Unknown-a.Unknown, strings.Compare(a.Owner, b.Owner))
	})
	return out
}

// candidates decides each distinct package that goes by the name once, whatever the number of images that hold it; held is what it
// said of those that wanted was asked for.
func candidates(q Question) (held map[*plimsoll.Package]Holding, wanted func(*plimsoll.Package) bool) {
	held = map[*plimsoll.Package]Holding{}
	j := newJudge(q.Range)
	return held, func(p *plimsoll.Package) bool {
		version, ok := names(p, q.Package)
		if !ok || !q.asks(p.Ecosystem) {
			return false
		}
		h := Holding{Name: p.Name, Version: p.Version, Ecosystem: p.Ecosystem, PURL: p.PURL}
		h.Status, h.Reason = j.decide(p.Ecosystem, version)
		held[p] = h
		return true
	}
}

func (o *Owned) count(s Status) {
	switch s {
	case Affected:
		o.Affected++
	case Unknown:
		o.Unknown++
	case Fixed:
		o.Fixed++
	}
}

// imageOf is what is said of one image; false when it was read whole and does not hold the package.
func imageOf(r *posture.Row, here []Holding) (Image, bool) {
	im := Image{Row: r, Owner: r.Owner, Packages: here, Status: Fixed}
	slices.SortStableFunc(here, func(a, b Holding) int {
		return cmp.Or(a.Status.rank()-b.Status.rank(), strings.Compare(a.Name, b.Name), strings.Compare(a.Path, b.Path))
	})
	unread := unread(r)
	switch {
	case len(here) > 0 && here[0].Status == Affected:
		im.Status = Affected
	case len(here) > 0 && here[0].Status == Unknown:
		im.Status, im.Reason = Unknown, here[0].Reason
	case unread != "":
		im.Status, im.Reason = Unknown, unread
	case len(here) == 0:
		return im, false
	}
	active := 1
	if r.Active {
		active = 0
	}
	im.key = fmt.Sprintf("%d%d%s\x00%s\x00%s", im.Status.rank(), active, list.Name(r), r.Platform, r.Digest)
	return im, true
}

// unread says why an image may hold more packages than were read; empty when they were read whole. A newer digest that is not read
// yet makes it so too: what the row shows is of the older one.
func unread(r *posture.Row) string {
	c, ok := r.Analyzed(plimsoll.AnalyzerPackages)
	switch {
	case r.Coverage.Short() && (r.Behind != "" || !ok):
		return sentence(r.Coverage)
	case !ok:
		return "packages were not analysed"
	case c.Short():
		return sentence(c)
	}
	return ""
}

func sentence(c plimsoll.Coverage) string {
	if c.Reason == "" {
		return "not read: " + string(c.State)
	}
	return "not read: " + string(c.State) + ": " + c.Reason
}

// Len is how many images the answer has. With All and Page it is a [list.List].
func (f Found) Len() int { return len(f.Images) }

// All gives every image.
func (f Found) All() iter.Seq[Image] { return slices.Values(f.Images) }

// Page is the page of at most n images after a cursor, which is the place of the last image that was seen: paging neither repeats
// nor skips one when others come and go.
func (f Found) Page(cursor string, n int) (list.Page[Image], error) {
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return list.Page[Image]{}, fmt.Errorf("cursor %.20q: %w: take it from the page before", cursor, plimsoll.ErrInvalid)
	}
	from := 0
	if cursor != "" {
		i, found := slices.BinarySearchFunc(f.Images, string(after), func(im Image, key string) int { return strings.Compare(im.key, key) })
		if from = i; found {
			from++
		}
	}
	to := min(from+n, len(f.Images))
	p := list.Page[Image]{Rows: f.Images[from:to], Total: len(f.Images), First: from + 1}
	if to < len(f.Images) {
		p.Next = base64.RawURLEncoding.EncodeToString([]byte(f.Images[to-1].key))
	}
	return p, nil
}

// Columns are an image's as CSV.
var Columns = []list.Column[Image]{
	{Name: "status", Cell: func(im Image) string { return string(im.Status) }},
	{Name: "image", Cell: func(im Image) string { return list.Name(im.Row) }},
	{Name: "digest", Cell: func(im Image) string { return string(im.Row.Digest) }},
	{Name: "platform", Cell: func(im Image) string { return im.Row.Platform.String() }},
	{Name: "active", Cell: func(im Image) string { return fmt.Sprint(im.Row.Active) }},
	{Name: "owner", Cell: func(im Image) string { return im.Owner }},
	{Name: "packages", Cell: func(im Image) string { return strings.Join(versions(im.Packages), "; ") }},
	{Name: "reason", Cell: func(im Image) string { return im.Reason }},
	{Name: "moved", Cell: func(im Image) string { return im.Row.Moved.UTC().Format(time.RFC3339) }},
}

// versions names the packages of an image: "libssl3 3.0.11-1~deb12u1".
func versions(all []Holding) (out []string) {
	for _, h := range all {
		if s := strings.TrimSpace(h.Name + " " + h.Version); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
