package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// keyBytes is the length of a fingerprint key: that of the hash that it keys.
const keyBytes = 32

// fingerprintKey is the object that holds it.
type fingerprintKey struct {
	Key []byte `json:"key"`
}

// FingerprintKey is the bucket's key for fingerprints of secrets. The first worker makes it.
func FingerprintKey(ctx context.Context, blobs *blob.Store) ([]byte, error) {
	for {
		k, err := blob.ReadJSON[fingerprintKey](ctx, blobs, blob.FingerprintKey)
		switch {
		case err == nil && len(k.Key) == keyBytes:
			return k.Key, nil
		case err == nil:
			return nil, fmt.Errorf("%s: %w: a key of %d bytes, want %d; restore it from a backup, or delete it to begin with new fingerprints",
				blob.FingerprintKey, plimsoll.ErrIntegrity, len(k.Key), keyBytes)
		case !errors.Is(err, plimsoll.ErrNotFound):
			return nil, err
		}
		fresh := make([]byte, keyBytes)
		_, _ = rand.Read(fresh) // never fails (crypto/rand)
		if err := blob.CreateJSON(ctx, blobs, blob.FingerprintKey, fingerprintKey{fresh}); err != nil && !errors.Is(err, blob.ErrExists) {
			return nil, err
		}
	}
}
