package blob

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Old batches of a stream stand merged, those of a day in one object (or more, where they are large):
//
//	changes/<stream>/merged/<last>-<first>
//
// with both sequences in 20 digits, the last one first, so that one listing finds the object that holds a sequence. What is
// merged begins with number 1 and has no gap; the newest [keptSingle] batches stand by themselves always, so that a writer meets
// them at its number. Where a batch stands in both forms, in the midst of a merge, the two are the same.

const (
	// mergeAfter is how old a day must be for its batches to be merged: older than what anybody follows.
	mergeAfter = 7 * 24 * time.Hour
	// keptSingle batches at the end of a stream are never merged, however old: clocks may be wrong, positions are not.
	keptSingle = 8
	// maxMerged bounds the batches of one object, in bytes: the memory of a merge, and of a reader several times.
	maxMerged = 8 << 20
	// mergedAhead objects are fetched at once by a reader.
	mergedAhead = 3
)

const folderMerged = "/merged/"

// span is the sequences that a merged object holds, from first to last.
type span struct{ first, last int64 }

func mergedPrefix(stream string) string { return PrefixChanges + stream + folderMerged }

// MergedKey is where the batches from first to last of a stream stand as one object.
func MergedKey(stream string, first, last int64) string {
	return fmt.Sprintf("%s%020d-%020d", mergedPrefix(stream), last, first)
}

func parseSpan(stream, key string) (x span, err error) {
	last, first, _ := strings.Cut(strings.TrimPrefix(key, mergedPrefix(stream)), "-")
	x.last, err = strconv.ParseInt(last, 10, 64)
	if err == nil {
		x.first, err = strconv.ParseInt(first, 10, 64)
	}
	if err != nil || MergedKey(stream, x.first, x.last) != key || x.first < 1 || x.first > x.last {
		return x, fmt.Errorf("list %s: %w: key %q is no span of sequences", mergedPrefix(stream), plimsoll.ErrInvalid, key)
	}
	return x, nil
}

// spans are those of a stream's merged objects that end with seq or later, in order.
func (s *Store) spans(ctx context.Context, stream string, seq int64) iter.Seq2[span, error] {
	return func(yield func(span, error) bool) {
		for e, err := range s.List(ctx, mergedPrefix(stream), fmt.Sprintf("%s%020d~", mergedPrefix(stream), seq-1)) {
			var x span
			if err == nil {
				x, err = parseSpan(stream, e.Key)
			}
			if !yield(x, err) || err != nil {
				return
			}
		}
	}
}

// spanOf is the first span that ends with seq or later; the zero span when there is none.
func (s *Store) spanOf(ctx context.Context, stream string, seq int64) (span, error) {
	prefix := mergedPrefix(stream)
	key, err := s.first(ctx, prefix, fmt.Sprintf("%s%020d~", prefix, seq-1))
	if err != nil || key == "" {
		return span{}, err
	}
	return parseSpan(stream, key)
}

// mergedTo is the last sequence that stands merged; from is one that is known to. 0 when none does.
func (s *Store) mergedTo(ctx context.Context, stream string, from int64) (int64, error) {
	for x, err := range s.spans(ctx, stream, from+1) {
		if err != nil {
			return 0, err
		}
		from = max(from, x.last)
	}
	return from, nil
}

// mergedBatches is a merged object. The batches are the very JSON that stood alone, whatever version wrote it.
type mergedBatches struct {
	Stream  string            `json:"stream"`
	First   int64             `json:"first"`
	Last    int64             `json:"last"`
	Batches []json.RawMessage `json:"batches"`
}

