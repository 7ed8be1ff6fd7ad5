package enrich

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Table is one feed, compiled: rows of equal size sorted by CVE, searched where they lie. Equal feeds give equal bytes, which
// is also how a feed is kept. It is immutable and safe for concurrent readers.
type Table struct {
	kind Kind
	date time.Time
	rows []byte
	raw  []byte
}

const (
	tableMagic = "PLIMENR1"
	tableHead  = len(tableMagic) + 8 // the magic; the feed's date in days; its place in Kinds
	rowSize    = 16                  // the CVE in 8 bytes, two numbers that its feed fills
	// precision is of EPSS numbers: the published ones have at most nine places.
	precision = 1e9
)

// Compile makes the table of a feed.
func Compile(kind Kind, r Read) *Table {
	raw := append([]byte(tableMagic), 0, 0, 0, 0, 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(raw[len(tableMagic):], days(r.Date))
	binary.LittleEndian.PutUint32(raw[len(tableMagic)+4:], uint32(slices.Index(Kinds, kind)))
	rows := slices.Clone(r.Rows)
	slices.SortFunc(rows, func(a, b Row) int { return compare(number(a.CVE), number(b.CVE)) })
	for _, row := range rows {
		a, b := pack(kind, row.Enrichment)
		raw = binary.LittleEndian.AppendUint64(raw, number(row.CVE))
		raw = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(raw, a), b)
	}
	return &Table{kind, r.Date, raw[tableHead:], raw}
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Open opens the bytes of a table; they must not be changed afterwards. An error wraps [plimsoll.ErrIntegrity].
func Open(kind Kind, raw []byte) (*Table, error) {
	if len(raw) < tableHead || (len(raw)-tableHead)%rowSize != 0 || string(raw[:len(tableMagic)]) != tableMagic ||
		int(binary.LittleEndian.Uint32(raw[len(tableMagic)+4:])) != slices.Index(Kinds, kind) {
		return nil, fmt.Errorf("%s: %w: no table of it", kind, plimsoll.ErrIntegrity)
	}
	return &Table{kind, date(binary.LittleEndian.Uint32(raw[len(tableMagic):])), raw[tableHead:], raw}, nil
}

// Kind is the feed.
func (t *Table) Kind() Kind { return t.kind }

// Date is the feed's.
func (t *Table) Date() time.Time { return t.date }

// Bytes are the table as Open takes it; they must not be changed.
func (t *Table) Bytes() []byte { return t.raw }

// Len is the number of CVEs.
func (t *Table) Len() int { return len(t.rows) / rowSize }

func (t *Table) key(i int) uint64 { return binary.LittleEndian.Uint64(t.rows[rowSize*i:]) }

func (t *Table) values(i int) (a, b uint32) {
	return binary.LittleEndian.Uint32(t.rows[rowSize*i+8:]), binary.LittleEndian.Uint32(t.rows[rowSize*i+12:])
}

// Fill puts what the feed says of a CVE into e.
func (t *Table) Fill(cve string, e *plimsoll.Enrichment) {
	n := number(cve)
	if n == 0 {
		return
	}
	i := sort.Search(t.Len(), func(i int) bool { return t.key(i) >= n })
	if i == t.Len() || t.key(i) != n {
		return
	}
	a, b := t.values(i)
	switch t.kind {
	case KEV:
		e.KEV = plimsoll.KEV{Added: date(a), Due: date(b >> 1), Ransomware: b&1 == 1}
	case SSVC:
		e.SSVC = plimsoll.SSVC{
			Exploitation: word(exploitations, b), Automatable: word(automatables, b>>8), TechnicalImpact: word(technicalImpacts, b>>16), Date: date(a),
		}
	default:
		e.EPSS = plimsoll.EPSS{Score: float64(a) / precision, Percentile: float64(b) / precision, Date: t.date}
	}
}

// Changed are the CVEs of which two states of a feed say different things; nil is a feed that says nothing. That a feed is of
// another date is no difference.
func Changed(old, now *Table) []string {
	var out []string
	i, j := 0, 0
	for old.has(i) || now.has(j) {
		switch {
		case !now.has(j) || old.has(i) && old.key(i) < now.key(j):
			out = append(out, name(old.key(i)))
			i++
		case !old.has(i) || now.key(j) < old.key(i):
			out = append(out, name(now.key(j)))
			j++
		default:
			a, b := old.values(i)
			if c, d := now.values(j); a != c || b != d {
				out = append(out, name(old.key(i)))
			}
			i, j = i+1, j+1
		}
	}
	return out
}

func (t *Table) has(i int) bool { return t != nil && i < t.Len() }

func pack(kind Kind, e plimsoll.Enrichment) (a, b uint32) {
	switch kind {
	case KEV:
		b = days(e.KEV.Due) << 1
		if e.KEV.Ransomware {
			b |= 1
		}
		return days(e.KEV.Added), b
	case SSVC:
		return days(e.SSVC.Date), place(exploitations, e.SSVC.Exploitation) | place(automatables, e.SSVC.Automatable)<<8 | place(technicalImpacts, e.SSVC.TechnicalImpact)<<16
	}
	return uint32(math.Round(e.EPSS.Score * precision)), uint32(math.Round(e.EPSS.Percentile * precision))
}

func place(words []string, w string) uint32 { return uint32(max(0, slices.Index(words, w))) }

func word(words []string, n uint32) string {
	if n &= 0xff; int(n) < len(words) {
		return words[n]
	}
	return ""
}

// days counts from 1970; 0 is no date.
func days(t time.Time) uint32 {
	if t.Unix() < 0 {
		return 0
	}
	return uint32(t.Unix() / (24 * 60 * 60))
}

func date(n uint32) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(int64(n)*24*60*60, 0).UTC()
}

// yearShift leaves twelve digits for the number within a year.
const yearShift = 40

// number is a CVE in 64 bits, in the order of years and numbers; 0 for what is none.
func number(cve string) uint64 {
	rest, ok := strings.CutPrefix(cve, "CVE-")
	year, n, ok2 := strings.Cut(rest, "-")
	if !ok || !ok2 || len(year) != 4 || len(n) < 4 || len(n) > 12 {
		return 0
	}
	y, err := strconv.ParseUint(year, 10, 16)
	v, err2 := strconv.ParseUint(n, 10, yearShift)
	if err != nil || err2 != nil {
		return 0
	}
	return y<<yearShift | v
}

func name(n uint64) string {
	return fmt.Sprintf("CVE-%04d-%04d", n>>yearShift, n&(1<<yearShift-1))
}
