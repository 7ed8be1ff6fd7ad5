package blob

// What tests need to know of the inside.
const (
	MaxShard  = maxShard
	MaxTries  = maxTries
	ReadAhead = readAhead
)

var (
	ShardOf = shardOf
	InOrder = inOrder[int, int]
)
