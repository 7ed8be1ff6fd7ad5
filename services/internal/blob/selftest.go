package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"github.com/plimsoll/plimsoll"
)

// Unconditional is what to tell people when [Store.Conditional] is false after a self-test.
const Unconditional = "the bucket does not honour conditional writes (If-None-Match, If-Match): run exactly one scheduler and one reporter, or move to an S3 server that has them"

// SelfTest tries what the product needs of the bucket: write, read, list, delete, and conditional writes. An error
// names the step that failed. That conditional writes are not honoured is no error but seen by [Store.Conditional]:
// from then on the store asks before it writes.
func (s *Store) SelfTest(ctx context.Context) error {
	// No key is a prefix of another's, and tests of several parts at once must not meet.
	key := "selftest/" + rand.Text()
	if err := s.trial(ctx, key); err != nil {
		return errors.Join(fmt.Errorf("bucket self-test: %w", err), s.Delete(context.WithoutCancel(ctx), key))
	}
	if err := s.Delete(ctx, key); err != nil {
		return fmt.Errorf("bucket self-test: %w", err)
	}
	there, err := s.Head(ctx, key)
	if err != nil {
		return fmt.Errorf("bucket self-test: %w", err)
	}
	if there {
		return fmt.Errorf("bucket self-test: %s: %w: an object just deleted is still there; the bucket must be strongly consistent", s.at(key), plimsoll.ErrUnsupported)
	}
	return nil
}

func (s *Store) trial(ctx context.Context, key string) error {
	if err := s.Put(ctx, key, []byte("one")); err != nil {
		return err
	}
	o, err := s.Get(ctx, key)
	if err != nil {
		return err
	}
	if string(o.Bytes) != "one" {
		return fmt.Errorf("read %s: %w: other bytes than were written", s.at(key), plimsoll.ErrIntegrity)
	}
	listed, err := s.first(ctx, key, "")
	if err != nil {
		return err
	}
	if listed != key {
		return fmt.Errorf("list %s: %w: an object just written is not listed; the bucket must be strongly consistent", s.at(key), plimsoll.ErrUnsupported)
	}
	return s.tryConditions(ctx, key, o.ETag)
}

// tryConditions makes two writes that must be refused and one that must not. A server without conditional writes either
// lets them pass or says that it does not implement them (501, or 400 for the header).
func (s *Store) tryConditions(ctx context.Context, key, etag string) error {
	honoured := true
	const wrong = "0123456789abcdef0123456789abcdef"
	for _, t := range []struct {
		cond    condition
		etag    string
		refused bool
	}{{nothing, "", true}, {match, wrong, true}, {match, etag, false}} {
		err := s.send(ctx, key, []byte("two"), t.cond, t.etag)
		switch {
		case err == nil && !t.refused, t.refused && errors.Is(err, ErrExists):
		case err == nil, errors.Is(err, ErrExists), notImplemented(err):
			honoured = false
		default:
			return fmt.Errorf("conditional write: %w", err)
		}
	}
	s.unconditional.Store(!honoured)
	return nil
}

func notImplemented(err error) bool {
	r, ok := response(err)
	return ok && (r.StatusCode == http.StatusNotImplemented || r.StatusCode == http.StatusBadRequest)
}
