package blob

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
)

// ReadJSON reads an object made from a root type. Unknown fields are ignored, so that an older part can read what a
// newer one wrote. The caller checks that the identity inside is the one that the key names.
func ReadJSON[T any](ctx context.Context, s *Store, key string) (T, error) {
	v, _, err := readJSON[T](ctx, s, key)
	return v, err
}

func readJSON[T any](ctx context.Context, s *Store, key string) (v T, etag string, err error) {
	o, err := s.Get(ctx, key)
	if err != nil {
		return v, "", err
	}
	if err := json.Unmarshal(o.Bytes, &v); err != nil {
		return v, "", fmt.Errorf("read %s: %w: no valid JSON of this kind: %v", s.at(key), plimsoll.ErrIntegrity, err)
	}
	return v, o.ETag, nil
}

// CreateJSON writes an immutable object. An equal one that exists already is success: work that is done twice gives the
// same. One that exists but cannot be read back whole is written again, since a reader takes it for a miss.
// [ErrExists] is returned when the one that exists differs.
func CreateJSON(ctx context.Context, s *Store, key string, v any) error {
	b, err := encodeJSON(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", s.at(key), err)
	}
	err = s.Create(ctx, key, b)
	if !errors.Is(err, ErrExists) {
		return err
	}
	there, rerr := s.Get(ctx, key)
	switch {
	case errors.Is(rerr, plimsoll.ErrIntegrity):
		return s.Put(ctx, key, b)
	case rerr != nil:
		return fmt.Errorf("%w; compare with what is there: %w", err, rerr)
	case !bytes.Equal(there.Bytes, b):
		return fmt.Errorf("%w: with other content (sha256 %.12s there, %.12s here)", err, sealed.Sum(there.Bytes), sealed.Sum(b))
	}
	return nil
}

// PutJSON writes an object that may change.
func PutJSON(ctx context.Context, s *Store, key string, v any) error {
	b, err := encodeJSON(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", s.at(key), err)
	}
	return s.Put(ctx, key, b)
}

// encodeJSON gives equal bytes for equal values: fields in the order of the type, maps sorted, one line, no escaping of
// HTML. Bytes that are not UTF-8 become U+FFFD.
func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
