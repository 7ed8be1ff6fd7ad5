package advisory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Incremental is a source that tells which records of a feed changed, and gives them one by one: osv.dev's bucket and its
// mirrors.
type Incremental interface {
	Source
	// Modified reads a feed's modified_id.csv: a line "<modified>,<id>" a record, the newest first.
	Modified(ctx context.Context, ecosystem string, have Stamp) (Answer, error)
	// Record reads one record's JSON.
	Record(ctx context.Context, ecosystem, id string) ([]byte, error)
}

const (
	modifiedCSV = "modified_id.csv"
	// maxIncrement is how many records are fetched one by one: more come faster, and kinder to the server, as the whole zip.
	maxIncrement = 200
)

// listed is a feed's modified_id.csv: what it lists, by id.
type listed struct {
	modified map[string]time.Time
	newest   time.Time // not in the future
}

// readModified reads a list of records. Lines that are none are counted by nobody: the zip is what counts.
func readModified(b []byte, now time.Time) (listed, error) {
	l := listed{modified: map[string]time.Time{}}
	for text := range strings.Lines(string(b)) {
		date, id, ok := strings.Cut(strings.TrimSpace(text), ",")
		at, err := time.Parse(time.RFC3339, date)
		if !ok || err != nil || !idForm.MatchString(id) {
			continue
		}
		if len(l.modified) >= maxEntries {
			return listed{}, fmt.Errorf("%s: %w: more than %d records", modifiedCSV, plimsoll.ErrLimit, maxEntries)
		}
		if known, twice := l.modified[id]; !twice || at.After(known) {
			l.modified[id] = at.UTC()
		}
		if at.After(l.newest) && !at.After(now) {
			l.newest = at.UTC()
		}
	}
	if len(l.modified) == 0 {
		return listed{}, fmt.Errorf("%s: %w: it lists no record", modifiedCSV, plimsoll.ErrInvalid)
	}
	return l, nil
}

// increment brings the feed of the last generation to what its list says, fetching only records that changed. ok is false
// when the whole zip is to be read instead: there is nothing to start from, the source has no list, or too much changed.
func (u *Updater) increment(ctx context.Context, ecosystem string, last plimsoll.Feed) (p part, ok bool, err error) {
	source, can := u.source.(Incremental)
	before := segmentAt(u.last.segments, last)
	if !can || before == nil || last.Listed.IsZero() || !u.sameSource() || u.distrust {
		return part{}, false, nil
	}
	now := u.o.Now().UTC()
	answer, err := source.Modified(ctx, ecosystem, Stamp{last.ListETag, last.ListChanged})
	switch {
	case errors.Is(err, plimsoll.ErrNotFound):
		return part{}, false, nil
	case err != nil:
		return part{}, false, err
	}
	same := last
	same.Checked, same.Error, same.ListETag, same.ListChanged = now, "", answer.Stamp.ETag, answer.Stamp.Changed
	if answer.Unchanged {
		return part{feed: same}, true, nil
	}
	list, err := readModified(answer.Bytes, now)
	if err != nil {
		return part{}, false, err
	}
	if list.newest.Before(last.Listed) && !u.accept {
		return part{}, false, backInTime(list.newest, last.Listed)
	}
	changed, gone, enough := compareList(before, last, list)
	if !enough {
		return part{}, false, nil
	}
	same.Listed = list.newest
	if len(changed) == 0 && len(gone) == 0 {
		return part{feed: same}, true, nil
	}
	s, err := u.fetch(ctx, source, ecosystem, before, changed, gone)
	if errors.Is(err, plimsoll.ErrNotFound) {
		return part{}, false, nil // listed and not there: the list and the records are of different moments
	}
	if err != nil {
		return part{}, false, err
	}
	s.newest = last.Newest
	s.settle(now)
	s.skipped, s.skippedID = addSkipped(last, s)
	s.withdrawn = max(0, len(list.modified)-len(s.records)-s.skipped)
	if err := u.guard(last, s); err != nil {
		return part{}, false, err
	}
	p, err = u.pack(ctx, ecosystem, s, same)
	return p, err == nil, err
}

// addSkipped counts what was skipped now beside what was before; a record that was skipped before counts once.
func addSkipped(last plimsoll.Feed, s staged) (n int, ids []string) {
	n, ids = last.Skipped, slices.Clone(last.SkippedID)
	for _, named := range s.skippedID {
		id, _, _ := strings.Cut(named, ": ")
		if slices.ContainsFunc(ids, func(had string) bool { return strings.HasPrefix(had, id+": ") }) {
			continue
		}
		if n++; len(ids) < maxSkipped {
			ids = append(ids, named)
		}
	}
	slices.Sort(ids)
	return n, ids
}

// compareList finds what a list says to have changed since the last generation: records that are new or newer, and records
// that are no longer listed. What the last generation did not use (withdrawn, skipped) is listed too, and known by its date
// alone; when there is more of it than there was, something came in under an old date. enough is false when the zip must tell.
func compareList(before *segment, last plimsoll.Feed, list listed) (changed []string, gone map[string]bool, enough bool) {
	gone = map[string]bool{}
	have := make(map[string]bool, before.len())
	for i := range before.len() {
		id := string(before.id(i))
		have[id] = true
		at, is := list.modified[id]
		switch {
		case !is:
			gone[id] = true
		case at.After(before.modified(i)):
			changed = append(changed, id)
		}
	}
	unused := 0
	for id, at := range list.modified {
		switch {
		case have[id]:
		case at.After(last.Listed):
			changed = append(changed, id)
		default:
			unused++
		}
	}
	slices.Sort(changed)
	return changed, gone, len(changed) <= maxIncrement && unused <= last.Withdrawn+last.Skipped
}

// fetch reads the records that changed and puts them in the place of those that stand. A record that cannot be used keeps its
// last good form, is counted and named.
func (u *Updater) fetch(ctx context.Context, source Incremental, ecosystem string, before *segment, changed []string, gone map[string]bool) (staged, error) {
	var s stager
	s.decoder, s.byID = newDecoder(), map[string]int{}
	dropped := map[string]bool{}
	for _, id := range changed {
		b, err := source.Record(ctx, ecosystem, id)
		if errors.Is(err, plimsoll.ErrLimit) {
			s.skip(id, err.Error())
			continue
		}
		if err != nil {
			return staged{}, err
		}
		a, err := s.decoder.decode(b)
		if err == nil && a.ID != id {
			err = fmt.Errorf("%w: it holds %s", plimsoll.ErrInvalid, a.ID)
		}
		switch i, had := before.find(id); {
		case err != nil:
			s.skip(id, err.Error())
		case had && a.Modified.Before(before.modified(i)):
			s.skip(id, "it is older than the form that we have")
		case !a.Withdrawn.IsZero():
			dropped[id] = true
		default:
			s.add(a)
		}
	}
	for i := range before.len() {
		id := string(before.id(i))
		if _, again := s.byID[id]; !again && !gone[id] && !dropped[id] {
			s.records = append(s.records, before.copyOf(i))
		}
	}
	return s.staged, nil
}
