package pages

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/plimsoll/plimsoll/services/reporter/internal/find"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// maxHeld is how many packages of one image are named; the rest is counted.
const maxHeld = 3

type findPage struct {
	listing
	Package, Range, Ecosystem string // as they were asked for
	Every                     string // URL that asks for every version of the package, when no range was given
	Before, After             string // the range around the place that cannot be read
	Command                   string // the same in a terminal; empty where that would look through more

	Question find.Question
	Answered bool
	Stored   number
	Tiles    []foundTile
	Owners   []foundOwner
	Owned    int // how many owners there are
	Groups   []foundGroup
	Rows     []foundLine // of a part that is listed alone
	Whole    string      // URL of the whole answer
}

// foundTile counts the images of one status.
type foundTile struct {
	number
	Status find.Status
	Class  string
}

// foundOwner is one owner's part of the answer.
type foundOwner struct {
	Owner, URL               string // an empty owner is a gap: nobody knows whose the images are
	Affected, Unknown, Fixed number
}

// foundGroup are the first images of one status.
type foundGroup struct {
	foundTile
	Rows []foundLine
	More int
}

// foundLine is one image with the packages that go by the name.
type foundLine struct {
	find.Image
	Held []find.Holding // each version once
	More int
}

// find answers which images hold a package in a range of versions.
func (s *Server) find(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	p := findPage{listing: listing{frame: s.frame(r, "find", "Find"), Path: "/find"}}
	p.Package, p.Range, p.Ecosystem = query.Get("package"), query.Get("range"), query.Get("ecosystem")
	v := s.View()
	switch {
	case v == nil, p.Package == "" && p.Range == "":
	case p.Range == "":
		p.Every = findPackage(p.Package, p.Ecosystem, p.Registry) + "&range=*"
	default:
		p.answer(v, r)
	}
	s.show(w, r, status(p.Fault), "find", p)
}

// findPackage is the page that asks in which versions a package is looked for.
func findPackage(name, ecosystem, registry string) string {
	q := url.Values{"package": {name}}
	if ecosystem != "" {
		q.Set("ecosystem", ecosystem)
	}
	if registry != "" {
		q.Set("registry", registry)
	}
	return link("/find", q.Encode())
}

// answer reads the question and fills in what was found, or what is wrong with the question.
func (p *findPage) answer(v *posture.View, r *http.Request) {
	q, part, err := find.Read(r.URL.Query(), "cursor")
	if err != nil {
		p.Fault, _, _ = strings.Cut(err.Error(), "\n")
		if x, ok := errors.AsType[*find.SyntaxError](err); ok {
			p.Before, p.After = x.Text[:x.At], x.Text[x.At:]
		}
		return
	}
	found := find.Search(v, q)
	p.Question, p.Answered, p.Whole = q, true, q.Link(find.Part{})
	if q.Registry == "" { // the command looks through all
		p.Command = findCommand(q)
	}
	p.Stored = number{N: found.Stored, URL: link("/images", stored(q.Registry).With("applicable", "yes").Query())}
	p.Exports = exportsOf(r, "/find", q.Query(part))
	p.count(found)
	if part == (find.Part{}) && r.URL.Query().Get("cursor") == "" {
		p.groups(found)
		return
	}
	p.Set = partChips(q, part)
	p.Rows = foundLines(pageOf(&p.listing, r, found.Of(part), q.Query(part)))
}

// count makes the answer's numbers: each links to the images that it counts.
func (p *findPage) count(found find.Found) {
	tile := func(n int, s find.Status, class string) foundTile {
		return foundTile{number{N: n, URL: found.Question.Link(find.Part{Status: s})}, s, tone(n, class)}
	}
	p.Tiles = []foundTile{
		tile(found.Total.Affected, find.Affected, "fail"), tile(found.Total.Unknown, find.Unknown, "unknown"), tile(found.Total.Fixed, find.Fixed, ""),
	}
	p.Owned = len(found.Owners)
	for _, o := range found.Owners[:min(len(found.Owners), maxOwners)] {
		of := func(n int, s find.Status) number {
			return number{N: n, URL: found.Question.Link(find.Part{Status: s, Owner: o.Owner, Unowned: o.Owner == ""})}
		}
		p.Owners = append(p.Owners, foundOwner{
			Owner: o.Owner, URL: found.Question.Link(find.Part{Owner: o.Owner, Unowned: o.Owner == ""}),
			Affected: of(o.Affected, find.Affected), Unknown: of(o.Unknown, find.Unknown), Fixed: of(o.Fixed, find.Fixed),
		})
	}
}

// groups are the first images of each status, so that many of one do not push another off the page.
func (p *findPage) groups(found find.Found) {
	for _, t := range p.Tiles {
		all := found.Of(find.Part{Status: t.Status}).Images
		p.Groups = append(p.Groups, foundGroup{t, foundLines(all[:min(len(all), groupSize)]), max(0, len(all)-groupSize)})
	}
}

func foundLines(images []find.Image) (out []foundLine) {
	for _, im := range images {
		line := foundLine{Image: im}
		type version struct{ name, version string }
		seen := map[version]bool{}
		for _, h := range im.Packages {
			k := version{h.Name, h.Version}
			switch {
			case seen[k]:
			case len(line.Held) < maxHeld:
				line.Held = append(line.Held, h)
			default:
				line.More++
			}
			seen[k] = true
		}
		out = append(out, line)
	}
	return out
}

// statusIcon is the shape beside a status.
func statusIcon(s find.Status) string {
	switch s {
	case find.Affected:
		return "fail"
	case find.Fixed:
		return "pass"
	}
	return "unknown"
}

// partChips are the conditions of a part: a click takes one away.
func partChips(q find.Question, part find.Part) (out []chip) {
	add := func(word string, without find.Part) {
		out = append(out, chip{Word: word, URL: q.Link(without), On: true})
	}
	if part.Status != "" {
		add("status: "+string(part.Status), find.Part{Owner: part.Owner, Unowned: part.Unowned})
	}
	if part.Owner != "" {
		add("owner: "+part.Owner, find.Part{Status: part.Status, Unowned: part.Unowned})
	}
	if part.Unowned {
		add("owner not known", find.Part{Status: part.Status, Owner: part.Owner})
	}
	return out
}

// findCommand asks the same in a terminal.
func findCommand(q find.Question) string {
	words := []string{"plimsoll find", shellWord(q.Package), shellWord(q.Range.String())}
	if q.Ecosystem != "" {
		words = append(words, "--ecosystem", shellWord(q.Ecosystem))
	}
	return strings.Join(words, " ")
}

// shellWord quotes a text for a POSIX shell, where it has more than letters, digits and what no shell takes for its own.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._/:@+-", r)
	}
	if text != "" && text[0] != '-' && strings.TrimFunc(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
