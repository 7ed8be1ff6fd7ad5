package advisory

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Bounds of one feed's zip.
const (
	// MaxZip bounds the zip, in bytes: osv.dev's largest has under 300 MB.
	MaxZip = 1 << 30
	// maxEntries bounds its records: npm has 250,000, most of them malicious packages.
	maxEntries = 2_000_000
	// maxInflated bounds what all records expand to, in bytes.
	maxInflated = 8 << 30
	// maxRatio and freeInflated bound what a zip's bytes expand to, so that a small bomb ends at once: real feeds expand tenfold,
	// and small ones may by chance do more.
	maxRatio     = 200
	freeInflated = 64 << 20
	// maxSkipped is how many skipped records are named; all are counted.
	maxSkipped = 100
)

// staged is one feed as read: its records checked, sorted by id, withdrawn ones taken out.
type staged struct {
	records   []plimsoll.Advisory
	withdrawn int
	skipped   int
	skippedID []string
	newest    time.Time
}

// stage reads a feed's zip record by record. A record that cannot be used is skipped and counted; a zip that cannot be read
// to its end, or that holds no record, is an error, and the feed keeps what it had.
func stage(b []byte, now time.Time) (staged, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return staged{}, fmt.Errorf("%w: no readable zip: %w", plimsoll.ErrInvalid, err)
	}
	if len(z.File) > maxEntries {
		return staged{}, fmt.Errorf("%w: more than %d records", plimsoll.ErrLimit, maxEntries)
	}
	s := stager{decoder: newDecoder(), byID: map[string]int{}, limit: min(maxInflated, freeInflated+maxRatio*int64(len(b)))}
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		if err := s.entry(f); err != nil {
			return staged{}, fmt.Errorf("%s: %w", clip(f.Name), err)
		}
	}
	return s.finish(now)
}

type stager struct {
	staged
	decoder  *decoder
	byID     map[string]int
	inflated int64
	limit    int64 // of inflated
	buf      bytes.Buffer
}

// entry reads one file of the zip. An error means that the zip itself is damaged or lies.
func (s *stager) entry(f *zip.File) error {
	if path.Ext(f.Name) != ".json" || path.Base(f.Name) != f.Name || strings.Contains(f.Name, `\`) {
		s.skip(f.Name, "no record's name")
		return nil
	}
	b, err := s.read(f)
	if s.inflated += int64(s.buf.Len()); s.inflated > s.limit {
		return fmt.Errorf("%w: records expand to more than %d bytes", plimsoll.ErrLimit, s.limit)
	}
	switch {
	case errors.Is(err, plimsoll.ErrInvalid):
		s.skip(f.Name, err.Error())
		return nil
	case err != nil:
		return err
	}
	a, err := s.decoder.decode(b)
	if err == nil && a.ID+".json" != f.Name {
		err = fmt.Errorf("%w: it holds %s", plimsoll.ErrInvalid, a.ID)
	}
	if err != nil {
		s.skip(f.Name, err.Error())
		return nil
	}
	s.add(a)
	return nil
}

// read expands one file, at most to the bound of a record whatever its header says.
func (s *stager) read(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", plimsoll.ErrIntegrity, err)
	}
	defer r.Close()
	s.buf.Reset()
	n, err := io.Copy(&s.buf, io.LimitReader(r, MaxRecord+1))
	switch {
	case n > MaxRecord:
		return nil, fmt.Errorf("%w: larger than %d bytes", plimsoll.ErrInvalid, MaxRecord)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", plimsoll.ErrIntegrity, err)
	}
	return s.buf.Bytes(), nil
}

// add takes a record; of two with one id the newer stays and the other counts as skipped.
func (s *stager) add(a plimsoll.Advisory) {
	if i, ok := s.byID[a.ID]; ok {
		if a.Modified.After(s.records[i].Modified) {
			s.records[i] = a
		}
		s.skip(a.ID, "the id stands twice")
		return
	}
	s.byID[a.ID] = len(s.records)
	s.records = append(s.records, a)
}

func (s *stager) skip(name, why string) {
	s.skipped++
	if len(s.skippedID) < maxSkipped {
		s.skippedID = append(s.skippedID, clip(line(strings.TrimSuffix(name, ".json")))+": "+clip(line(why)))
	}
}

func (s *stager) finish(now time.Time) (staged, error) {
	if len(s.records) == 0 {
		return staged{}, fmt.Errorf("%w: no usable record (%d skipped)", plimsoll.ErrInvalid, s.skipped)
	}
	all := len(s.records)
	s.settle(now)
	s.withdrawn = all - len(s.records)
	return s.staged, nil
}

// settle finds the newest date, takes the withdrawn records out and sorts the rest.
func (s *staged) settle(now time.Time) {
	for i := range s.records {
		if at := s.records[i].Modified; at.After(s.newest) && !at.After(now) {
			s.newest = at
		}
	}
	s.records = slices.DeleteFunc(s.records, func(a plimsoll.Advisory) bool { return !a.Withdrawn.IsZero() })
	slices.SortFunc(s.records, func(a, b plimsoll.Advisory) int { return strings.Compare(a.ID, b.ID) })
	slices.Sort(s.skippedID)
}

// clip keeps a word from outside readable in a list.
func clip(s string) string {
	const most = 160
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
