package blob

import (
	"context"
	"time"
)

// What tests need to know of the inside.
const (
	MaxShard  = maxShard
	MaxTries  = maxTries
	ReadAhead = readAhead

	KeptSingle = keptSingle
	MaxMerged  = maxMerged
	TailFresh  = tailFresh
)

// CompactStream merges one stream alone: the bucket is shared by all tests.
func (s *Store) CompactStream(ctx context.Context, stream string, now time.Time) (int, error) {
	return s.compact(ctx, stream, now)
}

// SetNow gives the tails another clock.
func (s *Store) SetNow(now func() time.Time) { s.now = now }

// SetClock makes this machine's clock another one.
func (s *Store) SetClock(now func() time.Time) { s.clock.now = now }

var (
	ShardOf = shardOf
	InOrder = inOrder[int, int]
)