// readMerged reads one object and checks that it holds what its key says.
func (s *Store) readMerged(ctx context.Context, stream string, x span) ([]plimsoll.ChangeBatch, error) {
	key := MergedKey(stream, x.first, x.last)
	m, err := ReadJSON[mergedBatches](ctx, s, key)
	if err != nil {
		return nil, err
	}
	if m.Stream != stream || m.First != x.first || m.Last != x.last || int64(len(m.Batches)) != x.last-x.first+1 {
		return nil, fmt.Errorf("read %s: %w: it holds %s %d to %d in %d batches", s.at(key), plimsoll.ErrIntegrity, m.Stream, m.First, m.Last, len(m.Batches))
	}
	out := make([]plimsoll.ChangeBatch, len(m.Batches))
	for i, raw := range m.Batches {
		if err := json.Unmarshal(raw, &out[i]); err != nil {
			return nil, fmt.Errorf("read %s: %w: %w", s.at(key), plimsoll.ErrIntegrity, err)
		}
		if want := x.first + int64(i); out[i].Stream != stream || out[i].Sequence != want {
			return nil, fmt.Errorf("read %s: %w: it holds %s %d as %d", s.at(key), plimsoll.ErrIntegrity, out[i].Stream, out[i].Sequence, want)
		}
	}
	return out, nil
}

// mergedFrom gives the batches from seq on as far as they stand merged. Of spans that overlap each batch is given once; a hole
// between two ends it.
func (s *Store) mergedFrom(ctx context.Context, stream string, seq int64) iter.Seq2[plimsoll.ChangeBatch, error] {
	next := seq
	wanted := func(yield func(span, error) bool) {
		reached := next
		for x, err := range s.spans(ctx, stream, next) {
			if err != nil {
				yield(x, err)
				return
			}
			if x.first > reached {
				return
			}
			if x.last < reached {
				continue
			}
			if reached = x.last + 1; !yield(x, nil) {
				return
			}
		}
	}
	return func(yield func(plimsoll.ChangeBatch, error) bool) {
		all := inOrder(ctx, mergedAhead, wanted, func(ctx context.Context, x span) ([]plimsoll.ChangeBatch, error) { return s.readMerged(ctx, stream, x) })
		for batches, err := range all {
			if err != nil {
				yield(plimsoll.ChangeBatch{}, err)
				return
			}
			for _, b := range batches[next-batches[0].Sequence:] {
				next++
				if !yield(b, nil) {
					return
				}
			}
		}
	}
}

// Compact merges the old batches of every stream, so that a bucket holds an object a day instead of one a batch, and gives how
// many it merged. What a stream says stays the same to the byte, for whoever reads it meanwhile too. It may be cut anywhere and
// done again, and by two at once. A stream that cannot be merged does not keep the others.
func (s *Store) Compact(ctx context.Context, now time.Time) (merged int, err error) {
	streams, err := s.Streams(ctx)
	if err != nil {
		return 0, fmt.Errorf("merge old changes: %w", err)
	}
	for _, stream := range streams {
		n, serr := s.compact(ctx, stream, now)
		merged += n
		if ctx.Err() != nil {
			return merged, context.Cause(ctx)
		}
		if serr != nil {
			err = errors.Join(err, fmt.Errorf("merge old changes of %s: %w", stream, serr))
		}
	}
	return merged, err
}

func (s *Store) compact(ctx context.Context, stream string, now time.Time) (merged int, err error) {
	end, err := s.Position(ctx, stream)
	if err != nil {
		return 0, err
	}
	done, err := s.mergedTo(ctx, stream, 0)
	if err != nil {
		return 0, err
	}
	if err := s.dropMerged(ctx, stream, done); err != nil {
		return 0, err
	}
	m := merger{store: s, stream: stream, before: now.UTC().Truncate(24 * time.Hour).Add(-mergeAfter)}
	next := done + 1
	for b, err := range s.singles(ctx, stream, next, end-keptSingle) {
		if errors.Is(err, plimsoll.ErrNotFound) { // another merges it too, and is ahead, or it is a gap
			_, err = s.goesOn(ctx, stream, next)
			return m.merged, err
		}
		if err != nil {
			return m.merged, err
		}
		if old, err := m.take(ctx, b); !old || err != nil {
			return m.merged, err
		}
		next++
	}
	return m.merged, nil // the last day's batches may go on beyond what was read
}

// single is a batch that stands alone.
type single struct {
	raw []byte
	plimsoll.ChangeBatch
}

