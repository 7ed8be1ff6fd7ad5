package pages

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Bounds of the image page: what one reads in a scroll. The rest is a page or an export away.
const (
	imageFixes   = 5
	imageHistory = 100
	imageLabels  = 50
)

type imagePage struct {
	frame
	Ref       string
	Row       *posture.Row
	Platforms []platformTab
	Elsewhere number // rows with the same digest
	Known     []knownLine
	Read      []readLine
	Holds     []holding // what it holds besides findings
	Unread    bool
	Image     *posture.Image // nil while nothing is read
	Layers    []layerBlock
	Layer     string // the layer filtered by
	AllLayers string
	Chain     []chainBlock
	Claim     *list.Claim
	Fixes     []list.Action
	Groups    []findingGroup // findings by link, own first; empty while the list is filtered to one, or there is one link
	Link      string         // the link filtered by
	AllLinks  string
	FindingsN number
	InUse     useCell
	Chips     []chipGroup
	Findings  section[posture.Place]
	Packages  section[plimsoll.Package]
	Secrets   section[plimsoll.Secret]
	Files     section[plimsoll.File]
	Removed   section[plimsoll.Package]
	Labels    [][2]string
	History   []plimsoll.HistoryEntry
	MoreLine  string // what was cut from labels and history
	Exports   exports
	DueLines  []dueLine
	Command   string    // what reads it again
	ScanQuery string    // of the scan document of this tag
	Evidence  *evidence // why it has one flaw, or has not; nil unless the URL asks
	Compare   comparing
	Timeline  *timelinePart // nil where no history is kept
	query     url.Values
}

// section is one list within a page, with its own paging.
type section[T any] struct {
	Rows        []T
	Total       int
	First, Last int
	Next, Start string
	Exports     exports
	Fault       string
	Chips       []chip
	Read        readLine // by the analyser that finds them
}

type platformTab struct {
	Row     *posture.Row
	URL     string
	Current bool
}

type knownLine struct {
	Ecosystem string
	plimsoll.Knowledge
}

// readLine is how far one analyser got; Off when it did not look at the image.
type readLine struct {
	Analyzer string
	plimsoll.Coverage
	Off bool
}

// layerBlock is one layer in the strip: its width is its share of the image's bytes, its colour its worst finding.
type layerBlock struct {
	Index       int
	URL         string
	X, Width    string
	Worst       string
	Size        int64
	CreatedBy   string
	Digest      plimsoll.Digest
	Read        plimsoll.Coverage
	Findings    number
	Packages    number
	Files       number
	Secrets     number
	Removes     string // what of lower layers it hides, in words
	Current     bool
	Entries     int
	InstallsAny bool
}

// imagePath is the page of a row: by its tag, which shows what the tag holds now.
func imagePath(r *posture.Row) string {
	q := url.Values{}
	if p := r.Platform.String(); p != "" {
		q.Set("platform", p)
	}
	return link("/image/"+pathOf(list.Name(r)), q.Encode())
}

