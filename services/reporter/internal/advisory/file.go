package advisory

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
)

// An index file is a cache: everything in it can be compiled again from the packs of its generation. It is a head, a
// directory in JSON, and the blocks that the directory names; each is checked by its sum, and whatever does not fit is no
// index.
const (
	indexMagic = "PLIMIDX\n"
	// indexFormat is raised with every change of the tables, of what records hold, and of how they are joined.
	indexFormat = 2
	headSize    = len(indexMagic) + 12 // the magic; format, size and sum of the directory
	// maxDirectory bounds the directory, in bytes: 500 feeds have a tenth of it.
	maxDirectory = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// directory says what follows it, in this order: the segments, the tables of enrichment, flaws.
type directory struct {
	Key      string         `json:"key"`
	Segments []segmentEntry `json:"segments"`
	Tables   []tableEntry   `json:"tables,omitempty"`
	Flaws    blockEntry     `json:"flaws"`
	Twins    [][2]int       `json:"twins,omitempty"` // record, and the one that counts for it
}

type blockEntry struct {
	Size int    `json:"size"`
	Sum  uint32 `json:"sum"` // CRC-32C
}

type segmentEntry struct {
	Feed     string `json:"feed"`
	Pack     string `json:"pack,omitempty"`
	Replaced []int  `json:"replaced,omitempty"` // records that stand in another form in the merged segment
	blockEntry
}

type tableEntry struct {
	Kind enrich.Kind `json:"kind"`
	Pack string      `json:"pack"`
	blockEntry
}

func entryOf(b []byte) blockEntry { return blockEntry{len(b), crc32.Checksum(b, castagnoli)} }

// keyOf names what an index of a generation is made from: two generations with one key have the same index.
func keyOf(g plimsoll.Generation) string {
	var b []byte
	for _, f := range g.Packs() {
		b = fmt.Appendf(b, "%s/%s\n", f.Ecosystem, f.Pack)
	}
	return sumOf(fmt.Appendf(b, "format %d\n", indexFormat))
}

// writeTo writes the index as a file under a key.
func (x *Index) writeTo(w io.Writer, key string) error {
	d := directory{Key: key, Flaws: entryOf(x.flaws.raw)}
	for k, s := range x.segments {
		d.Segments = append(d.Segments, segmentEntry{s.feed, s.pack, sortedNumbers(x.replaced[k]), entryOf(s.raw)})
	}
	for _, t := range x.tables {
		d.Tables = append(d.Tables, tableEntry{t.Kind(), t.pack, entryOf(t.Bytes())})
	}
	for twin, of := range x.twins {
		d.Twins = append(d.Twins, [2]int{twin, of})
	}
	slices.SortFunc(d.Twins, func(a, b [2]int) int { return cmp.Compare(a[0], b[0]) })
	listed, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("index directory: %w", err)
	}
	head := append([]byte(indexMagic), wordsOf([]uint32{indexFormat, uint32(len(listed)), crc32.Checksum(listed, castagnoli)})...)
	for _, b := range append(append([][]byte{head, listed}, x.blocks()...), x.flaws.raw) {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) blocks() (out [][]byte) {
	for _, s := range x.segments {
		out = append(out, s.raw)
	}
	for _, t := range x.tables {
		out = append(out, t.Bytes())
	}
	return out
}

func sortedNumbers(set map[int]bool) []int {
	var out []int
	for n := range set {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// openIndex opens what writeTo wrote; b must not be changed afterwards. g is the generation, and the key that of what its
// index must be made from; an empty key means any. An error wraps [plimsoll.ErrIntegrity].
func openIndex(b []byte, key string, g plimsoll.Generation) (*Index, error) {
	d, rest, err := openDirectory(b)
	switch {
	case err != nil:
		return nil, err
	case key != "" && d.Key != key:
		return nil, fmt.Errorf("%w: compiled advisories of another generation", plimsoll.ErrIntegrity)
	}
	var segments []*segment
	for _, e := range d.Segments {
		var block []byte
		if block, rest, err = take(rest, e.blockEntry); err != nil {
			return nil, err
		}
		s, err := openSegment(e.Feed, e.Pack, block)
		if err != nil {
			return nil, err
		}
		segments = append(segments, s)
	}
	x := layOut(g, segments)
	if err := x.settleAs(d); err != nil {
		return nil, err
	}
	for _, e := range d.Tables {
		var block []byte
		if block, rest, err = take(rest, e.blockEntry); err != nil {
			return nil, err
		}
		t, err := enrich.Open(e.Kind, block)
		if err != nil {
			return nil, err
		}
		x.tables = append(x.tables, table{t, e.Pack})
	}
	block, rest, err := take(rest, d.Flaws)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, damage("blocks")
	}
	if x.flaws, err = openFlaws(block, x.total); err != nil {
		return nil, err
	}
	x.count()
	return x, nil
}

func openDirectory(b []byte) (d directory, rest []byte, err error) {
	if len(b) < headSize || !bytes.HasPrefix(b, []byte(indexMagic)) {
		return d, nil, fmt.Errorf("%w: no compiled advisories", plimsoll.ErrIntegrity)
	}
	head := words(b[len(indexMagic):headSize])
	if head.at(0) != indexFormat {
		return d, nil, fmt.Errorf("%w: compiled advisories in format %d, not %d", plimsoll.ErrIntegrity, head.at(0), indexFormat)
	}
	size := int64(head.at(1))
	if rest = b[headSize:]; size > maxDirectory || size > int64(len(rest)) || crc32.Checksum(rest[:size], castagnoli) != head.at(2) {
		return d, nil, damage("directory")
	}
	if err := json.Unmarshal(rest[:size], &d); err != nil {
		return d, nil, fmt.Errorf("%w: %w", damage("directory"), err)
	}
	return d, rest[size:], nil
}

// take cuts a block off and checks its sum.
func take(b []byte, e blockEntry) (block, rest []byte, err error) {
	if e.Size < 0 || e.Size > len(b) || crc32.Checksum(b[:e.Size], castagnoli) != e.Sum {
		return nil, nil, damage("blocks")
	}
	return b[:e.Size:e.Size], b[e.Size:], nil
}

// settleAs takes from the directory what settle found.
func (x *Index) settleAs(d directory) error {
	for k, e := range d.Segments {
		for _, i := range e.Replaced {
			if i < 0 || i >= x.segments[k].len() {
				return damage("records")
			}
			if x.replaced[k] == nil {
				x.replaced[k] = make(map[int]bool, len(e.Replaced))
			}
			x.replaced[k][i] = true
		}
	}
	for _, t := range d.Twins {
		if min(t[0], t[1]) < 0 || max(t[0], t[1]) >= x.total {
			return damage("records")
		}
		x.twins[t[0]] = t[1]
	}
	return nil
}