// singles reads the batches from first to last.
func (s *Store) singles(ctx context.Context, stream string, first, last int64) iter.Seq2[single, error] {
	numbers := func(yield func(int64, error) bool) {
		for seq := first; seq <= last && yield(seq, nil); seq++ {
		}
	}
	return inOrder(ctx, readAhead, numbers, func(ctx context.Context, seq int64) (x single, err error) {
		key := ChangeKey(stream, seq)
		o, err := s.Get(ctx, key)
		if err != nil {
			return x, err
		}
		var raw bytes.Buffer
		if err := errors.Join(json.Compact(&raw, o.Bytes), json.Unmarshal(o.Bytes, &x.ChangeBatch)); err != nil {
			return x, fmt.Errorf("read %s: %w: %w", s.at(key), plimsoll.ErrIntegrity, err)
		}
		x.raw = raw.Bytes()
		return x, s.isBatch(x.ChangeBatch, stream, seq)
	})
}

// merger gathers the batches of a day.
type merger struct {
	store  *Store
	stream string
	before time.Time // what is younger stays single
	merged int
	day    string
	held   []single
	bytes  int
}

// take takes the next batch in. What is held is merged when its day is over by what comes after it, or the object is full: so
// two that merge at once cut alike. old is false when the batch is too young: what follows is not asked for.
func (m *merger) take(ctx context.Context, b single) (old bool, err error) {
	day := b.Time.UTC().Format(time.DateOnly)
	if len(m.held) > 0 && (day != m.day || m.bytes+len(b.raw) > maxMerged) {
		if err := m.merge(ctx); err != nil {
			return false, err
		}
	}
	if !b.Time.Before(m.before) {
		return false, nil
	}
	m.day, m.held, m.bytes = day, append(m.held, b), m.bytes+len(b.raw)
	return true, nil
}

// merge writes what is held as one object, reads it back, and removes the single ones.
func (m *merger) merge(ctx context.Context) error {
	x := span{m.held[0].Sequence, m.held[len(m.held)-1].Sequence}
	doc := mergedBatches{Stream: m.stream, First: x.first, Last: x.last}
	for _, b := range m.held {
		doc.Batches = append(doc.Batches, b.raw)
	}
	key := MergedKey(m.stream, x.first, x.last)
	written, err := encodeJSON(doc)
	if err != nil {
		return err
	}
	if err := m.store.Create(ctx, key, written); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	there, err := ReadJSON[mergedBatches](ctx, m.store, key)
	if err != nil {
		return err
	}
	same := there.Stream == doc.Stream && there.First == x.first && there.Last == x.last &&
		slices.EqualFunc(there.Batches, doc.Batches, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
	if !same {
		return fmt.Errorf("%s: %w: it differs from the batches that it should hold", m.store.at(key), plimsoll.ErrIntegrity)
	}
	if err := m.store.dropSingles(ctx, m.stream, x.first, x.last); err != nil {
		return err
	}
	m.merged, m.held, m.bytes = m.merged+len(m.held), nil, 0
	return nil
}

// dropMerged removes single batches up to a sequence that stands merged: what a merge that was cut has left. A batch there that
// is another one was written by a writer that slept through the merge, and was never acknowledged (see Append).
func (s *Store) dropMerged(ctx context.Context, stream string, to int64) error {
	for {
		seq, err := s.after(ctx, stream, 0)
		if err != nil || seq == 0 || seq > to {
			return err
		}
		x, err := s.spanOf(ctx, stream, seq)
		if err != nil {
			return err
		}
		if x.first == 0 || x.first > seq {
			return fmt.Errorf("%w: number %d stands alone below %d, and no merged object holds it", plimsoll.ErrIntegrity, seq, to)
		}
		if _, err := s.readMerged(ctx, stream, x); err != nil {
			return err
		}
		if err := s.dropSingles(ctx, stream, seq, x.last); err != nil {
			return err
		}
	}
}

func (s *Store) dropSingles(ctx context.Context, stream string, first, last int64) error {
	numbers := func(yield func(int64, error) bool) {
		for seq := first; seq <= last && yield(seq, nil); seq++ {
		}
	}
	for _, err := range inOrder(ctx, readAhead, numbers, func(ctx context.Context, seq int64) (struct{}, error) {
		return struct{}{}, s.Delete(ctx, ChangeKey(stream, seq))
	}) {
		if err != nil {
			return err
		}
	}
	return nil
}
