package store

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/plimsoll/plimsoll"
)

func readSized[T any](ctx context.Context, s *Store, key string) (v T, size int, err error) {
	o, err := s.blobs.Get(ctx, key)
	if errors.Is(err, plimsoll.ErrIntegrity) {
		return v, 0, s.foreign(ctx, key)
	}
	if err != nil {
		return v, 0, err
	}
	if err := json.Unmarshal(o.Bytes, &v); err != nil {
		return v, 0, s.foreign(ctx, key)
	}
	return v, len(o.Bytes), nil
}