// pathOf escapes each segment of a reference and keeps its slashes.
func pathOf(ref string) string {
	parts := strings.Split(ref, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

func advisoryPath(id string) string { return "/advisory/" + pathOf(id) }

func (s *Server) image(w http.ResponseWriter, r *http.Request) {
	v, ref := s.View(), r.PathValue("ref")
	if v == nil {
		s.problem(w, r, http.StatusServiceUnavailable, "Not ready yet", "The posture is being folded from the bucket; this page fills in a moment.")
		return
	}
	rows := list.Named(v, ref)
	row := list.PickPlatform(rows, r.URL.Query().Get("platform"))
	if row == nil {
		s.problem(w, r, http.StatusNotFound, "No such image", "No stored image is called "+list.Visible(ref)+". It may have gone from its registry, or was never listed.")
		return
	}
	p := imagePage{frame: s.frame(r, "images", list.Name(row)), Ref: ref, Row: row, Unread: list.Unread(row), InUse: useOf(v, row, s.Now())}
	p.tabs(rows)
	p.coverage()
	own := rowFilter(row)
	p.FindingsN = number{N: list.Count(v, own).Places, URL: link("/findings", own.Query()), Unsure: list.Unsure(p.Row)}
	p.Elsewhere = number{N: len(stored("").With("digest", string(row.Digest)).Rows(v)), URL: link("/images", stored("").With("digest", string(row.Digest)).Query())}
	if im, ok := v.Image(row.Digest); ok && row.Layers > 0 {
		p.Image = im
		s.fill(&p, v, r, own)
	}
	p.Timeline = s.timeline(r, &p)
	p.DueLines = dueLines(v, row, own, s.Now())
	p.Command = "plimsoll sweep start " + row.Reference.Registry
	p.ScanQuery = url.Values{"registry": {row.Reference.Registry}, "repository": {row.Reference.Repository}, "tag": {row.Reference.Tag}}.Encode()
	p.Exports = exports{Self: r.URL.RequestURI(), API: "/api/v1/images/" + string(row.Digest), Origin: p.Origin, At: p.AsOf.Moment}
	s.show(w, r, http.StatusOK, "image", p)
}

// rowFilter is the filter whose only row is this one.
func rowFilter(r *posture.Row) list.Filter {
	f := stored(r.Reference.Registry).With("repository", r.Reference.Repository).With("tag", r.Reference.Tag).With("platform", r.Platform.String())
	return f.With("digest", string(r.Digest))
}

func (p *imagePage) tabs(rows []*posture.Row) {
	for _, r := range rows {
		if list.Name(r) == list.Name(p.Row) {
			p.Platforms = append(p.Platforms, platformTab{Row: r, URL: imagePath(r), Current: r == p.Row})
		}
	}
}

func (p *imagePage) coverage() {
	p.Read = readLines(p.Row)
	for name, k := range p.Row.Known {
		p.Known = append(p.Known, knownLine{name, k})
	}
	slices.SortFunc(p.Known, func(a, b knownLine) int { return strings.Compare(a.Ecosystem, b.Ecosystem) })
}

// fill adds what the inventory tells.
func (s *Server) fill(p *imagePage, v *posture.View, r *http.Request, own list.Filter) {
	query := r.URL.Query()
	p.query = query
	p.Layer = query.Get("layer")
	if n, err := strconv.Atoi(p.Layer); err != nil || n < 0 || n >= len(p.Image.Inventory.Layers) {
		p.Layer = ""
	}
	p.AllLayers = p.here(query, "layer", "")
	p.layers(v, query, own)
	shown := own
	for _, name := range []string{"severity", "fixable", "exploited"} {
		shown = shown.With(name, query.Get(name))
	}
	shown = shown.With("layer", p.Layer)
	p.chain(v, query, own)
	p.Claim = list.ClaimOf(v, p.Row, p.Image.Image, s.host)
	p.Fixes = list.FixFirst(v, p.Row, imageFixes)
	p.findingSection(v, query, shown.With("link", p.Link))
	p.groups(v, query, shown)
	p.packageSection(query)
	p.contentSections(query)
	p.configuration()
	p.explain(v, query)
	p.Compare = comparingOf(v, p.Row)
}

// here is this page with one parameter changed and the paging reset.
func (p *imagePage) here(query url.Values, name, value string) string {
	q := url.Values{}
	for k, v := range query {
		if !strings.HasSuffix(k, "cursor") {
			q[k] = v
		}
	}
	q.Del(name)
	if value != "" {
		q.Set(name, value)
	}
	return link("/image/"+pathOf(p.Ref), q.Encode())
}

func (p *imagePage) layers(v *posture.View, query url.Values, own list.Filter) {
	inv := p.Image.Inventory
	packages, findings, worst := map[int]int{}, map[int]int{}, map[int]plimsoll.Severity{}
	for _, pkg := range inv.Packages {
		packages[pkg.Layer]++
	}
	held := contentByLayer(inv)
	for _, f := range v.Findings(p.Row) {
		findings[f.Layer]++
		if w, ok := worst[f.Layer]; !ok || f.Severity.Rank() < w.Rank() {
			worst[f.Layer] = f.Severity
		}
	}
	widths := layerWidths(inv.Layers)
	at := int64(0)
	for i, l := range inv.Layers {
		index := strconv.Itoa(i)
		b := layerBlock{
			Index: i, Size: l.Size, CreatedBy: l.CreatedBy, Digest: l.Digest, Read: l.Read, Entries: l.Entries, Current: p.Layer == index,
			URL: p.here(query, "layer", index), X: list.Share(at, 10_000), Width: list.Share(widths[i], 10_000), Worst: class(worst[i]),
			Findings: number{N: findings[i], URL: link("/findings", own.With("layer", index).Query())},
			Packages: number{N: packages[i], URL: p.here(query, "layer", index) + "#packages"},
			Files:    number{N: held[i].files, URL: p.plain("layer", index) + "#files"}, Secrets: number{N: held[i].secrets, URL: p.plain("layer", index) + "#secrets"},
			Removes: held[i].removes(),
		}
		if packages[i] > 0 || l.Read.Short() {
			b.Findings.Unsure = list.Unsure(p.Row)
		}
		at += widths[i]
		p.Layers = append(p.Layers, b)
	}
}

// leastWidth is the narrowest a layer is drawn, in 1/10000 of the strip, so that a small one can still be clicked.
const leastWidth = 250

// layerWidths shares 10,000 among layers by bytes, none narrower than leastWidth while there is room.
func layerWidths(layers []plimsoll.InventoryLayer) []int64 {
	out := make([]int64, len(layers))
	var total int64
	for _, l := range layers {
		total += max(l.Size, 0)
	}
	least := min(int64(leastWidth), 10_000/int64(max(1, len(layers))))
	room := 10_000 - least*int64(len(layers))
	for i, l := range layers {
		out[i] = least
		if total > 0 {
			out[i] += int64(float64(room) * float64(max(l.Size, 0)) / float64(total))
		}
	}
	return out
}

func (p *imagePage) findingSection(v *posture.View, query url.Values, f list.Filter) {
	page, err := list.Places(v, f).Page(query.Get("cursor"), list.PageSize)
	s := &p.Findings
	s.Exports = exports{API: link("/api/v1/findings", f.Query()), Self: link("/findings", f.Query()), Origin: p.Origin, At: p.AsOf.Moment}
	toggle := func(name, value, word string) chip {
		c := chip{Word: word, On: query.Get(name) == value, Class: class(word)}
		if c.On {
			value = ""
		}
		c.URL = p.here(query, name, value) + "#findings"
		return c
	}
	severities := chipGroup{Name: "Severity"}
	for _, w := range []string{"critical", "high", "medium", "low", "not rated"} {
		severities.Chips = append(severities.Chips, toggle("severity", w, w))
	}
	p.Chips = append(p.Chips, severities, chipGroup{"", []chip{toggle("exploited", "yes", "exploited"), toggle("fixable", "yes", "fixable")}})
	if err != nil {
		s.Fault = err.Error()
		return
	}
	s.Rows, s.Total, s.First, s.Last = page.Rows, page.Total, page.First, page.Last()
	s.paging(p, query, "cursor", page.Next, "#findings")
}

func (p *imagePage) packageSection(query url.Values) {
	s := &p.Packages
	page, err := list.PackagesOf(p.Image.Inventory, p.Layer).Page(query.Get("pcursor"), list.PageSize)
	q := url.Values{}
	if p.Layer != "" {
		q.Set("layer", p.Layer)
	}
	path := link("/api/v1/images/"+string(p.Row.Digest)+"/packages", q.Encode())
	s.Exports = exports{API: path, Self: p.here(query, "", "") + "#packages", Origin: p.Origin, At: p.AsOf.Moment}
	if err != nil {
		s.Fault = err.Error()
		return
	}
	s.Rows, s.Total, s.First, s.Last = page.Rows, page.Total, page.First, page.Last()
	s.paging(p, query, "pcursor", page.Next, "#packages")
}

// paging makes the links to the next and the first page of a section; the other section stays where it is.
func (s *section[T]) paging(p *imagePage, query url.Values, name, next, anchor string) {
	q := url.Values{}
	for k, v := range query {
		if k != name {
			q[k] = v
		}
	}
	path := "/image/" + pathOf(p.Ref)
	if query.Get(name) != "" {
		s.Start = link(path, q.Encode()) + anchor
	}
	if next != "" {
		q.Set(name, next)
		s.Next = link(path, q.Encode()) + anchor
	}
}

// configuration takes labels and history, cut at what one reads.
func (p *imagePage) configuration() {
	im := p.Image.Image
	for k, v := range im.Labels {
		p.Labels = append(p.Labels, [2]string{k, v})
	}
	slices.SortFunc(p.Labels, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	p.History = im.History
	if len(p.Labels) > imageLabels || len(p.History) > imageHistory {
		p.MoreLine = "The first " + strconv.Itoa(imageLabels) + " labels and " + strconv.Itoa(imageHistory) + " steps are shown; all are in the JSON."
		p.Labels, p.History = p.Labels[:min(imageLabels, len(p.Labels))], p.History[:min(imageHistory, len(p.History))]
	}
}
