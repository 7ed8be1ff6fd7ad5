package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
)

const (
	// maxAppends bounds how often Append looks for the next number: each round lost means that another writer won one.
	maxAppends = 64
	// readAhead batches of a stream are fetched at once, so that a long log is not read at one round trip a batch.
	readAhead = 16
	// tailFresh is how long the end of a stream is believed to be where it was seen, or later. Batches much older than that are
	// merged, and their numbers, which are then free again, must not be taken: see mergeAfter.
	tailFresh = time.Hour
)

// tail is the last sequence of a stream as far as this process knows; others may have gone on.
type tail struct {
	mu    sync.Mutex // held while the stream is appended to: one writer a process needs no second try
	known bool
	seq   int64
	seen  time.Time // when it was
}

// fresh reports whether the tail may be built on. It asks the wall clock, which goes on while a machine sleeps.
func (t *tail) fresh(now time.Time) bool {
	return t.known && now.Round(0).Sub(t.seen.Round(0)) < tailFresh
}

func (s *Store) tail(stream string) *tail {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tails[stream]
	if t == nil {
		t = &tail{}
		s.tails[stream] = t
	}
	return t
}

// Append writes one batch under the stream's next number, which it returns. Where another writer takes the number
// first, it reads on and takes the next. The order across streams is not defined.
//
// A writer that slept between looking for the end and writing may find its number free because the batch that had it was
// merged: it looks again before it says that the batch is in.
func (s *Store) Append(ctx context.Context, stream, actor string, now time.Time, changes []plimsoll.Change) (int64, error) {
	t := s.tail(stream)
	t.mu.Lock()
	defer t.mu.Unlock()
	for try := range maxAppends {
		// The number after the one remembered is tried at once; only a lost race, or the first time, asks for the end.
		if try > 0 || !t.fresh(s.now()) {
			if err := s.advance(ctx, stream, t); err != nil {
				return 0, fmt.Errorf("append to %s: %w", stream, err)
			}
		}
		batch := plimsoll.ChangeBatch{Stream: stream, Sequence: t.seq + 1, Time: now, Actor: actor, Changes: changes}
		mine, err := s.appendBatch(ctx, batch)
		if err != nil {
			return 0, fmt.Errorf("append to %s: %w", stream, err)
		}
		if mine && !t.fresh(s.now()) {
			if mine, err = s.stillMine(ctx, stream, batch.Sequence); err != nil {
				return 0, fmt.Errorf("append to %s: %w", stream, err)
			}
			if !mine {
				t.known = false
				continue
			}
		}
		t.seq++
		if mine {
			t.seen = s.now()
			return batch.Sequence, nil
		}
	}
	return 0, fmt.Errorf("append to %s: %w: other writers took %d numbers in a row", stream, plimsoll.ErrUnavailable, maxAppends)
}

// appendBatch says whether the batch is now the one at its number. It may be without our knowing, when the answer to
// our write was lost: then what stands there is the same to the byte.
func (s *Store) appendBatch(ctx context.Context, batch plimsoll.ChangeBatch) (mine bool, err error) {
	b, err := encodeJSON(batch)
	if err != nil {
		return false, err
	}
	key := ChangeKey(batch.Stream, batch.Sequence)
	err = s.Create(ctx, key, b)
	if !errors.Is(err, ErrExists) {
		return err == nil, err
	}
	there, err := s.Get(ctx, key)
	if errors.Is(err, plimsoll.ErrNotFound) {
		return false, nil // it was another's, and has been merged since
	}
	if err != nil {
		return false, err
	}
	return bytes.Equal(there.Bytes, b), nil
}

// stillMine says whether a batch that has just been written counts. Where its number stands merged it does not, and is removed.
func (s *Store) stillMine(ctx context.Context, stream string, seq int64) (bool, error) {
	x, err := s.spanOf(ctx, stream, seq)
	if err != nil || x.first == 0 || x.first > seq {
		return err == nil, err
	}
	return false, s.Delete(ctx, ChangeKey(stream, seq))
}

// Position is the stream's last sequence, 0 when it has none. The first call for a stream costs a few dozen requests
// on a long log, as does one after an hour without; others one and what came since.
func (s *Store) Position(ctx context.Context, stream string) (int64, error) {
	t := s.tail(stream)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := s.advance(ctx, stream, t); err != nil {
		return 0, fmt.Errorf("position of %s: %w", stream, err)
	}
	return t.seq, nil
}

// advance moves t to the end of the stream. The first time, and where t may be too old, listings make sure that it begins
// beyond what is merged, and that nothing stands after a gap.
func (s *Store) advance(ctx context.Context, stream string, t *tail) error {
	now := s.now()
	if !t.fresh(now) {
		t.known = false
		merged, err := s.mergedTo(ctx, stream, t.seq)
		if err != nil {
			return err
		}
		t.seq = merged
	}
	for {
		end, err := s.end(ctx, stream, t.seq)
		if err != nil {
			return err
		}
		t.seq, t.seen = end, now
		if t.known {
			return nil
		}
		more, err := s.goesOn(ctx, stream, end+1)
		if err != nil {
			return err
		}
		if more == inMerged { // the end that was found was merged meanwhile
			if t.seq, err = s.mergedTo(ctx, stream, end); err != nil {
				return err
			}
		}
		t.known = more == nothingMore
	}
}

// end is the last number of the stream, which has low, alone or merged (or low is 0). Numbers have no gaps, so it is found by doubling
// steps and halving them again, with single HEADs: to list a long log costs the whole of it on a file system.
func (s *Store) end(ctx context.Context, stream string, low int64) (int64, error) {
	step := int64(1)
	for {
		ok, err := s.Head(ctx, ChangeKey(stream, low+step))
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		low, step = low+step, step*2
	}
	for high := low + step; high-low > 1; { // high does not exist
		mid := low + (high-low)/2
		ok, err := s.Head(ctx, ChangeKey(stream, mid))
		if err != nil {
			return 0, err
		}
		if ok {
			low = mid
		} else {
			high = mid
		}
	}
	return low, nil
}

