package enrich

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Kind is one of the feeds.
type Kind string

// The feeds, named as pages show them.
const (
	KEV  Kind = "CISA KEV"
	SSVC Kind = "CISA SSVC"
	EPSS Kind = "FIRST EPSS"
)

// Kinds are all feeds.
var Kinds = []Kind{KEV, SSVC, EPSS}

// Files are the names under which a source may offer a feed, the first that is there counts.
func (k Kind) Files() []string {
	switch k {
	case KEV:
		return []string{"known_exploited_vulnerabilities.json", "known_exploited_vulnerabilities.json.gz"}
	case SSVC:
		return []string{"cisa-vulnrichment-ssvc.tsv", "cisa-vulnrichment-ssvc.tsv.gz"}
	}
	return []string{"epss_scores-current.csv.gz", "epss_scores-current.csv"}
}

// Bounds of one feed's file, in bytes as sent and expanded, and in lines. EPSS, the largest, has 300,000 lines in 10 MB.
const (
	MaxFile     = 64 << 20
	maxExpanded = 256 << 20
	maxRows     = 2_000_000
	// maxSkipped is how many skipped lines are named; all are counted.
	maxSkipped = 100
)

// Read is a feed as read.
type Read struct {
	Rows    []Row     // sorted by CVE, each once
	Date    time.Time // of the feed: when it was released, or of its newest row
	Skipped int
	Named   []string // at most 100 of those skipped, with the reason
}

// Row is what a feed says of one CVE; only the part of its feed is set.
type Row struct {
	CVE string `json:"cve"`
	plimsoll.Enrichment
}

// cveForm bounds the number, so that a CVE fits into 64 bits.
var cveForm = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,12}$`)

// Parse reads a feed's file, compressed by gzip or not. An error wraps [plimsoll.ErrInvalid] or [plimsoll.ErrLimit].
func Parse(kind Kind, b []byte) (Read, error) {
	b, err := expand(b)
	if err != nil {
		return Read{}, fmt.Errorf("%s: %w", kind, err)
	}
	var r Read
	switch kind {
	case KEV:
		err = r.kev(b)
	case SSVC:
		err = r.ssvc(b)
	default:
		err = r.epss(b)
	}
	if err == nil && len(r.Rows) == 0 {
		err = fmt.Errorf("%w: no usable line (%d skipped)", plimsoll.ErrInvalid, r.Skipped)
	}
	if err != nil {
		return Read{}, fmt.Errorf("%s: %w", kind, err)
	}
	slices.SortStableFunc(r.Rows, func(a, b Row) int { return strings.Compare(a.CVE, b.CVE) })
	all := len(r.Rows)
	r.Rows = slices.CompactFunc(r.Rows, func(a, b Row) bool { return a.CVE == b.CVE })
	r.Skipped += all - len(r.Rows)
	return r, nil
}

func expand(b []byte) ([]byte, error) {
	if !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		return b, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%w: no gzip: %w", plimsoll.ErrInvalid, err)
	}
	out, err := io.ReadAll(io.LimitReader(z, maxExpanded+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: cut short or damaged: %w", plimsoll.ErrInvalid, err)
	case len(out) > maxExpanded:
		return nil, fmt.Errorf("%w: expands to more than %d bytes", plimsoll.ErrLimit, maxExpanded)
	}
	return out, nil
}

// add takes a row; why is what is wrong with it.
func (r *Read) add(cve string, e plimsoll.Enrichment, why error) error {
	if why == nil && !cveForm.MatchString(cve) {
		why = errors.New("no CVE")
	}
	if why != nil {
		r.Skipped++
		if len(r.Named) < maxSkipped {
			r.Named = append(r.Named, fmt.Sprintf("%.40q: %v", cve, why))
		}
		return nil
	}
	if len(r.Rows) >= maxRows {
		return fmt.Errorf("%w: more than %d lines", plimsoll.ErrLimit, maxRows)
	}
	r.Rows = append(r.Rows, Row{cve, e})
	return nil
}

// day reads a date; times of day are dropped. Empty is none.
func day(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, s[:min(len(s), len(time.DateOnly))])
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		return time.Time{}, fmt.Errorf("%.40q is no date", s)
	}
	return t, nil
}

// share reads a number from 0 to 1.
func share(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, fmt.Errorf("%.40q is no number from 0 to 1", s)
	}
	return f, nil
}
