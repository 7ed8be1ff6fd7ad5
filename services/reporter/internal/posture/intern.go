package posture

import (
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// interner keeps one copy of what images share: packages, texts, coverages. Numbers never change while the engine runs, and
// its lists only grow, so that a view may share them. Only the engine's writer asks it.
type interner struct {
	numbers  map[plimsoll.Package]int32
	packages []plimsoll.Package // without where they stand

	textNumbers map[string]int32
	texts       []string

	reads map[string]map[string]plimsoll.Coverage
}

func newInterner() *interner {
	return &interner{
		numbers: map[plimsoll.Package]int32{}, textNumbers: map[string]int32{},
		reads: map[string]map[string]plimsoll.Coverage{},
	}
}

// bare is a package without where it stands and who found it: what matching looks at.
func bare(p plimsoll.Package) plimsoll.Package {
	p.Layer, p.Path, p.Extractor, p.Architecture = 0, "", "", ""
	return p
}

// number is the number of a package, wherever it stands.
func (n *interner) number(p plimsoll.Package) int32 {
	p = bare(p)
	if i, ok := n.numbers[p]; ok {
		return i
	}
	i := int32(len(n.packages))
	n.numbers[p] = i
	n.packages = append(n.packages, p)
	return i
}

// text is the number of a text.
func (n *interner) text(s string) int32 {
	if i, ok := n.textNumbers[s]; ok {
		return i
	}
	i := int32(len(n.texts))
	s = strings.Clone(s) // it may be a part of a whole inventory
	n.textNumbers[s] = i
	n.texts = append(n.texts, s)
	return i
}

// string is the one copy of a text.
func (n *interner) string(s string) string {
	if s == "" {
		return ""
	}
	return n.texts[n.text(s)]
}

// maxReads bounds how many different coverages are remembered; reasons come from outside. What comes later is not shared.
const maxReads = 10_000

// read is the one copy of a coverage by analyser: nearly all images have the same few. Nobody changes it.
func (n *interner) read(m map[string]plimsoll.Coverage) map[string]plimsoll.Coverage {
	if m == nil {
		return nil
	}
	key := readKey(m)
	if one, ok := n.reads[key]; ok {
		return one
	}
	if len(n.reads) < maxReads {
		n.reads[key] = m
	}
	return m
}

// readKey is the same text for the same coverage.
func readKey(m map[string]plimsoll.Coverage) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		for _, s := range []string{name, string(m[name].State), m[name].Reason} {
			b.WriteString(s)
			b.WriteByte(0)
		}
	}
	return b.String()
}

// platform is p with its words shared.
func (n *interner) platform(p plimsoll.Platform) plimsoll.Platform {
	return plimsoll.Platform{OS: n.string(p.OS), Architecture: n.string(p.Architecture), Variant: n.string(p.Variant)}
}

// release is r with its words shared.
func (n *interner) release(r plimsoll.OSRelease) plimsoll.OSRelease {
	return plimsoll.OSRelease{
		ID: n.string(r.ID), IDLike: n.string(r.IDLike), VersionID: n.string(r.VersionID), VersionCodename: n.string(r.VersionCodename),
		PrettyName: n.string(r.PrettyName), CPE: n.string(r.CPE),
	}
}

// ref is r with all that it shares with others shared.
func (n *interner) ref(r plimsoll.Ref) plimsoll.Ref {
	r.Recipe = plimsoll.Recipe(n.string(string(r.Recipe)))
	r.Read.State = plimsoll.ReadState(n.string(string(r.Read.State)))
	if len(r.Platforms) == 0 {
		r.Platforms = nil
		return r
	}
	r.Platforms = slices.Clone(r.Platforms)
	for i := range r.Platforms {
		p := &r.Platforms[i]
		p.Platform, p.Read, p.Kind = n.platform(p.Platform), n.read(p.Read), n.string(p.Kind)
		if p.Digest == r.Digest {
			p.Digest = r.Digest
		}
	}
	return r
}
