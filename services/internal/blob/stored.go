package blob

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/minio/minio-go/v7"

	"github.com/plimsoll/plimsoll"
)

// Stored is one object as it stands in the bucket: sealed, and not checked.
type Stored struct {
	Key   string
	Bytes []byte
	Sum   string // what its metadata says of the uncompressed bytes: lower-case hexadecimal sha256
}

// GetStored reads one object as it stands, for who moves or examines objects: sealed.Open checks it.
// [plimsoll.ErrNotFound] is returned when the key holds none.
func (s *Store) GetStored(ctx context.Context, key string) (Stored, error) {
	o := Stored{Key: key}
	err := s.retry(ctx, "read", key, func() error {
		body, info, _, err := s.core.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		defer body.Close()
		o.Sum = info.UserMetadata[metaSum]
		o.Bytes, err = readBody(body, info.Size)
		return err
	})
	return o, err
}

// Sum is what an object's metadata says of its uncompressed bytes; false when the key holds none.
func (s *Store) Sum(ctx context.Context, key string) (string, bool, error) {
	info, err := s.stat(ctx, key)
	if errors.Is(err, plimsoll.ErrNotFound) {
		return "", false, nil
	}
	return info.UserMetadata[metaSum], err == nil, err
}

// StoredChanges gives the objects that hold a stream's batches from the first to number to, in order, as they stand. Each batch
// is in one of them or more, also while old batches are being merged. A gap ends it with a [*GapError].
func (s *Store) StoredChanges(ctx context.Context, stream string, to int64) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		for next := int64(1); next <= to; {
			o, last, err := s.storedAt(ctx, stream, next)
			if !yield(o, err) || err != nil {
				return
			}
			next = last + 1
		}
	}
}

// storedAt is the object that holds a number, and the last number that it holds. What is merged is asked for first: it is many
// batches at once, and it does not go away.
func (s *Store) storedAt(ctx context.Context, stream string, seq int64) (Stored, int64, error) {
	for {
		x, err := s.spanOf(ctx, stream, seq)
		if err != nil {
			return Stored{}, 0, err
		}
		if x.first != 0 && x.first <= seq {
			o, err := s.GetStored(ctx, MergedKey(stream, x.first, x.last))
			return o, x.last, err
		}
		o, err := s.GetStored(ctx, ChangeKey(stream, seq))
		if !errors.Is(err, plimsoll.ErrNotFound) {
			return o, seq, err
		}
		switch more, err := s.goesOn(ctx, stream, seq); {
		case err != nil:
			return Stored{}, 0, err
		case more == nothingMore:
			return Stored{}, 0, fmt.Errorf("change log %s: %w: it ends before number %d", stream, plimsoll.ErrIntegrity, seq)
		}
	}
}
