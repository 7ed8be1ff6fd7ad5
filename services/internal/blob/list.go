package blob

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/minio/minio-go/v7"
)

// pageSize is S3's own bound on the keys of one listing request.
const pageSize = 1000

// List gives every key that starts with prefix and is greater than after, sorted by bytes, whatever folders they stand
// in. An error ends it: what came before is a part, never the whole.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for info, err := range s.list(ctx, prefix, after, true, pageSize) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(Entry{Key: info.Key, Size: info.Size, Modified: info.LastModified}, nil) {
				return
			}
		}
	}
}

// Folders gives the names of the folders straight below prefix (which ends in "/" or is empty), sorted, each without
// prefix and slash.
func (s *Store) Folders(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		last := ""
		for info, err := range s.list(ctx, prefix, "", false, pageSize) {
			if err != nil {
				yield("", err)
				return
			}
			name, isFolder := strings.CutSuffix(strings.TrimPrefix(info.Key, prefix), "/")
			// A listing that is taken up again gives the folder it stopped in once more.
			if !isFolder || name == "" || name == last {
				continue
			}
			last = name
			if !yield(name, nil) {
				return
			}
		}
	}
}

// first is the lowest key with prefix after after; "" when there is none.
func (s *Store) first(ctx context.Context, prefix, after string) (string, error) {
	for info, err := range s.list(ctx, prefix, after, true, 1) {
		return info.Key, err
	}
	return "", nil
}

// list pages through a listing. A page that fails in a way that may pass is asked for again, from the last key on.
func (s *Store) list(ctx context.Context, prefix, after string, recursive bool, page int) iter.Seq2[minio.ObjectInfo, error] {
	return func(yield func(minio.ObjectInfo, error) bool) {
		for try := 0; ; try++ {
			last, stopped, err := s.pages(ctx, prefix, after, recursive, page, yield)
			if stopped {
				return
			}
			if err == nil && ctx.Err() == nil {
				return
			}
			if last != after {
				after, try = last, 0 // it went on: the trouble is a new one
			}
			if ctx.Err() != nil || !transient(err) || try+1 == maxTries || pause(ctx, try) != nil {
				yield(minio.ObjectInfo{}, s.wrap(ctx, "list", prefix, orCancelled(err)))
				return
			}
		}
	}
}

// pages yields what it can and returns the last key, whether the reader stopped, and what ended it.
func (s *Store) pages(ctx context.Context, prefix, after string, recursive bool, page int, yield func(minio.ObjectInfo, error) bool) (last string, stopped bool, err error) {
	opts := minio.ListObjectsOptions{Prefix: prefix, Recursive: recursive, StartAfter: after, MaxKeys: page, FetchOwner: new(bool)}
	last = after
	for info := range s.core.ListObjectsIter(ctx, s.bucket, opts) {
		if info.Err != nil {
			return last, false, info.Err
		}
		if info.Key <= last && recursive {
			return last, false, fmt.Errorf("listing is not sorted: %q came after %q", info.Key, last)
		}
		last = info.Key
		if !yield(info, nil) {
			return last, true, nil
		}
	}
	return last, false, nil
}

// orCancelled stands for a listing that a cancelled context ended without an error of its own.
func orCancelled(err error) error {
	if err == nil {
		return context.Canceled
	}
	return err
}
