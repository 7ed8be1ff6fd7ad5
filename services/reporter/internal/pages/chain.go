package pages

import (
	"net/url"
	"strconv"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// chainBlock is one link of an image's chain: its width is its share of the bytes, its colour its worst finding.
type chainBlock struct {
	list.Link
	Short     string // its name within the image's registry
	URL       string // this page with what the link brought alone
	Grow      int    // its share of the bytes, in twelfths; at least 2, so that its text can be read
	Worst     string
	Bytes     int64
	Total     number
	Critical  number
	Images    number // that stand on it
	Current   bool
	LastLayer int // as people count, from 1
}

// twelfths is in how many parts the width of the chain is shared; leastTwelfths the narrowest block.
const (
	twelfths      = 12
	leastTwelfths = 2
)

// chain makes the blocks, from the lowest base to what the image adds.
func (p *imagePage) chain(v *posture.View, query url.Values, own list.Filter) {
	links := list.Chain(v, p.Row)
	p.Link = query.Get("link")
	known := false
	var total int64
	for _, l := range p.Image.Inventory.Layers {
		total += max(l.Size, 0)
	}
	for _, l := range links {
		word := list.LinkOwn
		if l.Base != nil {
			word = string(l.Digest)
		}
		one := own.With("link", word)
		b := chainBlock{
			Link: l, Short: p.Row.Reference.Repository + ":" + p.Row.Reference.Tag, URL: p.here(query, "link", word) + "#findings", Current: p.Link == word, Worst: class(l.Worst()),
			LastLayer: l.To, Bytes: bytesOf(p.Image.Inventory.Layers, l.From, l.To),
			Total:    number{N: l.Findings, URL: link("/findings", one.Query())},
			Critical: number{N: l.Counts[plimsoll.SeverityCritical], URL: link("/findings", one.With("severity", "critical").Query())},
		}
		if b.Current {
			b.URL, known = p.here(query, "link", "")+"#findings", true
		}
		if l.Base != nil {
			b.Short = list.BaseName(l.Base.Name(), p.Row.Reference.Registry)
			on := stored("").With("base", string(l.Digest))
			b.Images = number{N: len(on.Rows(v)), URL: link("/images", on.Query())}
		}
		b.Grow = leastTwelfths
		if total > 0 {
			b.Grow = max(leastTwelfths, int(float64(twelfths)*float64(b.Bytes)/float64(total)+0.5))
		}
		p.Chain = append(p.Chain, b)
	}
	if !known {
		p.Link = ""
	}
	p.AllLinks = p.here(query, "link", "") + "#findings"
}

func bytesOf(layers []plimsoll.InventoryLayer, from, to int) (n int64) {
	for i := max(from, 0); i < min(to, len(layers)); i++ {
		n += max(layers[i].Size, 0)
	}
	return n
}

// groupSize is how many findings of one link are shown before one asks for all of them.
const groupSize = 20

// findingGroup is what one link brought.
type findingGroup struct {
	Block  chainBlock
	Total  number
	Places []posture.Place
	All    string // this page with the link's findings alone
	More   int
}

// groups are the findings by link, own first.
func (p *imagePage) groups(v *posture.View, query url.Values, shown list.Filter) {
	if p.Link != "" || len(p.Chain) < 2 || query.Get("cursor") != "" {
		return
	}
	for i := len(p.Chain) - 1; i >= 0; i-- {
		b := p.Chain[i]
		word := list.LinkOwn
		if b.Base != nil {
			word = string(b.Digest)
		}
		one := shown.With("link", word)
		page, err := list.Places(v, one).Page("", groupSize)
		if err != nil || page.Total == 0 {
			continue
		}
		p.Groups = append(p.Groups, findingGroup{
			Block: b, Total: number{N: page.Total, URL: link("/findings", one.Query())}, Places: page.Rows, All: b.URL, More: page.Total - len(page.Rows),
		})
	}
}

// layersText is "layer 1" or "layers 2-5", as people count.
func layersText(from, to int) string {
	if to-from == 1 {
		return "layer " + strconv.Itoa(to)
	}
	return "layers " + strconv.Itoa(from+1) + "–" + strconv.Itoa(to)
}
