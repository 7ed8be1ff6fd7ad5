package advisory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// Our own records are OSV records with an id "PLIM-…": what this organisation knows before, or beside, the public. They stand
// in the bucket, every version of them, and are part of each generation from the moment that they are added. They are about
// packages of any ecosystem, but say nothing of what else is known there: see [Index.Covers].

// ownID is the form of our own ids; it is a segment of an object key.
var ownID = regexp.MustCompile(`^PLIM-[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// maxOwn bounds our own records: they are written by hand.
const maxOwn = 10_000

// ownVersion is one version of one of our own records, as it stands in the bucket.
type ownVersion struct {
	Added  time.Time       `json:"added"`
	Actor  string          `json:"actor"`
	Record json.RawMessage `json:"record"` // as it was given
}

// CheckOwn reads one of our own records and says everything that is wrong with it. now is the date of its last change where it
// gives none. An error wraps [plimsoll.ErrInvalid].
func CheckOwn(b []byte, now time.Time) (plimsoll.Advisory, error) {
	var head struct {
		Modified *string `json:"modified"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return plimsoll.Advisory{}, fmt.Errorf("%w: no JSON object: %w", plimsoll.ErrInvalid, place(b, err))
	}
	if head.Modified == nil {
		var err error
		if b, err = withDate(b, now); err != nil {
			return plimsoll.Advisory{}, err
		}
	}
	a, err := Decode(b)
	if err != nil {
		return plimsoll.Advisory{}, err
	}
	var faults []error
	fault := func(text string, args ...any) { faults = append(faults, fmt.Errorf(text, args...)) }
	if !ownID.MatchString(a.ID) {
		fault("id %q: write PLIM- and up to 64 letters, digits, dots, dashes: others' ids are others'", a.ID)
	}
	if len(a.Affected) == 0 && a.Withdrawn.IsZero() {
		fault("affected: it names no package with versions; write affected: [{package: {ecosystem, name}, ranges: [{type: ECOSYSTEM, events: [{introduced: \"0\"}]}]}]")
	}
	for i, x := range a.Affected {
		if family, _, _ := strings.Cut(x.Ecosystem, ":"); !ecosystemForm.MatchString(family) {
			fault("affected[%d].package.ecosystem %q: write OSV's name, as npm, Debian:12 or Alpine:v3.20", i, x.Ecosystem)
		}
	}
	if len(faults) > 0 {
		return plimsoll.Advisory{}, fmt.Errorf("%w: %w", plimsoll.ErrInvalid, errors.Join(faults...))
	}
	return a, nil
}

var ecosystemForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9. +-]{0,60}$`)

// withDate gives a record that has none the date of its last change.
func withDate(b []byte, now time.Time) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return nil, fmt.Errorf("%w: no JSON object: %w", plimsoll.ErrInvalid, err)
	}
	fields["modified"] = json.RawMessage(strconv.Quote(now.UTC().Format(time.RFC3339)))
	return json.Marshal(fields)
}

// place adds the line to an error of the JSON library.
func place(b []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	at := int64(0)
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
	default:
		return err
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(b[:min(at, int64(len(b)))], []byte("\n")), err)
}

// Own splits a file of our own records: one OSV record, or a list of them.
func Own(b []byte) ([]json.RawMessage, error) {
	if trimmed := bytes.TrimSpace(b); len(trimmed) == 0 || trimmed[0] != '[' {
		return []json.RawMessage{trimmed}, nil
	}
	var all []json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("%w: no list of JSON objects: %w", plimsoll.ErrInvalid, place(b, err))
	}
	return all, nil
}

// AddOwn checks a file of our own records (one, or a list) and keeps each as the next version of its id; a record with
// "withdrawn" takes an earlier one back. All are checked before one is kept. The records are in force with the next Update.
func AddOwn(ctx context.Context, s *blob.Store, file []byte, actor string, now time.Time) (ids []string, err error) {
	all, err := Own(file)
	if err != nil {
		return nil, err
	}
	var faults []error
	for i, raw := range all {
		a, err := CheckOwn(raw, now)
		if err != nil {
			faults = append(faults, fmt.Errorf("record %d: %w", i+1, err))
			continue
		}
		if all[i], err = dated(raw, a, now); err != nil {
			return nil, err
		}
		ids = append(ids, a.ID)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	for i, raw := range all {
		if err := keepOwn(ctx, s, ids[i], ownVersion{now.UTC(), actor, raw}); err != nil {
			return ids[:i], err
		}
	}
	return ids, nil
}

func dated(raw json.RawMessage, a plimsoll.Advisory, now time.Time) (json.RawMessage, error) {
	if a.Modified.Equal(now.UTC().Truncate(time.Second)) && !bytes.Contains(raw, []byte(`"modified"`)) {
		return withDate(raw, now)
	}
	return raw, nil
}

func keepOwn(ctx context.Context, s *blob.Store, id string, v ownVersion) error {
	const tries = 10
	for range tries {
		last := 0
		for e, err := range s.List(ctx, blob.OwnPrefix(id), "") {
			if err != nil {
				return fmt.Errorf("keep %s: %w", id, err)
			}
			last = versionOf(e.Key)
		}
		err := blob.CreateJSON(ctx, s, blob.OwnKey(id, last+1), v)
		if !errors.Is(err, blob.ErrExists) {
			if err != nil {
				return fmt.Errorf("keep %s: %w", id, err)
			}
			return nil
		}
	}
	return fmt.Errorf("keep %s: %w: somebody else writes versions of it at the same time; try again", id, plimsoll.ErrUnavailable)
}

func versionOf(key string) int {
	n, err := strconv.Atoi(key[strings.LastIndexByte(key, '/')+1:])
	if err != nil {
		return 0
	}
	return n
}

// readOwn reads the newest version of each of our own records that is not withdrawn, sorted by id. One that cannot be read is
// an error beside the others.
func readOwn(ctx context.Context, s *blob.Store, now time.Time) (records []plimsoll.Advisory, withdrawn int, err error) {
	newest := map[string]string{} // id → key
	for e, lerr := range s.List(ctx, blob.PrefixOwn, "") {
		if lerr != nil {
			return nil, 0, fmt.Errorf("list our own advisories: %w", lerr)
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(e.Key, blob.PrefixOwn), "/")
		newest[id] = e.Key // sorted: the last is the newest
		if len(newest) > maxOwn {
			return nil, 0, fmt.Errorf("our own advisories: %w: more than %d", plimsoll.ErrLimit, maxOwn)
		}
	}
	var faults error
	for _, id := range sortedKeys(newest) {
		v, rerr := blob.ReadJSON[ownVersion](ctx, s, newest[id])
		if rerr != nil {
			faults = errors.Join(faults, fmt.Errorf("%s: %w", id, rerr))
			continue
		}
		a, rerr := CheckOwn(v.Record, v.Added)
		switch {
		case rerr != nil:
			faults = errors.Join(faults, fmt.Errorf("%s: %w", id, rerr))
		case a.ID != id:
			faults = errors.Join(faults, fmt.Errorf("%s: %w: it calls itself %s", id, plimsoll.ErrIntegrity, a.ID))
		case !a.Withdrawn.IsZero():
			withdrawn++
		default:
			records = append(records, a)
		}
	}
	slices.SortFunc(records, func(a, b plimsoll.Advisory) int { return strings.Compare(a.ID, b.ID) })
	return records, withdrawn, faults
}

// own brings our own records to their present state. With a fault the last good state stays.
func (u *Updater) own(ctx context.Context) part {
	now := u.o.Now().UTC()
	last := u.last.generation.Own
	last.Ecosystem = ownFeed
	records, withdrawn, err := readOwn(ctx, u.store, now)
	if err != nil {
		last.Error = err.Error()
		return part{feed: last}
	}
	if len(records) == 0 {
		return part{feed: plimsoll.Feed{Ecosystem: ownFeed, Checked: now, Withdrawn: withdrawn}}
	}
	s := staged{records: records, withdrawn: withdrawn}
	s.settle(now)
	p, err := u.pack(ctx, ownFeed, s, plimsoll.Feed{Pack: last.Pack, Since: last.Since, Checked: now})
	if err != nil {
		last.Error = err.Error()
		return part{feed: last}
	}
	return p
}