// after is the lowest sequence above seq that a listing shows to stand alone; 0 when there is none. Merged ones come after all
// numbers.
func (s *Store) after(ctx context.Context, stream string, seq int64) (int64, error) {
	prefix := PrefixChanges + stream + "/"
	key, err := s.first(ctx, prefix, ChangeKey(stream, seq))
	if err != nil || key == "" || strings.HasPrefix(key, mergedPrefix(stream)) {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(key, prefix), 10, 64)
	if err != nil || ChangeKey(stream, n) != key {
		return 0, fmt.Errorf("list %s: %w: key %q is no sequence", prefix, plimsoll.ErrInvalid, key)
	}
	return n, nil
}

// GapError is returned when a number is missing in a stream that goes on after it. History from there on cannot be
// trusted; restore the object from a backup.
type GapError struct {
	Stream  string
	Missing int64 // the first number that is missing
	Next    int64 // the lowest that exists after it
}

func (e *GapError) Error() string {
	return fmt.Sprintf("change log %s: number %d is missing and %d exists: restore %s, or what holds it under %s, from a backup",
		e.Stream, e.Missing, e.Next, ChangeKey(e.Stream, e.Missing), mergedPrefix(e.Stream))
}

// Unwrap makes a gap an integrity fault.
func (e *GapError) Unwrap() error { return plimsoll.ErrIntegrity }

func gap(stream string, missing, next int64) error {
	return &GapError{Stream: stream, Missing: missing, Next: next}
}

// Changes gives the batches of a stream after a sequence, in order, to its present end. A gap or an unreadable batch
// ends it with an error (a [*GapError] for a gap): the fold must stop there.
func (s *Store) Changes(ctx context.Context, stream string, after int64) iter.Seq2[plimsoll.ChangeBatch, error] {
	return func(yield func(plimsoll.ChangeBatch, error) bool) {
		next, width := after+1, 1
		for {
			read := 0
			for batch, err := range s.batches(ctx, stream, next, width) {
				if errors.Is(err, plimsoll.ErrNotFound) {
					break
				}
				if !yield(batch, err) || err != nil {
					return
				}
				read++
			}
			next += int64(read)
			if read == width {
				width = min(width*2, readAhead)
				continue
			}
			more, err := s.goesOn(ctx, stream, next)
			if err != nil {
				yield(plimsoll.ChangeBatch{}, err)
				return
			}
			if more == nothingMore {
				return
			}
			if more == inMerged {
				for batch, err := range s.mergedFrom(ctx, stream, next) {
					if !yield(batch, err) || err != nil {
						return
					}
					next = batch.Sequence + 1
				}
			}
			width = 1
		}
	}
}

// batches reads n batches from first on, at once, and gives them in order.
func (s *Store) batches(ctx context.Context, stream string, first int64, n int) iter.Seq2[plimsoll.ChangeBatch, error] {
	seqs := func(yield func(int64, error) bool) {
		for i := range int64(n) {
			if !yield(first+i, nil) {
				return
			}
		}
	}
	return inOrder(ctx, readAhead, seqs, func(ctx context.Context, seq int64) (plimsoll.ChangeBatch, error) {
		return s.batch(ctx, stream, seq)
	})
}

func (s *Store) batch(ctx context.Context, stream string, seq int64) (plimsoll.ChangeBatch, error) {
	key := ChangeKey(stream, seq)
	b, err := ReadJSON[plimsoll.ChangeBatch](ctx, s, key)
	if err == nil {
		err = s.isBatch(b, stream, seq)
	}
	return b, err
}

// isBatch checks that a batch is the one of its number.
func (s *Store) isBatch(b plimsoll.ChangeBatch, stream string, seq int64) error {
	if b.Stream != stream || b.Sequence != seq {
		return fmt.Errorf("read %s: %w: it holds %s %d", s.at(ChangeKey(stream, seq)), plimsoll.ErrIntegrity, b.Stream, b.Sequence)
	}
	return nil
}

// more is where a stream goes on.
type more int

const (
	nothingMore more = iota
	alone
	inMerged
)

// goesOn says whether and where there is something to read at seq, which did not stand alone a moment ago. What listings show
// after it is either news or proof of a gap.
func (s *Store) goesOn(ctx context.Context, stream string, seq int64) (more, error) {
	later, err := s.after(ctx, stream, seq-1)
	if err != nil {
		return nothingMore, err
	}
	if later == seq {
		return alone, nil
	}
	if later != 0 {
		ok, err := s.Head(ctx, ChangeKey(stream, seq))
		if err != nil || ok {
			return alone, err
		}
	}
	// What is merged is written before the single ones go: who misses one of these finds it here.
	x, err := s.spanOf(ctx, stream, seq)
	switch {
	case err != nil:
		return nothingMore, err
	case x.first != 0 && x.first <= seq:
		return inMerged, nil
	case x.first != 0 && (later == 0 || x.first < later):
		return nothingMore, gap(stream, seq, x.first)
	case later != 0:
		return nothingMore, gap(stream, seq, later)
	}
	return nothingMore, nil
}

// Streams are the names of all streams that hold a change, sorted.
func (s *Store) Streams(ctx context.Context) ([]string, error) {
	var names []string
	for name, err := range s.Folders(ctx, PrefixChanges) {
		if err != nil {
			return nil, fmt.Errorf("list change streams: %w", err)
		}
		names = append(names, name)
	}
	return names, nil
}
